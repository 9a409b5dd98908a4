"""A clock that is set back: what is there is of the future then, in hours or more than a year.

The clock of this machine is left alone, as others use it: between two runs, all files are made later instead, which is
the same; within a run of DVC, libfaketime shows its processes another time (but not the kernel, which dates files).
"""

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.engine import ENGINES, Running, run
from tests.faults.trial import Fault, NotHereError, Room, goes_on
from tests.project import Project

_LIBRARY = "/usr/lib/{}-linux-gnu/faketime/libfaketimeMT.so.1"
_BACK = {"two hours": 7200, "400 days": 400 * 86400}


def faults() -> Iterator[Fault]:
    """Each under each engine."""
    for engine in ENGINES:
        for words, seconds in _BACK.items():
            yield Fault(f"by {words} before a run of {engine}", partial(between, engine=engine, seconds=seconds))
            yield Fault(f"by {words} before an edit, {engine}", partial(edit, engine=engine, seconds=seconds))
    yield Fault("by 400 days in a run of dvc", within)


def _age(project: Project, seconds: float) -> None:
    """Let all files be of the future."""
    later = time.time() + seconds
    for path in [project.root, *project.root.rglob("*")]:
        if ".git" not in path.parts:
            os.utime(path, (later, later), follow_symlinks=False)


def between(room: Room, engine: str, seconds: float) -> None:
    """A run that stopped goes on; then neither engine has anything left to do."""
    project = room.before(room.rng.choice(["evaluate", "complexity", "summary", "tables"]))
    _age(project, seconds)
    run(project, engine)
    room.assert_same(project)
    for each in ENGINES:
        assert "Running stage" not in run(project, each)


def edit(room: Room, engine: str, seconds: float) -> None:
    """What is stale runs, though it is of the future."""
    project = room.finished()
    _age(project, seconds)
    before = (project.root / "params.yaml").read_text()
    project.change("tables", "overall", "title", value="Later")
    run(project, engine)
    assert "# Later" in (project.root / "results/sample/tables/overall.md").read_text()
    (project.root / "params.yaml").write_text(before)
    run(project, engine)
    room.assert_same(project)


def within(room: Room) -> None:
    """The clock is set while a stage runs."""
    found = next((path for path in map(_LIBRARY.format, ("x86_64", "aarch64")) if Path(path).exists()), None)
    if not found:
        raise NotHereError("no libfaketime is here; on Debian: apt install faketime")
    project = room.before("evaluate")
    clock = room.folder / "clock"
    clock.write_text("+0d")
    right = project.environment
    told = {"FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}
    project.environment = {**right, "LD_PRELOAD": found, **told}
    running = Running(project, "dvc")
    assert running.stage("evaluate"), running.said()
    time.sleep(room.rng.uniform(0, 2))
    clock.write_text("-400d")
    status, said = running.end()
    assert status == 0, said
    project.environment = right
    goes_on(room, project, "dvc")
