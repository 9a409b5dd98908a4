"""Accuracy over what it costs: a point for each network, as large as its parameters, and the Pareto front."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import textalloc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from mfaranet.figures.front import pareto
from mfaranet.figures.style import COLOURS, admit_few, new_figure

OURS = ("mfaranet", "mfaranet_pruned")
OWN, OTHERS, VARIANTS = "MFARANet", "other networks", "variants of these"
KINDS = {OWN: (COLOURS[1], "s"), OTHERS: (COLOURS[0], "o"), VARIANTS: ("silver", "D")}
"""Of points, with colour and marker."""
_LEGEND = (1, 10, 100)
"""Millions of parameters."""


@dataclass(frozen=True)
class Point:
    """A network with its score in percent, its deviation over seeds (0 of one), and its parameters in millions."""

    name: str
    kind: str
    x: float
    y: float
    deviation: float = 0.0
    params: float | None = None


def kinds(networks: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The kind of each experiment, of pairs of an experiment and its network: the first one of a network is its own,
    those after it are variants."""
    seen: set[str] = set()
    found = {}
    for experiment, network in networks:
        own = OWN if network in OURS else OTHERS
        found[experiment] = VARIANTS if network in seen else own
        seen.add(network)
    return found


def tradeoff(points: Sequence[Point], x_label: str, y_label: str, title: str, *, less_is_better: bool) -> Figure:
    """Scores over costs or speeds on a logarithmic scale; bars are one standard deviation over seeds to either side.

    Variants have a name where they are on the front alone.
    """
    figure, axes = new_figure(title, height=4.4)
    for kind, (colour, marker) in reversed(KINDS.items()):  # those of the first kind on top
        if of_kind := [point for point in points if point.kind == kind]:
            xs, ys = [each.x for each in of_kind], [each.y for each in of_kind]
            axes.errorbar(xs, ys, [each.deviation for each in of_kind], color=colour, linestyle="", elinewidth=1)
            areas = [_area(each.params) for each in of_kind]
            axes.scatter(xs, ys, areas, color=colour, marker=marker, alpha=0.8, linewidths=0)
    if points:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
    axes.tick_params(labelsize=8)
    axes.set_xlabel(x_label, fontsize=9)
    axes.set_ylabel(y_label, fontsize=9)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}" if 0 <= value <= 100 else "")
    axes.margins(0.15)
    axes.grid(alpha=0.3, which="both")
    if len({each.x for each in points}) == 1:  # on a logarithmic scale matplotlib finds no room around one value
        axes.set_xlim(points[0].x / 2, points[0].x * 2)
    few = admit_few(axes, len(points))
    front = [] if few else pareto(points, lambda each: (each.x, each.y), less_is_better=less_is_better)
    steps = _steps(front, less_is_better)
    axes.plot(*zip(*steps, strict=True) if steps else ((), ()), color="grey", lw=0.8, ls="--", zorder=0)
    _legend(figure, points, front)
    _names(figure, axes, points, [each for each in points if each.kind != VARIANTS or each in front], steps)
    return figure


def _steps(front: Sequence[Point], less_is_better: bool) -> list[tuple[float, float]]:
    """The corners of the line below and beyond which there is a better network."""
    corners = []
    for left, right in pairwise(front):
        between = (right.x, left.y) if less_is_better else (left.x, right.y)
        corners += [(left.x, left.y), between, (right.x, right.y)]
    return corners


def _area(params: float | None) -> float:
    """Of a marker, in square points."""
    return 15 + 2.2 * (params or 0)


def _legend(figure: Figure, points: Sequence[Point], front: Sequence[Point]) -> None:
    shown = {point.kind for point in points}
    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=kind)
        for kind, (colour, marker) in KINDS.items()
        if kind in shown
    ]
    if front:
        handles.append(Line2D([], [], color="grey", lw=0.8, ls="--", label="Pareto front"))
    if any(point.params for point in points):
        handles += [
            Line2D([], [], color="grey", marker="o", linestyle="", markersize=_area(each) ** 0.5, label=f"{each} M")
            for each in _LEGEND
        ]
    if handles:
        figure.legend(
            handles=handles, loc="outside lower center", ncols=4, fontsize=7, title_fontsize=7, handleheight=1.6,
            title="The area grows with the parameters." if any(point.params for point in points) else None,
        )  # fmt: skip


def _names(
    figure: Figure, axes: Axes, points: Sequence[Point], named: Sequence[Point], steps: Sequence[tuple[float, float]]
) -> None:
    """Write the names where they hide neither points nor each other nor the front."""
    if not named:
        return
    figure.draw_without_rendering()  # so that the plot has its last size
    xs, ys = [each.x for each in points], [each.y for each in points]
    places = axes.scatter(xs, ys, [_area(each.params) for each in points], alpha=0)
    lines: dict[str, Any] = {}
    if steps:
        lines = {f"{key}_lines": [[left[i], right[i]] for left, right in pairwise(steps)] for i, key in enumerate("xy")}
    textalloc.allocate(
        axes,
        [each.x for each in named],
        [each.y for each in named],
        [each.name for each in named],
        x_scatter=xs,
        y_scatter=ys,
        scatter_plot=places,
        **lines,
        textsize=6,
        linecolor="grey",
        linewidth=0.5,
        max_distance=0.15,
    )
    places.remove()
