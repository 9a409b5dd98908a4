"""SIGKILL at random moments, in each stage and under both engines: of all processes, or of the stage's alone."""

import time
from collections.abc import Iterator
from functools import partial

import psutil

from tests.faults.engine import ENGINES, Running, assert_message
from tests.faults.trial import STAGES, Fault, Room, goes_on

_CHAINS = 3
"""Runs from nothing, for each engine, that are killed again and again."""


def faults() -> Iterator[Fault]:
    """One in each stage under each engine, and some anywhere."""
    for stage in STAGES:
        for engine in ENGINES:
            yield Fault(f"{stage} under {engine}", partial(kill_stage, stage=stage, engine=engine))
    for engine in ENGINES:
        yield Fault(f"as dvc.lock is written, then {engine}", partial(cut_lock, engine=engine))
        for number in range(1, _CHAINS + 1):
            yield Fault(f"anywhere under {engine}, {number}", partial(kill_anywhere, engine=engine))


def kill_stage(room: Room, stage: str, engine: str) -> None:
    """Kill in a stage, and go on with either engine."""
    alone = room.rng.random() < 0.5
    longest = room.seconds(stage)
    for attempt in range(6):
        project = room.before(stage, f"project_{attempt}")
        running = Running(project, engine)
        process = running.stage(stage)
        assert process, running.said()
        time.sleep(room.rng.uniform(0, longest))
        if _killed(running, process, alone):
            break
        longest /= 2
    else:
        raise AssertionError("it always ended before it was killed")
    goes_on(room, project, room.rng.choice([*ENGINES]))


def _killed(running: Running, process: psutil.Process, alone: bool) -> bool:
    """Whether something was there to kill; of a stage alone, its engine says so."""
    if not alone:
        return running.kill()
    try:
        process.kill()
    except psutil.NoSuchProcess:
        running.kill()
        return False
    status, said = running.end()
    assert status != 0, said
    assert_message(said, "workflow.")
    return True


def kill_anywhere(room: Room, engine: str) -> None:
    """Kill a run that begins with nothing, two to four times, and end it with the other engine or the same."""
    project = room.fresh()
    for _ in range(room.rng.randint(2, 4)):
        running = Running(project, engine)
        time.sleep(room.rng.uniform(1, 15))
        if not running.kill():
            break
        if engine == "snakemake":
            for lock in (project.root / ".snakemake/locks").glob("*"):
                lock.unlink()
    goes_on(room, project, room.rng.choice([*ENGINES]))


def cut_lock(room: Room, engine: str) -> None:
    """Leave what a kill leaves where it strikes while DVC writes dvc.lock: it is emptied first, then filled."""
    project = room.before("summary")
    (project.root / "dvc.lock").write_text("")
    goes_on(room, project, engine)
