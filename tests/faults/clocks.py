"""A clock that is set back by a year, or forward: between two runs, and while a stage runs. It takes libfaketime."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.trial import ENGINES, Fault, NotHereError, Room, Running, goes_on, run

_LIBRARIES = (
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
)
_OFFSETS = ("-400d", "-2h", "+400d")


def faults() -> Iterator[Fault]:
    """Each offset under each engine."""
    for engine in ENGINES:
        for offset in _OFFSETS:
            yield Fault(f"by {offset} before a run of {engine}", partial(between, engine=engine, offset=offset))
        yield Fault(f"by {_OFFSETS[0]} in a run of {engine}", partial(within, engine=engine, offset=_OFFSETS[0]))


def _shifted(room: Room, offset: str) -> tuple[dict[str, str], Path]:
    """Variables by which a process has another time, and the file that says which."""
    found = next((path for path in _LIBRARIES if Path(path).exists()), None)
    if not found:
        raise NotHereError("no libfaketime is here; on Debian: apt install faketime")
    path = room.folder / "clock"
    path.write_text(offset)
    told = {"FAKETIME_TIMESTAMP_FILE": str(path), "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_CACHE_DURATION": "1"}
    return {"LD_PRELOAD": found, **told}, path


def between(room: Room, engine: str, offset: str) -> None:
    """A run that stopped goes on with another clock; then nothing is left to do by the right one."""
    stage = room.rng.choice(["evaluate", "complexity", "summary", "tables"])
    project = room.before(stage)
    environment, _ = _shifted(room, offset)
    right = project.environment
    project.environment = {**right, **environment}
    run(project, engine)
    project.environment = right
    room.assert_same(project)
    for each in ENGINES:
        assert "Running stage" not in run(project, each)


def within(room: Room, engine: str, offset: str) -> None:
    """The clock is set while a stage runs."""
    project = room.before("evaluate")
    environment, path = _shifted(room, "+0d")
    right = project.environment
    project.environment = {**right, **environment}
    running = Running(project, engine)
    assert running.stage("evaluate"), running.said()
    time.sleep(room.rng.uniform(0, 2))
    path.write_text(offset)
    status, said = running.end()
    assert status == 0, said
    project.environment = right
    goes_on(room, project, engine)
