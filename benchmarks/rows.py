"""What the benchmarks have in common: forms of one computation timed in turn, and rows of ratios with their targets."""

import statistics
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from mfaranet.measure.machine import keep_memory


@dataclass(frozen=True)
class Row:
    """A figure of ours beside that of the straightforward form, measured in the same run."""

    what: str
    ours: float
    baseline: float
    unit: str
    target: float | None = None
    """Of the ratio; None where there is none."""
    least: bool = False
    """The ratio shall be the target or more, not the target or less."""
    ratio: float | None = None
    """Median of the ratios of each turn; None: of the two figures."""

    @property
    def value(self) -> float:
        """The ratio."""
        return self.ours / self.baseline if self.ratio is None else self.ratio

    @property
    def verdict(self) -> str:
        """Whether the target is met; nothing where there is none."""
        if self.target is None:
            return ""
        met = self.value >= self.target if self.least else self.value <= self.target
        return "met" if met else "missed"

    def __str__(self) -> str:
        target = "" if self.target is None else f"{'>=' if self.least else '<='} {self.target:g}: {self.verdict}"
        return f"{self.what:<58} {self.ours:9.4g} {self.baseline:9.4g} {self.unit:<9} {self.value:6.3f}  {target}"


def in_turn(
    forms: Mapping[str, Callable[[], object]], turns: int, *, keep: Collection[str] = (), warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each form in each turn, after one to warm up: what disturbs the machine disturbs all of them.

    ``warm_up``: false for what takes so long that its first seconds do not count.
    ``keep``: those of a process that keeps its memory; in the others it is given back, as in one that says nothing.
    """
    times: dict[str, list[float]] = {name: [] for name in forms}
    for turn in range(0 if warm_up else 1, turns + 1):
        for name, form in forms.items():
            keep_memory(name in keep)
            if turn and name in keep and warm_up:
                form()  # to have what the form before has given back
            start = time.perf_counter()
            form()
            if turn:
                times[name].append(time.perf_counter() - start)
    return times


def compared(
    what: str, ours: Sequence[float], baseline: Sequence[float], target: float | None = None, *, least: bool = False
) -> Row:
    """The row of two forms' seconds in the same turns: their medians, and the median of their ratios."""
    ratio = statistics.median(a / b for a, b in zip(ours, baseline, strict=True))
    return Row(what, statistics.median(ours), statistics.median(baseline), "s", target, least, ratio)


def print_rows(rows: Sequence[Row]) -> bool:
    """Print rows; return whether all targets are met."""
    print(f"{'':<58} {'ours':>9} {'baseline':>9} {'':<9} {'ratio':>6}  target")
    for row in rows:
        print(row, flush=True)
    return all(row.verdict != "missed" for row in rows)
