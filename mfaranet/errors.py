"""The one exception for input that a user can mend, and how every command line tells it, and what the machine lacks."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

_WORD, _SHOWN = 5000, 100
"""Characters of a word that a message has whole, as the longest path; and how many are shown of a longer one."""


class InputError(ValueError):
    """Bad input: the message says what is wrong, where, and how to mend it.

    Stages and command lines print the message alone, without a traceback, and exit with status 1. A value that it
    quotes, and that has no end anybody would read to, is cut.
    """

    def __init__(self, message: str) -> None:
        super().__init__(re.sub(rf"\S{{{_WORD},}}", _cut, message))


def _cut(word: re.Match[str]) -> str:
    return f"{word[0][:_SHOWN]}... ({len(word[0])} characters)"


_LACKS = {
    r"No space left on device|Disk quota exceeded|File too large|requested and \d+ written|PytorchStreamWriter|iostream"
    r"|inline_container": "the disk is full: make room on that of {folder}",
    r"Read-only file system|Permission denied|Operation not permitted": (
        "a file or folder may not be used: let this user read it, and write to {folder}"
    ),
    r"MemoryError|out of memory|can't allocate memory|Cannot allocate memory|Insufficient memory": (
        "memory ran out: end other programs, or make train.batch_size (beside train.accumulate), train.workers or the "
        "size of images smaller"
    ),
    r"DataLoader worker": (
        "a process that loads images was killed, as by a system without memory: end other programs, make train.workers "
        "smaller, or give a container more shared memory"
    ),
    r"Input/output error|Stale file handle|Too many open files": "the system fails: look at the disk of {folder}",
}
"""What the words of an exception, of whatever library, say that the machine lacks, and how to mend it."""


def report_errors(command: Callable[[], Any]) -> None:
    """Run a command; bad input, or what the machine lacks, is told in one message, without a traceback, and exits with
    status 1."""
    try:
        command()
    except InputError as error:
        _end(str(error))
    except Exception as error:
        if not (told := lacking(error)):
            raise
        _end(told)


def lacking(error: Exception) -> str | None:
    """What the machine lacks where an exception is of that, and how to mend it; None for any other exception."""
    text = f"{type(error).__name__}: {error}"
    for words, mend in _LACKS.items():
        if found := next((line for line in text.splitlines() if re.search(words, line)), None):
            return f"{mend.format(folder=Path.cwd())}; then run again ({found.strip()[:300]})"
    return None


def _end(message: str) -> None:
    typer.secho(f"error: {message}", fg="red", err=True)
    sys.exit(1)
