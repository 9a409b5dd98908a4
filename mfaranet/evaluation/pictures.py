"""Label maps as pictures, in grids."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.record import DatasetRecord
from mfaranet.files import atomic_write

Picture = NDArray[np.uint8]
"""(H, W, 3), RGB."""
Colour = tuple[int, int, int]
"""RGB."""
IGNORED = (0, 0, 0)
"""Of pixels without a label."""
_WIDTH, _GAP, _LINE = 320, 12, 32
"""Of a picture in a grid, between two, and of a line of text, in pixels."""
_CODE = np.array([65536, 256, 1])
"""A colour times this is one number."""


def draw_grid(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Picture]],
    legend: Mapping[str, Colour],
    path: Path,
) -> None:
    """Write pictures, of one size in a row, as a PNG with a title, the names of the columns, and a legend beside."""
    across = _WIDTH + _GAP
    heights = [round(_WIDTH * row[0].shape[0] / row[0].shape[1]) for row in rows]
    beside = _draw_legend(legend, sum(heights) + _GAP * (len(rows) - 1))
    size = (2 * _GAP + across * len(columns) + beside.width, 2 * _LINE + beside.height + _GAP)
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    pen.text((sheet.width // 2, _LINE // 2), title, "black", _font(), anchor="mm")
    for column, name in enumerate(columns):
        left = _GAP + across * column
        pen.text((left + _WIDTH // 2, _LINE * 3 // 2), name, "black", _font(), anchor="mm")
        top = 2 * _LINE
        for pictures, height in zip(rows, heights, strict=True):
            # Enlarged, pixels stay what they are; made smaller, they are averaged.
            picture = Image.fromarray(pictures[column]).resize((_WIDTH, height), Image.Resampling.BOX)
            sheet.paste(picture, (left, top))
            top += height + _GAP
    sheet.paste(beside, (_GAP + across * len(columns), 2 * _LINE))
    atomic_write(path, lambda temporary: sheet.save(temporary, format="PNG"))


def legend_of(record: DatasetRecord, label_maps: Iterable[Picture]) -> dict[str, Colour]:
    """The names and colours of the classes that occur in pictures of label maps, and of what is ignored in them."""
    found = {code for picture in label_maps for code in np.unique(picture @ _CODE).tolist()}
    named = dict(zip(record.classes, record.colours, strict=True))
    if IGNORED not in record.colours:
        named["ignored"] = IGNORED
    return {name: colour for name, colour in named.items() if np.array(colour) @ _CODE in found}


def _draw_legend(legend: Mapping[str, Colour], height: int) -> Image.Image:
    """Names below each other, each with a patch of its colour; in several columns where they are higher than
    ``height``, which the picture has at least."""
    line, font = _LINE * 3 // 4, _font()
    fit = max(1, height // line)
    across = line + round(max(map(font.getlength, legend), default=0)) + 2 * _GAP
    picture = Image.new("RGB", (across * -(-len(legend) // fit), max(height, line)), "white")
    pen = ImageDraw.Draw(picture)
    for i, (name, colour) in enumerate(legend.items()):
        left, top = across * (i // fit), line * (i % fit)
        pen.rectangle((left, top + 4, left + line - 8, top + line - 4), colour, "black")
        pen.text((left + line, top + line // 2), name, "black", font, anchor="lm")
    return picture


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(_LINE // 2)


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
