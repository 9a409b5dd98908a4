"""All that is looked at, in order."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mfaranet.errors import InputError


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    about: str
    """What: a stage as DVC calls it, a package, a tool."""
    state: Literal["ok", "missing", "note"]
    """``missing`` is needed for what params.yaml selects; a ``note`` is not, or takes care of itself."""
    says: str
    mend: str = ""
    """How, where there is something to do."""

    @property
    def text(self) -> str:
        """Both, in one line."""
        return f"{self.says}; {self.mend}" if self.mend else self.says


def refused(about: str, error: InputError, mend: str = "") -> Finding:
    """Of an error that says what is wrong and, after a semicolon, what to do; ``mend`` where it does not."""
    says, _, own = " / ".join(str(error).splitlines()).partition("; ")
    return Finding(about, "missing", says, own or mend)


def examine(file: Path) -> list[Finding]:
    """Look at the machine and, where params.yaml (``file``) or dvc.yaml is here, at the folder and what is selected."""
    return list(_examine(file))


def _examine(file: Path) -> Iterator[Finding]:
    from mfaranet.doctor import stages, surroundings
    from mfaranet.params import load

    yield from surroundings.packages()
    yield from surroundings.machine()
    graph = Path("dvc.yaml")
    if not file.exists() and not graph.exists():
        yield Finding(
            "pipeline", "note", f"neither {file} nor {graph} is here", "run this in the root of the repository"
        )
        return
    yield from surroundings.tools()
    yield from surroundings.repository()
    try:
        params = load(file)
    except InputError as error:
        yield refused(str(file), error, f"correct it, or take it back: git checkout {file}")
        return
    yield Finding(str(file), "ok", f"valid; selected are {', '.join(params.run.datasets)}")
    for dataset in params.run.datasets:
        yield from stages.lacking(params, dataset)
    yield stages.room(params)
