"""Where a command writes to as its user says: looked at before the work, and nothing of others is ever replaced."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from mfaranet.errors import InputError

_LISTED = 20


def check_targets(
    targets: Sequence[Path], *, inputs: Iterable[Path], ours: Callable[[Path], bool], command: str, force: bool
) -> None:
    """Refuse, in one message, every file to be written that may not or cannot be; nothing is made or changed.

    Args:
        targets: the files to be written, in folders that need not be there yet.
        inputs: files that are never written to, by whatever path, link or spelling a target leads to them.
        ours: whether an existing file was made by ``command``; only such a file is replaced, and only by ``force``.
        command: its name, for the message.

    Raises:
        InputError: names every target that is in the way, and why, or a folder that takes no files.
    """
    taken = {_identity(path) for path in inputs} - {None}
    problems = []
    for target in targets:
        if not os.path.lexists(target):
            continue
        if _identity(target) in taken:
            problems.append(f"{target} is an input")
        elif target.is_symlink() or not target.is_file() or not ours(target):
            problems.append(f"{target} is there already and was not made by `{command}`")
        elif not force:
            problems.append(f"{target} was made by an earlier `{command}`; --force replaces it")
    if problems:
        raise InputError(_complain(problems))
    for folder in {target.parent for target in targets}:
        _check_folder(folder)


def _check_folder(folder: Path) -> None:
    """Try that files can be written in a folder, or in what is there of its path."""
    present = next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path))
    try:
        with TemporaryFile(dir=present):
            pass
    except NotADirectoryError:
        raise InputError(f"{present} is a file, not a folder to write to") from None
    except OSError as error:
        raise InputError(f"{present} cannot be written to ({error.strerror}); choose another folder") from None


def _identity(path: Path) -> tuple[int, int] | None:
    """The same for every path, link and spelling of one file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _complain(problems: Sequence[str]) -> str:
    shown = list(problems[:_LISTED])
    if len(problems) > len(shown):
        shown.append(f"... and {len(problems) - len(shown)} more")
    if len(problems) == 1:
        return f"nothing is written: {problems[0]}"
    return f"nothing is written, {len(problems)} files are in the way:\n  " + "\n  ".join(shown)
