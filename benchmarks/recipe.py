"""The data recipe in its straightforward form, written anew from the specification: every step of the whole image."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

from mfaranet.data.transforms import Draw

Pixels = npt.NDArray[Any]
MEAN, IGNORED = (255 * 0.485, 255 * 0.456, 255 * 0.406), (255,)


def load(image: Path, label: Path, size: tuple[int, int], crop: tuple[int, int], draw: Draw) -> tuple[Pixels, Pixels]:
    """The crop of two PNG files: (3, h, w), float32 in 0..255, contiguous, and (h, w), uint8."""
    pixels, classes = np.array(Image.open(image)), np.array(Image.open(label))
    pixels, classes = augment(pixels, classes, size, crop, draw)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)), classes


def augment(
    pixels: Pixels, classes: Pixels, size: tuple[int, int], crop: tuple[int, int], draw: Draw
) -> tuple[Pixels, Pixels]:
    """The crop (h, w, 3) of an image (H, W, 3), and (h, w) of its label (H, W), both uint8."""
    moved = _move(pixels.astype(np.float32), size, crop, draw, cv2.INTER_LINEAR, MEAN)
    return moved, _move(classes, size, crop, draw, cv2.INTER_NEAREST, IGNORED)


def _move(
    pixels: Pixels, size: tuple[int, int], crop: tuple[int, int], draw: Draw, how: int, fill: tuple[float, ...]
) -> Pixels:
    pixels = cv2.resize(pixels, (size[1], size[0]), interpolation=how)
    pixels = cv2.resize(pixels, None, fx=draw.scale, fy=draw.scale, interpolation=how)
    height, width = pixels.shape[:2]
    if draw.angle is not None:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), draw.angle, 1)
        pixels = cv2.warpAffine(
            pixels, turn, (width, height), flags=how, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
        )
    if draw.flip:
        pixels = pixels[:, ::-1]
    rows, columns = max(0, crop[0] - height), max(0, crop[1] - width)
    if rows or columns:
        sides = (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
        pixels = cv2.copyMakeBorder(pixels, *sides, cv2.BORDER_CONSTANT, value=fill)
    inside = pixels[draw.row : draw.row + crop[0], draw.column : draw.column + crop[1]]
    return np.ascontiguousarray(inside)
