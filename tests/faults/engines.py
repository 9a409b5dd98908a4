"""Two engines at once in one folder: two `dvc repro`, or one beside Snakemake."""

import time
from collections.abc import Iterator
from functools import partial

from tests.faults.engine import ENGINES, Running
from tests.faults.trial import Fault, Room, goes_on

_PAIRS = (("dvc", "dvc"), ("dvc", "snakemake"), ("snakemake", "dvc"), ("snakemake", "snakemake"))


def faults() -> Iterator[Fault]:
    """Each pair, the second at once, or at a random moment of the first."""
    for first, second in _PAIRS:
        yield Fault(f"{second} beside {first}, at once", partial(beside, first=first, second=second, wait=0))
        yield Fault(f"{second} beside {first}", partial(beside, first=first, second=second, wait=12))
    for first, second in _PAIRS[:3]:
        yield Fault(
            f"{second} beside {first} in a training", partial(beside, first=first, second=second, stage="train")
        )


def beside(room: Room, first: str, second: str, wait: float = 0, stage: str = "") -> None:
    """At least one ends well; the other too, or with a message. Then either goes on."""
    project = room.before(stage) if stage else room.fresh()
    one = Running(project, first)
    if stage:
        assert one.stage(stage), one.said()
    time.sleep(room.rng.uniform(0, wait))
    other = Running(project, second)
    ends = [each.end() for each in (one, other)]
    for status, said in ends:
        assert "Traceback" not in said, said
        assert status == 0 or "error" in said.lower() or "lock" in said.lower(), said
    assert 0 in [status for status, _ in ends], [said for _, said in ends]
    goes_on(room, project, room.rng.choice([*ENGINES]))
