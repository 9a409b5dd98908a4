"""All figures of a data set, written to files."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from mfaranet.figures.ablations import ablations
from mfaranet.figures.curves import CURVES, training_curves
from mfaranet.figures.scores import classes, confusion
from mfaranet.figures.spread import mean_and_deviation
from mfaranet.figures.style import label, save
from mfaranet.figures.tradeoff import VARIANTS, Point, kinds, tradeoff
from mfaranet.schema import size_name
from mfaranet.tables.published import network_cell
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import FigureSettings, Shown

GFLOPS = "GFLOPs (official counter / 1024³)"


def draw(settings: FigureSettings, shown: Shown, results: Results, curves: Path, folder: Path, vectors: Path) -> None:
    """Write all figures but that of the predictions.

    Args:
        settings: what to show.
        shown: by which protocol.
        results: of one data set.
        curves: folder of the trainings' curves, by experiment.
        folder: where to write PNGs.
        vectors: where to write PDFs.
    """
    named = results.alike(settings.experiments)
    alike = results.alike([*named, *results.experiments])
    every = [name for name in results.distinct() if name in alike]
    protocol = shown.protocol
    run = results.run(f"evaluate/{named[0]}")
    data = run["dataset"]["title"]
    place = f"{data}, {run['split']}, {label(protocol)}"
    write = partial(save, folder=folder, vectors=vectors)
    write(accuracy_speed(results, every, protocol, settings.speed, place), "accuracy_speed")
    write(accuracy_gflops(results, every, protocol, place), "accuracy_gflops")
    write(published_accuracy(settings.comparison, results), "networks")
    write(ablations(results, settings.ablations, protocol, place), "ablations")
    write(classes(results, named, protocol, place), "classes")
    write(confusion(results, named[0], protocol, place), "confusion")
    folders = {name: [curves / seed / CURVES for seed in results.seeds(name)] for name in named}
    write(training_curves(folders, data), "curves")


def accuracy_speed(results: Results, experiments: Sequence[str], protocol: str, measurement: str, title: str) -> Figure:
    """mIoU over images per second at the size of the evaluation, of the experiments that a measurement timed so."""
    points = _points(
        results,
        experiments,
        protocol,
        lambda name: results.speed(measurement, name, results.input_size(name, protocol).value, "unfolded").value,
    )
    found = results.timings(measurement)
    device = f" on {results.run(found[0])['device']}" if found else ""
    x_label = f"images per second{device} (measurement {measurement})"
    return tradeoff(points, x_label, "mIoU (%)", title, less_is_better=False)


def accuracy_gflops(results: Results, experiments: Sequence[str], protocol: str, title: str) -> Figure:
    """mIoU over GFLOPs at the size of the evaluation."""
    points = _points(
        results,
        experiments,
        protocol,
        lambda name: results.cost(name, size_name(results.input_size(name, protocol).value))[-1].value,
    )
    return tradeoff(points, GFLOPS, "mIoU (%)", title, less_is_better=True)


def _points(
    results: Results, experiments: Sequence[str], protocol: str, cost: Callable[[str], float | None]
) -> list[Point]:
    """Those of the experiments that have both a score and a cost; variants by the names of their experiments."""
    of_network = {name: results.run(f"evaluate/{name}")["network"]["name"] for name in experiments}
    found = []
    for name, kind in kinds(of_network.items()).items():
        spread = mean_and_deviation(results.over_seeds(name, protocol, "miou"))
        seen = protocol in results.run(f"evaluate/{name}")["input_sizes"]  # by itself, not by a seed of it alone
        x = cost(name) if spread and seen else None
        if spread and x:
            title = label(name) if kind == VARIANTS else results.fact(name, "title").text or label(name)
            found.append(Point(f"{title}{results.mark(name)}", kind, x, *spread, _params(results, name)))
    return found


def published_accuracy(measurement: str, results: Results) -> Figure:
    """What is published of each network's accuracy on Cityscapes over its speed here."""
    found = results.timings(measurement)
    measured = results.content(*found) if found else {}
    size = next((size for each in measured.values() for size in each["sizes"]), "")
    points = []
    for name, kind in kinds((name, each["network"]) for name, each in measured.items()).items():
        score = network_cell(measured[name]["network"], "test_miou", scale=100).value
        if kind != VARIANTS and score is not None:
            title = results.fact(name, "title").text or label(name)
            fps = measured[name]["sizes"][size]["unfolded"]["fps"]
            points.append(Point(title, kind, fps, score, params=_params(results, name)))
    device = results.run(found[0])["device"] if found else "(not measured)"
    x_label = f"images per second here, at {size} on {device}"
    title = "Table XI: accuracy on Cityscapes, speed here"
    return tradeoff(points, x_label, "test mIoU published (%)", title, less_is_better=False)


def _params(results: Results, experiment: str) -> float | None:
    """In millions, None where they were not counted."""
    counted = results.content(*COUNTS).get(experiment)
    return counted["params"] / 1e6 if counted else None
