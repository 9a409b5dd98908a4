"""Figures show every experiment that they are asked for, and the means that tables show."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import LineCollection
from test_tables import SCORES, known, results

from mfaranet.figures.curves import training_curves
from mfaranet.figures.scores import classes
from mfaranet.figures.spread import mean_and_deviation
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
