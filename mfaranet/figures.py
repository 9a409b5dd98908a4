"""The paper's figures, from stored results: legible at column width, and to the colour-blind."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import textalloc
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfaranet.cells import Cell
from mfaranet.files import atomic_write
from mfaranet.results import Results
from mfaranet.settings import FigureSettings, size_name

COLUMN = 5.0
"""Width in inches; printed at a column's 3.5 the text has 6 points or more."""
# Okabe and Ito's colours, with markers that tell them apart in grey.
STYLES = tuple(
    zip(("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"), "osD^vP*", strict=True)
)


def draw(settings: FigureSettings, results: Results, curves: Path, folder: Path) -> None:
    """Write all figures but that of the predictions to ``folder`` as PNG.

    Args:
        settings: what to show.
        results: of one data set.
        curves: folder of the trainings' curves, by experiment.
        folder: where to write.
    """
    shown = [name for name in settings.experiments if name in results.selected]
    scores = {name: miou(results, name, settings.protocol) for name in results.selected}
    known = {name: cell for name, cell in scores.items() if cell is not None}
    data = results.run(f"evaluate/{shown[0]}")["dataset"]["title"]
    place = f"{data}, {settings.protocol.replace('_', ' ')}"

    def save(name: str, figure: Figure) -> None:
        atomic_write(folder / f"{name}.png", lambda temporary: figure.savefig(temporary, format="png", dpi=200))

    save("accuracy_speed", scatter(speeds(settings, results, known), known, "images per second", place))
    save("accuracy_gflops", scatter(costs(settings, results, known), known, "GFLOPs (MACs / 1024³)", place))
    save("classes", classes(results, shown, settings.protocol, place))
    save("confusion", confusion(results, shown[0], settings.protocol, place))
    save("curves", training_curves({name: curves / name / "plots/metrics" for name in shown}, data))


def miou(results: Results, experiment: str, protocol: str) -> Cell | None:
    """mIoU in percent; None where the experiment was not scored by this protocol."""
    metrics = results.content(f"evaluate/{experiment}", "metrics.json")
    if protocol not in metrics:
        return None
    return results.cell(f"evaluate/{experiment}", "metrics.json", f"/{protocol}/miou", scale=100)


def speeds(settings: FigureSettings, results: Results, experiments: Mapping[str, Any]) -> dict[str, float]:
    """Images per second of those that were timed at the protocol's input size."""
    if settings.latency is None:
        return {}
    cells = {
        name: results.speed(settings.latency, name, _input_size(results, name, settings.protocol), "unfolded")
        for name in experiments
    }
    return {name: cell.value for name, cell in cells.items() if cell.value is not None}


def costs(settings: FigureSettings, results: Results, experiments: Mapping[str, Any]) -> dict[str, float]:
    """The paper's GFLOPs at the protocol's input size."""
    counted = results.content("complexity", "complexity.json")
    sizes = {name: size_name(_input_size(results, name, settings.protocol)) for name in experiments}
    return {name: counted[name]["macs"][size] / 1024**3 for name, size in sizes.items()}


def scatter(x: Mapping[str, float], y: Mapping[str, Cell], label: str, title: str) -> Figure:
    """mIoU over something else, on a logarithmic scale, a named point for each experiment that has both."""
    figure, axes = _figure(title)
    names = [name for name in x if name in y]
    values = [(x[name], y[name].value) for name in names]
    for name, point in zip(names, values, strict=True):
        colour, marker = STYLES[1] if name.endswith("_pruned") else STYLES[0]
        axes.plot(*point, marker, color=colour, markersize=4)
    axes.set_xscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("mIoU (%)")
    axes.margins(0.15)
    axes.grid(alpha=0.3, which="both")
    if values:
        xs, ys = (list(each) for each in zip(*values, strict=True))
        textalloc.allocate(
            axes,
            xs,
            ys,
            [name.replace("_", " ") for name in names],
            x_scatter=xs,
            y_scatter=ys,
            textsize=7,
            linecolor="grey",
            linewidth=0.5,
        )
    return figure


def classes(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """IoU of each class, a line of points for each experiment."""
    ious = {name: results.content(f"evaluate/{name}", "metrics.json")[protocol]["iou"] for name in experiments}
    names = list(next(iter(ious.values())))
    figure, axes = _figure(title, height=0.8 + 0.22 * len(names))
    for (name, iou), (colour, marker) in zip(ious.items(), STYLES, strict=False):
        points = [np.nan if iou[each] is None else 100 * iou[each] for each in names]
        axes.plot(
            points, range(len(names)), marker, color=colour, label=name.replace("_", " "), markersize=5, alpha=0.8
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
    table = table[table["protocol"] == protocol].set_index("truth").drop(columns="protocol")
    shares = 100 * table.div(table.sum(axis=1), axis=0)
    figure, axes = _figure(f"{experiment.replace('_', ' ')}, {title}", height=COLUMN)
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
    for axes, (metric, label, convert) in zip(figure.subplots(len(panels), sharex=True), panels, strict=True):
        for (name, folder), (colour, marker) in zip(folders.items(), STYLES, strict=False):
            path = folder / f"{metric}.tsv"
            if path.exists():  # a pruned network and one of the authors have none
                curve = pd.read_csv(path, sep="\t")
                style = {"color": colour, "marker": marker, "markersize": 4, "label": name.replace("_", " ")}
                axes.plot(curve["step"] + 1, convert(curve[metric.split("/")[-1]]), **style)
        axes.set_ylabel(label, fontsize=8)
        axes.grid(alpha=0.3)
    axes.set_xlabel("epoch")
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.axes[0].legend(fontsize=7)
    return figure


def _input_size(results: Results, experiment: str, protocol: str) -> Any:
    return results.content("complexity", "complexity.json")[experiment]["input_sizes"][protocol]


def _figure(title: str, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=8)
    return figure, axes
