"""How trainings went, by epoch."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from mfaranet.figures.style import COLUMN, FEW, STYLES, admit_few, label
from mfaranet.files import write_text

CURVES = Path("plots/metrics")
"""Where DVCLive keeps the curves in a training's folder."""


def training_curves(folders: Mapping[str, Sequence[Path]], title: str) -> Figure:
    """Loss of the output and of all terms, validation mIoU and learning rate of each training, by epoch.

    ``folders`` are those of an experiment's curves, one for each seed: a line is their mean, a band what lies between,
    or a bar where there are too few epochs for a line.
    """
    panels: list[tuple[str, str, float]] = [
        ("train/output", "loss of the output", 1),
        ("train/total", "total loss", 1),
        ("val/miou", "validation mIoU (%)", 100),
        ("learning_rate", "learning rate", 1),
    ]
    figure = Figure(figsize=(COLUMN, 6.5), layout="constrained")
    figure.suptitle(title, fontsize=8)
    for axes, (metric, y_label, scale) in zip(figure.subplots(len(panels), sharex=True), panels, strict=True):
        points = 0
        for (name, places), (colour, marker) in zip(folders.items(), cycle(STYLES), strict=False):
            curves = [curve for folder in places if (curve := _curve(folder / f"{metric}.tsv")) is not None]
            if curves:  # a pruned network and one of the authors have none
                every = scale * pd.concat(curves, axis="columns")
                average = every.mean(axis="columns")
                lowest, highest = every.min(axis="columns"), every.max(axis="columns")
                trend = len(average) >= len(FEW)
                axes.plot(
                    average.index,
                    average,
                    color=colour,
                    marker=marker,
                    linestyle="-" if trend else "",
                    markersize=4,
                    label=label(name),
                )
                if len(curves) > 1 and trend:
                    axes.fill_between(every.index, lowest, highest, color=colour, alpha=0.2, lw=0)
                elif len(curves) > 1:
                    axes.vlines(every.index, lowest, highest, color=colour, lw=1)
                points = max(points, len(average))
        admit_few(axes, points)
        axes.set_ylabel(y_label, fontsize=8)
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].legend(fontsize=7)
    return figure


def write_curves(folders: Mapping[str, Path], output: Path) -> None:
    """Write for `dvc plots` one CSV of each curve: epoch, experiment and value, of all that were trained."""
    for name, metric in (("loss", "train/output"), ("miou", "val/miou"), ("learning_rate", "learning_rate")):
        found = {each: _curve(folder / f"{metric}.tsv") for each, folder in folders.items()}
        tables = [
            pd.DataFrame({"epoch": curve.index, "experiment": each, name: curve.to_numpy()})
            for each, curve in found.items()
            if curve is not None
        ]
        empty = pd.DataFrame(columns=["epoch", "experiment", name])
        write_text(output / f"{name}.csv", (pd.concat(tables) if tables else empty).to_csv(index=False))


def _curve(path: Path) -> "pd.Series[float] | None":
    """A curve by epoch; None where there is none."""
    if not path.exists():
        return None
    table = pd.read_csv(path, sep="\t")
    return table.set_index(table["step"] + 1)[path.stem]
