"""Pictures of label maps have a legend of the classes that occur in them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import write_data

from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.pictures import IGNORED, colour, draw_grid, legend_of


@pytest.fixture
def record(tmp_path: Path) -> DatasetRecord:
    """Three classes, none of which is black."""
    found = DatasetRecord.load(write_data(tmp_path / "data", 1, val=1))
    return found.model_copy(update={"colours": [(128, 64, 128), (70, 130, 180), (0, 0, 142)]})


def test_a_legend_names_what_occurs(record: DatasetRecord) -> None:
    maps = [colour(torch.tensor(labels), record) for labels in ([[0, 0]], [[2, 0]], [[255, 0]])]
    assert legend_of(record, maps[:2]) == {"road": (128, 64, 128), "car": (0, 0, 142)}
    assert legend_of(record, maps) == {"road": (128, 64, 128), "car": (0, 0, 142), "ignored": IGNORED}
    black = record.model_copy(update={"colours": [IGNORED, *record.colours[1:]]})
    assert list(legend_of(black, [colour(torch.tensor([[255, 1]]), black)])) == ["road", "sky"]


@pytest.mark.parametrize("names", [3, 40])
def test_the_legend_stands_beside_the_pictures(record: DatasetRecord, tmp_path: Path, names: int) -> None:
    """In as many columns as it takes; none of its colours is lost."""
    legend = {f"class {number}": (number + 1, 200, 0) for number in range(names)}
    picture = np.full((64, 128, 3), (7, 0, 90), np.uint8)
    draw_grid("title", ["image", "label map"], [[picture] * 2], legend, tmp_path / "grid.png")
    drawn = np.asarray(Image.open(tmp_path / "grid.png"))
    pictures, beside = np.split(drawn, [2 * (320 + 12)], axis=1)
    assert set(legend.values()) <= {tuple(pixel) for pixel in beside.reshape(-1, 3).tolist()}
    assert not (beside == picture[0, 0]).all(-1).any()
    assert (pictures == picture[0, 0]).all(-1).any()
