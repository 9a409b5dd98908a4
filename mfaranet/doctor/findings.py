"""What was looked at, and how it is told."""

from dataclasses import dataclass
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
