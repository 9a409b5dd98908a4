"""Scores over seeds, as figures show them."""

from collections.abc import Sequence
from statistics import fmean, stdev

from mfaranet.tables.cells import Cell

Spread = tuple[float, float]
"""Mean and standard deviation over seeds, 0 of one."""


def mean_and_deviation(scores: Sequence[Cell]) -> Spread | None:
    """Of the scores of several seeds; None without any."""
    values = [score.value for score in scores]
    return (fmean(values), stdev(values) if len(values) > 1 else 0.0) if values else None
