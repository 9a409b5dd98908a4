"""IoU and confusion of classes."""

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from mfaranet.figures.spread import mean_and_deviation
from mfaranet.figures.style import COLUMN, STYLES, label, new_figure
from mfaranet.tables.cells import pointer_part
from mfaranet.tables.results import Results


def classes(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """IoU of each class, a line of points for each experiment: the mean over its seeds, with their deviation."""
    names = list(results.content(f"evaluate/{experiments[0]}", "metrics.json")[protocol]["iou"])
    figure, axes = new_figure(title, height=0.8 + 0.22 * len(names))
    for name, (colour, marker) in zip(experiments, cycle(STYLES), strict=False):
        found = [mean_and_deviation(results.over_seeds(name, protocol, f"iou/{pointer_part(each)}")) for each in names]
        averages, deviations = zip(*(each or (np.nan, 0.0) for each in found), strict=True)
        bars = deviations if any(deviations) else None
        axes.errorbar(
            averages,
            range(len(names)),
            xerr=bars,
            color=colour,
            marker=marker,
            markersize=5,
            linestyle="",
            elinewidth=1,
            alpha=0.8,
            label=label(name),
        )
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("IoU (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return figure


def confusion(results: Results, experiment: str, protocol: str, title: str) -> Figure:
    """Of the pixels of each class, the share that is predicted as each; classes that do not occur are grey."""
    table = pd.read_csv(results.root / "evaluate" / experiment / "confusion.csv")
    table = table[table["protocol"] == protocol].set_index("ground_truth").drop(columns="protocol")
    shares = 100 * table.div(table.sum(axis=1), axis=0)
    figure, axes = new_figure(f"{label(experiment)}, {title}", height=COLUMN)
    axes.set_facecolor("lightgrey")
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(table)), table.columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(table)), table.index, fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    figure.colorbar(image, ax=axes, label="pixels of the class (%)", shrink=0.8)
    return figure
