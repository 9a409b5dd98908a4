"""Where the time of a training goes: what it waits for the loader, and what its steps take."""

import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfaranet.files import write_text

SHARE = 0.2
"""Of an epoch: who waits longer for the loader is told."""
_COLUMNS = ("epoch", "data_time", "step_time")


@dataclass
class Stopwatch:
    """Seconds of one epoch. On a GPU steps end later than they are called, but soon nothing more can be called."""

    waited: float = 0.0
    """For batches."""
    began: float = field(default_factory=time.perf_counter)

    def batches(self, loader: Iterable[Any]) -> Iterator[Any]:
        """The batches of a loader; what each is waited for is counted."""
        batches = iter(loader)
        while True:
            asked = time.perf_counter()
            batch = next(batches, None)
            self.waited += time.perf_counter() - asked
            if batch is None:
                return
            yield batch

    def row(self, epoch: int) -> dict[str, float]:
        """What is known at the end of an epoch: ``data_time`` waited for the loader, ``step_time`` all else."""
        return {"epoch": epoch, "data_time": self.waited, "step_time": time.perf_counter() - self.began - self.waited}


def write_times(path: Path | None, rows: Iterable[dict[str, float]]) -> None:
    """Write the rows of epochs as a CSV, seconds to the millisecond; nothing where there is no path."""
    if path is None:
        return
    lines = [f"{row['epoch']:.0f},{row['data_time']:.3f},{row['step_time']:.3f}" for row in rows]
    write_text(path, "".join(f"{line}\n" for line in (",".join(_COLUMNS), *lines)))


def advice(row: dict[str, float], workers: int) -> str | None:
    """What to tell of an epoch, in one line; None where the loader was fast enough.

    Workers that are waited for are busy all the time; without one, the process itself is while it waits.
    """
    waited, steps = row["data_time"], row["step_time"]
    if waited <= SHARE * (waited + steps):
        return None
    busy = workers * (waited + steps) if workers else waited
    enough = math.ceil(busy / steps)
    return (
        f"{waited / (waited + steps):.0%} of epoch {row['epoch']:.0f} was waited for images; with train.workers "
        f"{enough} instead of {workers} it would not wait, where that many cores are free (here are {os.cpu_count()})"
    )
