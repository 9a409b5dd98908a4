"""The paper's figures, from stored results: legible at column width, and to the colour-blind."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
import textalloc
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from mfaranet.files import atomic_write
from mfaranet.schema import FigureSettings, size_name
from mfaranet.tables.cells import mean, pointer_part
from mfaranet.tables.published import network_cell
from mfaranet.tables.results import Results

COLUMN = 5.0
"""Width in inches; printed at a column's 3.5 the text has 6 points or more."""
# Okabe and Ito's colours, with markers that tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
# Each pair once, those of different colour and marker first.
STYLES = tuple(
    (colour, MARKERS[(i + turn) % len(MARKERS)]) for turn in range(len(MARKERS)) for i, colour in enumerate(COLOURS)
)
OURS = ("base", "base pruned", "MFARANet", "MFARANet-Pruned")


def draw(settings: FigureSettings, results: Results, curves: Path, folder: Path) -> None:
    """Write all figures but that of the predictions to ``folder`` as PNG.

    Args:
        settings: what to show.
        results: of one data set.
        curves: folder of the trainings' curves, by experiment.
        folder: where to write.
    """
    shown = [name for name in settings.experiments if name in results.selected]
    protocol = settings.protocol
    scores = {name: mean(results.over_seeds(name, protocol, "miou"), str).value for name in results.selected}
    miou = _labelled(scores)
    sizes = {
        name: results.input_size(name, protocol).value
        for name in results.selected
        if protocol in results.run(f"evaluate/{name}")["input_sizes"]
    }
    data = results.run(f"evaluate/{shown[0]}")["dataset"]["title"]
    place = f"{data}, {label(protocol)}"

    def save(name: str, figure: Figure) -> None:
        atomic_write(folder / f"{name}.png", lambda temporary: figure.savefig(temporary, format="png", dpi=200))

    speeds = {name: results.speed(settings.latency, name, size, "unfolded").value for name, size in sizes.items()}
    save("accuracy_speed", scatter(_labelled(speeds), miou, "images per second", "mIoU (%)", place))
    costs = {name: results.cost(name, size_name(size))[-1].value for name, size in sizes.items()}
    save("accuracy_gflops", scatter(_labelled(costs), miou, "GFLOPs (official counter / 1024³)", "mIoU (%)", place))
    save("networks", published_accuracy(settings.comparison, results))
    save("classes", classes(results, shown, protocol, place))
    save("confusion", confusion(results, shown[0], protocol, place))
    save("curves", training_curves({name: curves / name / "plots/metrics" for name in shown}, data))


def label(name: str) -> str:
    """A name of params.yaml, for people."""
    return name.replace("_", " ")


def scatter(x: Mapping[str, float], y: Mapping[str, float], x_label: str, y_label: str, title: str) -> Figure:
    """One thing over another, on a logarithmic scale, a named point for each name that both have."""
    figure, axes = _figure(title)
    names = [name for name in x if name in y]
    for name in names:
        colour, marker = STYLES[1] if name in OURS else STYLES[0]
        axes.plot(x[name], y[name], marker, color=colour, markersize=4)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.margins(0.15)
    axes.grid(alpha=0.3, which="both")
    if names:
        xs, ys = [x[name] for name in names], [y[name] for name in names]
        textalloc.allocate(axes, xs, ys, names, x_scatter=xs, y_scatter=ys, textsize=7, linecolor="grey", linewidth=0.5)
    return figure


def published_accuracy(measurement: str, results: Results) -> Figure:
    """What is published of each network's accuracy on Cityscapes over its speed here."""
    found = results.timings(measurement)
    measured = results.content(*found) if found else {}
    titles = {name: results.fact(name, "title").text for name in measured}
    accuracy = {name: network_cell(each["network"], "test_miou", scale=100).value for name, each in measured.items()}
    miou = {titles[name]: value for name, value in accuracy.items() if value is not None}
    size = next((size for each in measured.values() for size in each["sizes"]), "")
    speeds = {titles[name]: each["sizes"][size]["unfolded"]["fps"] for name, each in measured.items()}
    device = results.run(found[0])["device"] if found else "(not measured)"
    x_label = f"images per second here, at {size} on {device}"
    return scatter(speeds, miou, x_label, "test mIoU published (%)", "Table XI: accuracy on Cityscapes, speed here")


def classes(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """IoU of each class, a line of points for each experiment; the mean over its seeds."""
    names = list(results.content(f"evaluate/{experiments[0]}", "metrics.json")[protocol]["iou"])
    figure, axes = _figure(title, height=0.8 + 0.22 * len(names))
    for name, (colour, marker) in zip(experiments, cycle(STYLES), strict=False):
        ious = [mean(results.over_seeds(name, protocol, f"iou/{pointer_part(each)}"), str).value for each in names]
        points = [np.nan if iou is None else iou for iou in ious]
        axes.plot(points, range(len(names)), marker, color=colour, label=label(name), markersize=5, alpha=0.8)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel("IoU (%)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return figure


def confusion(results: Results, experiment: str, protocol: str, title: str) -> Figure:
    """Of the pixels of each class, the share that is predicted as each; classes that do not occur are grey."""
    table = pd.read_csv(results.root / "evaluate" / experiment / "confusion.csv")
    table = table[table["protocol"] == protocol].set_index("truth").drop(columns="protocol")
    shares = 100 * table.div(table.sum(axis=1), axis=0)
    figure, axes = _figure(f"{label(experiment)}, {title}", height=COLUMN)
    axes.set_facecolor("lightgrey")
    image = axes.imshow(shares, cmap="cividis", vmin=0, vmax=100)
    axes.set_xticks(range(len(table)), table.columns, rotation=90, fontsize=7)
    axes.set_yticks(range(len(table)), table.index, fontsize=7)
    axes.set_xlabel("predicted")
    axes.set_ylabel("truth")
    figure.colorbar(image, ax=axes, label="pixels of the class (%)", shrink=0.8)
    return figure


def training_curves(folders: Mapping[str, Path], title: str) -> Figure:
    """Loss, validation mIoU and learning rate of each experiment that was trained, by epoch."""
    panels: list[tuple[str, str, Callable[[pd.Series], pd.Series]]] = [
        ("train/total", "training loss", lambda values: values),
        ("val/miou", "validation mIoU (%)", lambda values: 100 * values),
        ("learning_rate", "learning rate", lambda values: values),
    ]
    figure = Figure(figsize=(COLUMN, 5.0), layout="constrained")
    figure.suptitle(title, fontsize=8)
    for axes, (metric, y_label, convert) in zip(figure.subplots(len(panels), sharex=True), panels, strict=True):
        for (name, folder), (colour, marker) in zip(folders.items(), cycle(STYLES), strict=False):
            path = folder / f"{metric}.tsv"
            if path.exists():  # a pruned network and one of the authors have none
                curve = pd.read_csv(path, sep="\t")
                style = {"color": colour, "marker": marker, "markersize": 4, "label": label(name)}
                axes.plot(curve["step"] + 1, convert(curve[metric.split("/")[-1]]), **style)
        axes.set_ylabel(y_label, fontsize=8)
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].legend(fontsize=7)
    return figure


def _labelled(values: Mapping[str, float | None]) -> dict[str, float]:
    return {label(name): value for name, value in values.items() if value is not None}


def _figure(title: str, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=8)
    return figure, axes
