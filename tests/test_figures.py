"""Figures show every experiment that they are asked for, and the means that tables show."""

import json
from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from test_tables import COUNT, RUN, SCORES, TIMES, known, results, timed

from mfaranet.figures.ablations import ablations, comparable
from mfaranet.figures.curves import training_curves
from mfaranet.figures.drawing import accuracy_gflops, accuracy_speed, published_accuracy
from mfaranet.figures.front import pareto
from mfaranet.figures.scores import classes
from mfaranet.figures.spread import mean_and_deviation
from mfaranet.figures.style import FEW, save
from mfaranet.figures.tradeoff import OTHERS, OWN, VARIANTS, Point, kinds, tradeoff
from mfaranet.files import write_json
from mfaranet.tables.results import Results

MANY = [f"experiment_{number}" for number in range(9)]


def test_every_experiment_is_drawn_with_a_style_of_its_own(tmp_path: Path) -> None:
    for name in MANY:
        results(tmp_path, name)
        (tmp_path / name / "train").mkdir(parents=True)
        (tmp_path / name / "train/output.tsv").write_text("step\toutput\n0\t2\n1\t1\n")
    stored = Results(tmp_path, known(*MANY))
    curves = training_curves({name: [tmp_path / name] for name in MANY}, "title")
    for figure in (classes(stored, MANY, "full_image", "title"), curves):
        lines = figure.axes[0].lines
        legend = figure.axes[0].get_legend()
        assert legend is not None
        assert [text.get_text() for text in legend.get_texts()] == [name.replace("_", " ") for name in MANY]
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(MANY)


def test_classes_are_means_over_seeds(tmp_path: Path) -> None:
    for name in ("base", "base_seed_1"):
        results(tmp_path, name)
    path = tmp_path / "evaluate/base_seed_1/metrics.json"
    path.write_text(path.read_text().replace(str(SCORES["iou"]["road"]), "0.88"))  # type: ignore[index]
    stored = Results(tmp_path, known("base", "base_seed_1", base=["base", "base_seed_1"]))
    figure = classes(stored, ["base"], "full_image", "title")
    points = np.asarray(figure.axes[0].lines[0].get_xdata())
    assert points[0] == pytest.approx(93)
    assert np.isnan(points[1]), "no value in any seed"
    (bars,) = (each for each in figure.axes[0].collections if isinstance(each, LineCollection))
    assert bars.get_segments()[0][:, 0] == pytest.approx([93 - np.sqrt(50), 93 + np.sqrt(50)])


def test_a_repetition_is_no_network_of_its_own(tmp_path: Path) -> None:
    """A mean with a bar in place of two points; a mean with a band in place of two curves."""
    for name, miou in {"base": 0.7, "base_seed_1": 0.8, "branch_1": 0.5}.items():
        results(tmp_path, name, miou)
    stored = Results(tmp_path, known("base", "base_seed_1", "branch_1", base=["base", "base_seed_1"]))
    assert stored.distinct() == ["base", "branch_1"]
    assert mean_and_deviation(stored.over_seeds("base", "full_image", "miou")) == pytest.approx((75, np.sqrt(50)))
    folders = [tmp_path / "curves" / seed for seed in "01"]
    for folder, loss in zip(folders, (2, 4), strict=True):
        (folder / "train").mkdir(parents=True)
        (folder / "train/output.tsv").write_text(f"step\toutput\n0\t{loss}\n")
    axes = training_curves({"base": folders}, "title").axes[0]
    assert len(axes.lines) == 1
    assert np.asarray(axes.lines[0].get_ydata()) == pytest.approx([3])
    assert axes.collections[0].get_datalim(axes.transData).get_points()[:, 1] == pytest.approx([2, 4])


POINTS = [Point(name, OTHERS, x, y) for name, x, y in [("a", 1, 50), ("b", 2, 60), ("c", 3, 55), ("d", 4, 60)]]


@pytest.mark.parametrize(("less_is_better", "front"), [(True, "ab"), (False, "d")])
def test_the_front_has_what_nothing_beats(less_is_better: bool, front: str) -> None:
    def place(point: Point) -> tuple[float, float]:
        return point.x, point.y

    assert [point.name for point in pareto(POINTS, place, less_is_better=less_is_better)] == list(front)
    assert [point.name for point in pareto(POINTS[:3], place, less_is_better=False)] == ["b", "c"]


def test_a_network_is_named_once_and_its_variants_are_not() -> None:
    networks = {"base": "mfaranet", "branch_1": "mfaranet", "enet": "enet", "enet_own": "enet", "p": "mfaranet_pruned"}
    assert list(kinds(networks.items()).values()) == [OWN, VARIANTS, OTHERS, VARIANTS, OWN]


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.axes[0].texts}


@pytest.mark.parametrize("count", range(4))
def test_a_figure_of_few_points_says_so(count: int) -> None:
    """And has no front, which would be a trend."""
    figure = tradeoff(POINTS[:count], "x", "y", "title", less_is_better=True)
    assert texts(figure) & set(FEW) == set(FEW[count : count + 1])
    (legend,) = figure.legends or [None]
    assert ("Pareto front" in [text.get_text() for text in legend.get_texts()] if legend else False) == (count == 3)
    assert {point.name for point in POINTS[:count]} <= texts(figure)


