"""The paper's figures, from stored results: legible at column width, and to the colour-blind."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from statistics import fmean, stdev
from typing import TypeVar

import numpy as np
import pandas as pd
import textalloc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from mfaranet.files import atomic_write, write_text
from mfaranet.schema import size_name
from mfaranet.tables.cells import Cell, pointer_part
from mfaranet.tables.published import network_cell
from mfaranet.tables.results import Results
from mfaranet.tables.settings import FigureSettings, Shown

T = TypeVar("T")
Spread = tuple[float, float]
"""Mean and standard deviation over seeds, 0 of one."""

COLUMN = 5.0
"""Width in inches; printed at a column's 3.5 the text has 6 points or more."""
# Okabe and Ito's colours, with markers that tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
# Each pair once, those of different colour and marker first.
STYLES = tuple(
    (colour, MARKERS[(i + turn) % len(MARKERS)]) for turn in range(len(MARKERS)) for i, colour in enumerate(COLOURS)
)
CURVES = Path("plots/metrics")
"""Where DVCLive keeps the curves in a training's folder."""
OURS = ("base", "base pruned", "MFARANet", "MFARANet-Pruned")


def draw(settings: FigureSettings, shown: Shown, results: Results, curves: Path, folder: Path) -> None:
    """Write all figures but that of the predictions to ``folder`` as PNG.

    Args:
        settings: what to show.
        shown: by which protocol and measurement.
        results: of one data set.
        curves: folder of the trainings' curves, by experiment.
        folder: where to write.
    """
    named = results.alike(settings.experiments)
    alike = results.alike([*named, *results.experiments])
    every = [name for name in results.distinct() if name in alike]
    protocol = shown.protocol
    miou = {name: mean_and_deviation(results.over_seeds(name, protocol, "miou")) for name in every}
    sizes = {
        name: results.input_size(name, protocol).value
        for name in every
        if protocol in results.run(f"evaluate/{name}")["input_sizes"]
    }
    run = results.run(f"evaluate/{named[0]}")
    data = run["dataset"]["title"]
    place = f"{data}, {run['split']}, {label(protocol)}"

    def save(name: str, figure: Figure) -> None:
        atomic_write(folder / f"{name}.png", lambda temporary: figure.savefig(temporary, format="png", dpi=200))

    speeds = {name: results.speed(shown.measurement, name, size, "unfolded").value for name, size in sizes.items()}
    save("accuracy_speed", scatter(_labelled(speeds), _labelled(miou), "images per second", "mIoU (%)", place))
    costs = {name: results.cost(name, size_name(size))[-1].value for name, size in sizes.items()}
    gflops = "GFLOPs (official counter / 1024³)"
    save("accuracy_gflops", scatter(_labelled(costs), _labelled(miou), gflops, "mIoU (%)", place))
    save("networks", published_accuracy(settings.comparison, results))
    save("classes", classes(results, named, protocol, place))
    save("confusion", confusion(results, named[0], protocol, place))
    folders = {name: [curves / seed / CURVES for seed in results.seeds(name)] for name in named}
    save("curves", training_curves(folders, data))


def label(name: str) -> str:
    """A name of params.yaml, for people."""
    return name.replace("_", " ")


def mean_and_deviation(scores: Sequence[Cell]) -> Spread | None:
    """Of the scores of several seeds; None without any."""
    values = [score.value for score in scores]
    return (fmean(values), stdev(values) if len(values) > 1 else 0.0) if values else None


def scatter(x: Mapping[str, float], y: Mapping[str, Spread], x_label: str, y_label: str, title: str) -> Figure:
    """One thing over another, on a logarithmic scale, a named point for each name that both have.

    A bar is one standard deviation over seeds to either side.
    """
    figure, axes = _figure(title)
    names = [name for name in x if name in y]
    for name in names:
        colour, marker = STYLES[1] if name in OURS else STYLES[0]
        average, deviation = y[name]
        axes.errorbar(x[name], average, deviation or None, color=colour, marker=marker, markersize=4, linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.margins(0.15)
    axes.grid(alpha=0.3, which="both")
    if names:
        xs, ys = [x[name] for name in names], [y[name][0] for name in names]
        textalloc.allocate(axes, xs, ys, names, x_scatter=xs, y_scatter=ys, textsize=7, linecolor="grey", linewidth=0.5)
    return figure


def published_accuracy(measurement: str, results: Results) -> Figure:
    """What is published of each network's accuracy on Cityscapes over its speed here."""
    found = results.timings(measurement)
    measured = results.content(*found) if found else {}
    titles = {name: results.fact(name, "title").text for name in measured}
    accuracy = {name: network_cell(each["network"], "test_miou", scale=100).value for name, each in measured.items()}
    miou = {titles[name]: (value, 0.0) for name, value in accuracy.items() if value is not None}
    size = next((size for each in measured.values() for size in each["sizes"]), "")
    speeds = {titles[name]: each["sizes"][size]["unfolded"]["fps"] for name, each in measured.items()}
    device = results.run(found[0])["device"] if found else "(not measured)"
    x_label = f"images per second here, at {size} on {device}"
    return scatter(speeds, miou, x_label, "test mIoU published (%)", "Table XI: accuracy on Cityscapes, speed here")


def classes(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """IoU of each class, a line of points for each experiment: the mean over its seeds, with their deviation."""
    names = list(results.content(f"evaluate/{experiments[0]}", "metrics.json")[protocol]["iou"])
    figure, axes = _figure(title, height=0.8 + 0.22 * len(names))
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
    figure, axes = _figure(f"{label(experiment)}, {title}", height=COLUMN)
    axes.set_facecolor("lightgrey")
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(table)), table.columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(table)), table.index, fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("ground truth")
    figure.colorbar(image, ax=axes, label="pixels of the class (%)", shrink=0.8)
    return figure


def training_curves(folders: Mapping[str, Sequence[Path]], title: str) -> Figure:
    """Loss of the output and of all terms, validation mIoU and learning rate of each training, by epoch.

    ``folders`` are those of an experiment's curves, one for each seed: a line is their mean, a band what lies between.
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
        for (name, places), (colour, marker) in zip(folders.items(), cycle(STYLES), strict=False):
            curves = [curve for folder in places if (curve := _curve(folder / f"{metric}.tsv")) is not None]
            if curves:  # a pruned network and one of the authors have none
                every = scale * pd.concat(curves, axis="columns")
                average = every.mean(axis="columns")
                axes.plot(average.index, average, color=colour, marker=marker, markersize=4, label=label(name))
                axes.fill_between(
                    every.index, every.min(axis="columns"), every.max(axis="columns"), color=colour, alpha=0.2
                )
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


def _labelled(values: Mapping[str, T | None]) -> dict[str, T]:
    return {label(name): value for name, value in values.items() if value is not None}


def _figure(title: str, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=8)
    return figure, axes
