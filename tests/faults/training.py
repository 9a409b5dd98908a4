"""A training whose loader worker is killed or lacks memory, that lacks memory itself, or whose loss is NaN.

Memory is taken away by RLIMIT_AS of the running process, half of what it has, at a random moment after its first epoch:
whatever asks for some next, in Python, OpenCV or torch, gets none. It may then end in C, where nothing can say it.
"""

import resource
import time
from collections.abc import Callable, Iterator
from functools import partial

import psutil

from tests.faults.engine import Running, assert_message, refused, run
from tests.faults.trial import STAGES, Fault, Room, content, recorded


def _kill(process: psutil.Process) -> None:
    process.kill()


def _starve(process: psutil.Process) -> None:
    limit = process.memory_info().vms // 2
    process.rlimit(resource.RLIMIT_AS, (limit, limit))


def faults() -> Iterator[Fault]:
    """Each under both engines."""
    for engine in ("dvc", "snakemake"):
        yield Fault(f"loader worker killed under {engine}", partial(strike, engine=engine, act=_kill, worker=True))
        yield Fault(
            f"loader worker without memory under {engine}", partial(strike, engine=engine, act=_starve, worker=True)
        )
        yield Fault(
            f"training without memory under {engine}", partial(strike, engine=engine, act=_starve, worker=False)
        )
    yield Fault("NaN in the loss", lose_number)


def strike(room: Room, engine: str, act: Callable[[psutil.Process], None], worker: bool) -> None:
    """Strike a training of several epochs, which then goes on from the last that was complete."""
    expected, project = room.before("train", "expected"), room.before("train")
    for each in (expected, project):
        train = each.params()["profiles"]["sample"]["train"]
        each.change("profiles", "sample", "train", value={**train, "workers": 1, "epochs": 6})
    target = STAGES["train"] if engine == "dvc" else "train_sample_base"
    run(expected, "dvc", STAGES["train"])
    running = Running(project, engine, target)
    process = running.stage("train")
    assert process, running.said()
    project.await_epoch(running.process)
    time.sleep(room.rng.uniform(0, 1))
    act(process.children()[0] if worker else process)
    status, said = running.end()
    assert status != 0, said
    assert_message(said, "train")
    if process_could_say(said):
        assert "memory" in said, said
    states = list((project.root / "runs/sample/resume/base").glob("*/epoch_*.pt"))
    assert states
    assert "going on after epoch" in run(project, engine, target)
    assert content(project.root) == content(expected.root)
    assert recorded(project) == recorded(expected)


def process_could_say(said: str) -> bool:
    """Whether it was not ended by a signal, for which shells have negative statuses or those above 128."""
    return "exited with 1\n" in said


def lose_number(room: Room) -> None:
    """Train with a learning rate that is far too high, which is then taken back."""
    project = room.before("train")
    before = (project.root / "params.yaml").read_text()
    project.change("train", "base_lr", value=1e30)
    said = refused(project, "dvc", "repro", STAGES["train"], names="the loss is no longer a number")
    assert "train.base_lr" in said
    (project.root / "params.yaml").write_text(before)
    run(project, "dvc")
    room.assert_same(project)
