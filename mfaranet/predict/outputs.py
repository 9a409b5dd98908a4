"""What is made of a label map: a picture of ids or of colours, one over the photograph, or all probabilities."""

import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mfaranet.errors import InputError
from mfaranet.files import atomic_write, png_software, write_png

Kind = Literal["labels", "colour", "overlay", "probabilities"]
SOFTWARE = "mfaranet predict"
"""Stored in all that is written, so that --force knows it again."""
LEGEND = "legend.png"
_OPACITY = 0.6
"""Of the colours over a photograph."""
_LINE, _GAP = 28, 8
"""Of the legend, in pixels."""
_MARK = struct.pack(">I4s", 8 + len(SOFTWARE), b"free") + SOFTWARE.encode()
"""A box of MP4 that players skip."""


def has_legend(kind: Kind) -> bool:
    """Whether colours stand for classes in it."""
    return kind in ("colour", "overlay")


def check_colours(source: str | Path, classes: Sequence[str], colours: Sequence[tuple[int, int, int]]) -> None:
    """Raise InputError where a network's label maps cannot be painted."""
    if len(classes) != len(colours):
        raise InputError(
            f"{source} has not one colour for each class to paint a label map with; take --as labels of "
            "`mfaranet predict`"
        )


def paint(kind: Kind, image: Tensor, labels: Tensor, colours: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """A picture of a label map (H, W): the ids themselves (H, W), or RGB (H, W, 3), over the image (3, H, W) or not."""
    ids: NDArray[np.uint8] = labels.numpy()
    if kind == "labels":
        return ids
    if kind == "colour":
        return np.array(colours, dtype=np.uint8)[ids]
    import torch
    from torchvision.utils import draw_segmentation_masks  # which takes a second to import

    masks = labels == torch.arange(len(colours))[:, None, None]
    drawn: Tensor = draw_segmentation_masks(image, masks, alpha=_OPACITY, colors=list(colours))
    pixels: NDArray[np.uint8] = drawn.permute(1, 2, 0).numpy()
    return pixels


def write_picture(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write a PNG, whole or not at all."""
    write_png(path, pixels, software=SOFTWARE)


def write_probabilities(path: Path, probabilities: Tensor, classes: Sequence[str]) -> None:
    """Write (classes, H, W) as float16, and the names of the classes, as a compressed .npz, whole or not at all."""
    arrays: dict[str, Any] = {
        "probabilities": probabilities.numpy().astype(np.float16),
        "classes": np.array(classes),
        "software": np.array(SOFTWARE),
    }

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:  # a name would get another ending
            np.savez_compressed(file, **arrays)

    atomic_write(path, write)


def mark_video(path: Path) -> None:
    """Let a finished MP4 say what made it."""
    with path.open("ab") as file:
        file.write(_MARK)


def is_ours(path: Path) -> bool:
    """Whether a file says that predict made it."""
    if path.suffix == ".mp4":
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - len(_MARK)))
            return file.read() == _MARK
    if path.suffix == ".npz":
        try:
            with np.load(path) as arrays:
                return str(arrays["software"]) == SOFTWARE
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            return False
    return png_software(path) == SOFTWARE


def draw_legend(classes: Sequence[str], colours: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """A picture (h, w, 3) of the names of the classes, each beside its colour."""
    font = ImageFont.load_default(_LINE // 2)
    width = max(int(font.getlength(name)) for name in classes) + 2 * _LINE + 3 * _GAP
    sheet = Image.new("RGB", (width, _LINE * len(classes) + _GAP), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (name, colour) in enumerate(zip(classes, colours, strict=True)):
        top = _GAP + row * _LINE
        pen.rectangle((_GAP, top, _GAP + 2 * _LINE, top + _LINE - _GAP), fill=tuple(colour), outline="black")
        pen.text((2 * (_GAP + _LINE), top + (_LINE - _GAP) // 2), name, "black", font, anchor="lm")
    return np.array(sheet)


def is_legend(path: Path, pixels: NDArray[np.uint8]) -> bool:
    """Whether a file is this legend already."""
    if not path.is_file() or not is_ours(path):
        return False
    with Image.open(path) as image:
        return np.array_equal(np.asarray(image), pixels)
