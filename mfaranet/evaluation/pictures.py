"""Label maps as pictures, in grids."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.record import DatasetRecord
from mfaranet.files import atomic_write

Picture = NDArray[np.uint8]
"""(H, W, 3), RGB."""


def draw_grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Picture]], path: Path) -> None:
    """Write pictures of one size as a PNG, with a title and the names of the columns."""
    height, width = rows[0][0].shape[:2]
    figure = Figure(figsize=(2.5 * len(columns), 0.4 + 2.5 * len(rows) * height / width))
    axes = figure.subplots(len(rows), len(columns), squeeze=False)
    for line, pictures in zip(axes, rows, strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture)
            axis.set_axis_off()
    for axis, name in zip(axes[0], columns, strict=True):
        axis.set_title(name)
    figure.suptitle(title, fontsize="small")
    figure.tight_layout()
    atomic_write(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120))


def photograph(image: Tensor) -> Picture:
    """Picture of an image (3, H, W), uint8."""
    return image.permute(1, 2, 0).numpy()


def colour(labels: Tensor, record: DatasetRecord) -> Picture:
    """Picture of class indices (H, W) in the data set's colours, black where ignored."""
    return _paint(labels, list(range(len(record.colours))), record)


def colour_ids(labels: Tensor, record: DatasetRecord) -> Picture:
    """Picture of the ids (H, W) of the data set's own label files."""
    return _paint(labels, record.label_ids, record)


def errors(prediction: Tensor, label: Tensor) -> Picture:
    """White where right, red where wrong, black where ignored."""
    colours = np.array([[255, 255, 255], [200, 30, 30], [0, 0, 0]], dtype=np.uint8)
    kind = (prediction != label).long()
    kind[label == IGNORE_INDEX] = 2
    return np.take(colours, kind.cpu().numpy(), axis=0)


def evenly(total: int, count: int) -> list[int]:
    """``count`` indices spread over ``total``, the first and the last among them; all where there are fewer."""
    indices: list[int] = np.linspace(0, total - 1, min(count, total)).round().astype(int).tolist()
    return indices


def _paint(labels: Tensor, values: list[int], record: DatasetRecord) -> Picture:
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[values] = record.colours
    return np.take(palette, labels.cpu().numpy(), axis=0)