def test_points_are_as_large_as_their_parameters(tmp_path: Path) -> None:
    """Named as the networks call themselves; variants have no name, unless nothing beats them."""
    root = timed(results(results(results(tmp_path), "branch_1", 0.7), "no_mfam", 0.9))
    counts = {"base": COUNT, "branch_1": {**COUNT, "params": 1e6}, "no_mfam": {**COUNT, "params": 2e6}}
    write_json(root / "complexity/complexity.json", counts)
    names = ["base", "branch_1", "no_mfam"]
    figure = accuracy_gflops(Results(root, known(*names)), names, "full_image", "title")
    assert texts(figure) == {"MFARANet", "no mfam"}
    sizes = [each.get_sizes().tolist() for each in figure.axes[0].collections if isinstance(each, PathCollection)]
    assert sorted(sizes[0]) < sizes[1]
    assert texts(accuracy_speed(Results(root, known(*names)), names, "full_image", "strict", "")) == {
        "MFARANet",
        FEW[1],
    }
    assert texts(accuracy_speed(Results(root, known(*names)), names, "full_image", "other", "")) == {FEW[0]}


def test_published_accuracy_is_over_the_speed_of_that_network(tmp_path: Path) -> None:
    """Not of a variant that was timed after it."""
    root = timed(results(results(tmp_path), "branch_1"))
    sizes = {"1024x2048": {"unfolded": {**TIMES, "fps": 9.0}}}
    first = json.loads((root / "latency/strict/cpu.json").read_text())
    write_json(root / "latency/strict/cpu.json", {**first, "branch_1": {"network": "mfaranet", "sizes": sizes}})
    figure = published_accuracy("strict", Results(root, known("base", "branch_1")))
    (points,) = (each for each in figure.axes[0].collections if isinstance(each, PathCollection))
    assert points.get_offsets().tolist() == [[2.5, pytest.approx(77.3)]]  # type: ignore[union-attr]


def ablated(root: Path) -> Results:
    """Two seeds of base and of one change, three other changes, one of them marked, and what cannot be compared."""
    scores = {"base": 0.7, "base_seed_1": 0.8, "no_mfam": 0.6, "no_mfam_seed_1": 0.62, "branch_1": 0.8, "dropout": 0.5}
    for name, miou in scores.items():
        results(root, name, miou)
    results(root, "concat", 0.5, dataset={**RUN["dataset"], "title": "CamVid"})
    results(root, "loss_ohem", 0.5, weights="none")
    results(root, "loss_boundary", 0.5, split="test")
    results(root, "score_sum", 0.5, params_sha256="0" * 64)
    seeds = {name: [name, f"{name}_seed_1"] for name in ("base", "no_mfam")}
    selected = [*scores, "concat", "loss_ohem", "loss_boundary"]
    selected.remove("dropout")
    return Results(root, known(*selected, earlier=("dropout", "score_sum", "never"), **seeds))


def test_ablations_are_differences_from_the_first(tmp_path: Path) -> None:
    stored = ablated(tmp_path)
    names = list(stored.experiments)
    assert comparable(stored, names, "full_image") == ["base", "no_mfam", "branch_1", "dropout"]
    figure = ablations(stored, names, "full_image", "title")
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["no mfam", "branch 1", "dropout*"]
    points = [line for line in axes.lines if line.get_marker() in ("o", "D")]
    assert [float(np.ravel(line.get_xdata())[0]) for line in points] == pytest.approx([-14, 5, -25])
    assert [line.get_markerfacecolor() == "white" for line in points] == [False, False, True]
    assert not texts(figure)
    (band,) = axes.patches
    assert band.get_extents().transformed(axes.transData.inverted()).xmax == pytest.approx(np.sqrt(50))
    bars = [segment for each in axes.collections if isinstance(each, LineCollection) for segment in each.get_segments()]
    assert len(bars) == 1, "the one with two seeds"
    assert bars[0][:, 0] == pytest.approx([-14 - np.sqrt(2), -14 + np.sqrt(2)])


@pytest.mark.parametrize(("first", "said"), [("score_sum", FEW[0]), ("never", FEW[0]), ("concat", FEW[0])])
def test_nothing_is_compared_with_what_cannot_be(tmp_path: Path, first: str, said: str) -> None:
    figure = ablations(ablated(tmp_path), [first, "branch_1"], "full_image", "title")
    assert texts(figure) == {said}


def test_a_figure_is_the_same_bytes_again(tmp_path: Path) -> None:
    """The PDF too, which has no date and no Type 3 font."""
    for turn in ("once", "again"):
        save(tradeoff(POINTS, "x", "y", "title", less_is_better=True), "figure", tmp_path / turn, tmp_path / turn)
    for file in ("figure.png", "figure.pdf"):
        assert (tmp_path / "once" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()
    pdf = (tmp_path / "once/figure.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/Type3" not in pdf
