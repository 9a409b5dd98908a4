"""All that is looked at, in order."""

from collections.abc import Iterator
from pathlib import Path

from mfaranet.doctor import stages, surroundings
from mfaranet.doctor.findings import Finding, refused
from mfaranet.errors import InputError
from mfaranet.params import load


def examine(file: Path) -> list[Finding]:
    """Look at the machine and, where params.yaml (``file``) or dvc.yaml is here, at the folder and what is selected."""
    return list(_examine(file))


def _examine(file: Path) -> Iterator[Finding]:
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
