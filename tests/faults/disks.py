"""A disk that is full while data, checkpoints, tables or records are written: a tmpfs with too little room."""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.faults.engine import assert_message
from tests.faults.trial import STAGES, Fault, MissedError, Room, goes_on, mounted

_LARGE = 2 << 30
_PAGE = 4096
_NEEDED = {"plan": 200, "data": 400, "decode": 250, "train": 500_000, "evaluate": 300, "complexity": 50, "summary": 40}
"""KiB that a stage writes at most, with its copy in DVC's cache."""
_TOLD = ("disk is full", "make room", "No space left on device", "No possible cache link types", "out of diskspace")
"""In our words, and in DVC's."""
_PAGES = 10
"""A few more than the stage tables and its record need."""


def faults() -> Iterator[Fault]:
    """Stages with a random share of the room that they need, and the last one with each number of pages."""
    for stage in _NEEDED:
        for number in (1, 2, 3) if stage == "train" else (1, 2):
            yield Fault(f"{stage}, {number}", partial(fill, stage=stage))
    for pages in range(_PAGES):
        yield Fault(f"tables and dvc.lock in {pages} pages", partial(fill, stage="tables", room_left=pages * _PAGE))


def fill(room: Room, stage: str, room_left: int | None = None) -> None:
    """Run a stage without the room that it needs, make room, and go on."""
    with mounted("tmpfs", f"size={_LARGE}", "none", room.folder / "small") as disk:
        needed = _NEEDED.get(stage, 0) << 10
        for attempt in range(6):
            project = replace(room, folder=disk).before(stage, f"project_{attempt}")
            project.run("git", "add", "dvc.lock")
            left = room_left if room_left is not None else room.rng.randrange(needed)
            _resize(disk, shutil.disk_usage(disk).used + left)
            done = project.ran("dvc", "repro", "--single-item", STAGES[stage])
            _resize(disk, _LARGE)
            if done.returncode or room_left is not None:
                break
            needed //= 2
            shutil.rmtree(project.root)
        if done.returncode:
            said = done.stdout + done.stderr
            assert_message(said)
            assert any(words in said for words in _TOLD), said
        goes_on(room, project, "dvc")
        if done.returncode == 0:
            raise MissedError("there was room enough")


def _resize(disk: Path, size: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={max(size, _PAGE)}", disk], check=True)
