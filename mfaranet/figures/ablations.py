"""What each change to an experiment does to its score."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from mfaranet.figures.spread import mean_and_deviation
from mfaranet.figures.style import COLOURS, admit_few, label, new_figure
from mfaranet.tables.accuracy import weights_text
from mfaranet.tables.results import OTHERWISE, Results


def comparable(results: Results, experiments: Sequence[str], protocol: str) -> list[str]:
    """The experiments that differ from the first one in what they change alone, itself first: recorded by the settings
    of params.yaml, with a score by the protocol, on the same data and split, from the same kind of weights.

    Empty where the first is none of these.
    """
    distinct = results.distinct()
    recorded = [
        name
        for name in experiments
        if name in distinct and results.recorded(name) and results.mark(name) != OTHERWISE
        if results.over_seeds(name, protocol, "miou")
    ]
    if recorded[:1] != list(experiments[:1]):
        return []
    place = {name: _place(results.run(f"evaluate/{name}")) for name in recorded}
    return [name for name in recorded if place[name] == place[recorded[0]]]


def _place(run: Any) -> tuple[Any, ...]:
    return run["dataset"]["title"], run["dataset"].get("fingerprint"), run["split"], weights_text(run["weights"])


def ablations(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """Difference in mIoU of experiments from the first of them, in points; marked as in tables, hollow where marked.

    A bar is one standard deviation over seeds to either side, where there are several; a band is that of the first.
    """
    shown = comparable(results, experiments, protocol)
    scores = {name: results.over_seeds(name, protocol, "miou") for name in shown}
    spreads = {name: mean_and_deviation(cells) or (0.0, 0.0) for name, cells in scores.items()}
    base, others = experiments[0], shown[1:]
    figure, axes = new_figure(title, height=1.5 + 0.17 * max(len(others), 4))
    admit_few(axes, len(others))
    if shown:
        level, deviation = spreads[base]
        seeds = f"{len(scores[base])} seed{'s' if len(scores[base]) > 1 else ''}"
        axes.set_title(f"{title}\n{label(base)}: {level:.1f} % mIoU, {seeds}", fontsize=8)
        if deviation:
            band = f"one standard deviation of {label(base)} over seeds: {deviation:.2f} points"
            axes.axvspan(-deviation, deviation, color="grey", alpha=0.25, lw=0, label=band)
            figure.legend(loc="outside lower center", fontsize=7)
    axes.axvline(0, color="black", lw=0.8)
    for row, name in enumerate(others):
        average, spread = spreads[name]
        better = average >= level
        axes.errorbar(
            average - level,
            row,
            xerr=spread or None,
            color=COLOURS[0] if better else COLOURS[1],
            marker="o" if better else "D",
            markersize=5,
            markerfacecolor="white" if results.mark(name) else None,
            capsize=2,
        )
    axes.set_yticks(range(len(others)), [f"{label(name)}{results.mark(name)}" for name in others], fontsize=7)
    axes.set_ylim(max(len(others), 1) - 0.5, -1 if len(others) > 2 else -2)
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(f"mIoU less that of {label(base)} (points)", fontsize=9)
    axes.grid(alpha=0.3)
    return figure
