"""Figures show every experiment that they are asked for, and the means that tables show."""

from pathlib import Path

import pytest
from test_tables import SCORES, results

from mfaranet.figures import classes, training_curves
from mfaranet.tables.results import Results

MANY = [f"experiment_{number}" for number in range(9)]


def test_every_experiment_is_drawn_with_a_style_of_its_own(tmp_path: Path) -> None:
    for name in MANY:
        results(tmp_path, name)
        (tmp_path / name / "train").mkdir(parents=True)
        (tmp_path / name / "train/total.tsv").write_text("step\ttotal\n0\t2\n1\t1\n")
    stored = Results(tmp_path, "", {name: [name] for name in MANY})
    curves = training_curves({name: tmp_path / name for name in MANY}, "title")
    for figure in (classes(stored, MANY, "full_image", "title"), curves):
        lines = figure.axes[0].lines
        assert [line.get_label() for line in lines] == [name.replace("_", " ") for name in MANY]
        assert len({(line.get_color(), line.get_marker()) for line in lines}) == len(MANY)


def test_classes_are_means_over_seeds(tmp_path: Path) -> None:
    for name in ("base", "base_seed_1"):
        results(tmp_path, name)
    path = tmp_path / "evaluate/base_seed_1/metrics.json"
    path.write_text(path.read_text().replace(str(SCORES["iou"]["road"]), "0.88"))  # type: ignore[index]
    figure = classes(Results(tmp_path, "", {"base": ["base", "base_seed_1"]}), ["base"], "full_image", "title")
    points = figure.axes[0].lines[0].get_xdata()
    assert points[0] == pytest.approx(93)
    assert points[1] != points[1], "no value in any seed"
