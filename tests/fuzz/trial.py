"""One case of bad input, and what must hold for it.

It works, or it is refused: by one InputError that names the file. Then all files are as they were before. Where it
works, nothing is written but what it is for, and nothing half. It takes no longer than SECONDS and no more memory than
MEMORY. A command line ends with exit status 0 or with 1 and a line that begins with "error: ".
"""

import faulthandler
import hashlib
import io
import os
import resource
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from mfaranet.cli import main
from mfaranet.errors import InputError

SECONDS = 30
MEMORY = 2560
"""MiB that a case may take more than was there: a picture of as many pixels as Pillow trusts takes 7 copies of it."""
_ADDRESSES = 16 << 30
"""Bytes: what the machine is protected by."""
FILE = 256 << 20
"""Bytes of the largest file that a case can write."""
_LONGEST = 20000
"""Characters of a message that somebody may still read: a data set's names up to 50 problems."""


@dataclass(frozen=True)
class Case:
    """Something to be tried."""

    what: str
    """In words."""
    attempt: Callable[[], object]
    names: str
    """What a refusal must name."""
    target: Path
    """What it writes, if it works."""
    others_done: bool = False
    """Whether it writes although a part of it is refused."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    state: str
    """worked, refused or failed."""
    text: str = ""
    """The refusal, or what failed."""
    memory: int = 0
    """MiB that it took at most, beside what was there."""


def try_case(case: Case, folder: Path) -> Outcome:
    """Try a case that was made in a folder."""
    before = _tree(folder)
    memory = _reset_peak()
    refusal: str | None = None
    try:
        case.attempt()
    except InputError as error:
        refusal = str(error)
    except BaseException:
        return Outcome("failed", traceback.format_exc(limit=-12))
    taken = _status("VmHWM") - memory
    if taken > MEMORY:
        return Outcome("failed", f"{taken} MiB of memory, after: {refusal}", taken)
    own = str(case.target.relative_to(folder))
    changed = sorted({path for path, _ in _tree(folder).items() ^ before.items()})
    written = [path for path in changed if path.split("/")[0] == own and ".partial" not in path]
    if refusal is None or case.others_done:
        changed = [path for path in changed if path not in written]
    if changed:
        return Outcome("failed", f"written or left behind: {changed}\nafter: {refusal}")
    if refusal is None:
        return Outcome("worked", "", taken)
    if case.names not in refusal or len(refusal) > _LONGEST:
        return Outcome("failed", f"no sentence that names {case.names}: {refusal[:2000]}")
    return Outcome("refused", refusal, taken)


def command(*words: str) -> None:
    """The command line, as in a terminal.

    Raises:
        InputError: what it says it is.
    """
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    words_there = patch.object(sys, "argv", ["mfaranet", *words])
    # Options set variables, which are not for the next case.
    with words_there, patch.dict(os.environ), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    out.flush()
    err.flush()
    said = err.buffer.getvalue().decode()  # type: ignore[attr-defined]
    if code == 1 and said.count("error: ") and "Traceback" not in said:
        raise InputError(said)
    assert code in (0, None), f"exit status {code}: {said}"


def limit() -> None:
    """Protect the machine from what this process does from now on."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def begin() -> None:
    """End this process, with a traceback, where a case takes longer than it may, in C too."""
    faulthandler.dump_traceback_later(SECONDS, exit=True)


def _tree(folder: Path) -> dict[str, str]:
    """What is below a folder."""
    found = {}
    for path in folder.rglob("*"):
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else "-"
        found[str(path.relative_to(folder))] = f"{path.lstat().st_mode} {content}"
    return found


def _reset_peak() -> int:
    """Begin to measure the most memory; what there is now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(key: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) // 1024
