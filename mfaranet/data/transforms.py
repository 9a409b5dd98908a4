"""From decoded images and labels (uint8) to what the network takes, with the official code's augmentation.

OpenCV resizes and rotates, as in the official code, and chance is drawn in its order: with the same
``random.seed`` a crop is the same to the last bit of its label.
"""

import math
import random
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mfaranet.data.conventions import IGNORE_INDEX, MEAN, STD
from mfaranet.schema import AugmentationSettings
from mfaranet.sizes import InputSize, Size

Pixels = npt.NDArray[Any]
"""(H, W, 3) float32 of an image, (H, W) uint8 of a label."""

_MEAN_COLOUR = tuple(255 * mean for mean in MEAN)
_DEVIATION = tuple(255 * deviation for deviation in STD)


@dataclass(frozen=True)
class Draw:
    """What chance decides about one image, in the order in which it is drawn."""

    scale: float
    """Factor of both sides."""
    angle: float | None
    """Degrees, counter-clockwise; None for no rotation."""
    flip: bool
    """Left to right."""
    row: int
    column: int
    """Top left pixel of the crop in the scaled, turned and padded image."""


class Augmentation:
    """Resize, then scale, rotate, flip and crop at random.

    What lies outside the image after rotation or padding has the mean colour and no label. Chance comes from Python's
    ``random``, which the data loader seeds in each of its workers.

    Args:
        size: what every image is resized to first.
        crop: height and width in pixels of what comes out.
        settings: ranges and probabilities.
    """

    def __init__(self, size: InputSize, crop: Size, settings: AugmentationSettings) -> None:
        self.size = size
        self.crop = crop
        self.settings = settings

    def __call__(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Augment an image (3, H, W), RGB, and its label (H, W), both uint8, by a fresh draw; see ``apply``."""
        return self.apply(image, label, self.draw((image.shape[-2], image.shape[-1])))

    def draw(self, size: Size) -> Draw:
        """Draw for one image of a height and width, which give the range of the crop."""
        scale = random.uniform(*self.settings.scale)
        rotated = random.random() < self.settings.rotation_probability
        angle = random.uniform(-self.settings.rotation, self.settings.rotation) if rotated else None
        flip = random.random() < self.settings.flip_probability
        # OpenCV rounds the scaled size as Python does, halves to even.
        spare = [max(0, round(scale * have) - want) for have, want in zip(self.size.of(size), self.crop, strict=True)]
        return Draw(scale, angle, flip, row=random.randint(0, spare[0]), column=random.randint(0, spare[1]))

    def apply(self, image: Tensor, label: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Augment an image (3, H, W), RGB, and its label (H, W), both uint8, by a given draw of ``self.draw``.

        Of the steps no more is computed than the crop needs; it is the same to the bit as if each step were done whole.

        Returns the image (3, h, w), float32 in 0..255, not yet normalised, and its label (h, w), uint8, of the size
        ``crop``; the image's memory is interleaved, (h, w, 3), until the loader stacks it in a batch.

        Raises:
            cv2.error: the scale is so small that no pixel is left.
        """
        # Loader workers are processes already, and OpenCV's threads in each would only compete. Set here and not at
        # the start, so that it holds in a worker however that was made; it costs nothing.
        cv2.setNumThreads(0)
        # The image is float before anything is interpolated: uint8 would be rounded at every step.
        pixels = self._move(image.permute(1, 2, 0).numpy(), np.float32, draw, cv2.INTER_LINEAR, _MEAN_COLOUR)
        classes = self._move(label.numpy(), np.uint8, draw, cv2.INTER_NEAREST, (IGNORE_INDEX,))
        return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(classes)

    def _move(
        self, pixels: Pixels, dtype: npt.DTypeLike, draw: Draw, interpolation: int, fill: tuple[float, ...]
    ) -> Pixels:
        size = self.size.of(pixels.shape[:2])
        if pixels.shape[:2] != size:
            pixels = cv2.resize(pixels.astype(dtype), size[::-1], interpolation=interpolation)
        window = _Window.of(size, self.crop, draw)
        height, width = _sufficient(size, draw.scale, window.needed)
        # Without a copy where neither the type nor the scale asks for one.
        pixels = pixels[:height, :width].astype(dtype, copy=False)
        if draw.scale != 1:
            # By the factor, not to a size: OpenCV samples by the factor it is given, before the size is rounded.
            pixels = cv2.resize(pixels, None, fx=draw.scale, fy=draw.scale, interpolation=interpolation)
        if window.turn is not None:
            pixels = cv2.warpAffine(
                pixels,
                window.turn,
                window.turned[::-1],
                flags=interpolation,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=fill,
            )
        pixels = pixels[window.rows, window.columns]
        if draw.flip:
            pixels = cv2.flip(pixels, 1)
        # A copy of the crop, so that the whole image is not kept until the batch is full.
        return np.ascontiguousarray(_pad(pixels, window.missing, fill))


@dataclass(frozen=True)
class _Window:
    """Where a crop lies in the scaled and turned image, and how much of these has to be made for it.

    OpenCV counts pixels from the top left, so that a part that begins there is the same to the bit as in the whole;
    one that begins elsewhere would be rounded otherwise.
    """

    rows: slice
    columns: slice
    """Those of the image that is not flipped yet."""
    turn: Pixels | None
    """The matrix of the rotation, where there is one."""
    turned: Size
    """Height and width of the top left part of the turned image that has the crop."""
    needed: Size
    """The same of the scaled image."""
    missing: Size
    """Rows and columns that the image has too few for the crop."""

    @classmethod
    def of(cls, size: Size, crop: Size, draw: Draw) -> "_Window":
        """The window of a draw in an image of a size that it is scaled from."""
        height, width = (round(draw.scale * side) for side in size)
        rows = _span(draw.row, crop[0], height)
        columns = _span(draw.column, crop[1], width)
        if draw.flip:
            columns = slice(width - columns.stop, width - columns.start)
        missing = (max(0, crop[0] - height), max(0, crop[1] - width))
        if draw.angle is None:
            ends = (rows.stop, columns.stop)
            return cls(rows, columns, None, ends, ends, missing)
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), draw.angle, 1)
        corners = [(x, y, 1) for x in (columns.start, columns.stop) for y in (rows.start, rows.stop)]
        right, bottom = (np.array(corners) @ cv2.invertAffineTransform(turn).T).max(0)
        # Several pixels are computed at once but for the last ones of a row: these end where a whole row would.
        turned = (rows.stop, min(width, math.ceil(columns.stop / _AT_ONCE) * _AT_ONCE))
        needed = (min(height, max(1, math.ceil(bottom))), min(width, max(1, math.ceil(right))))
        return cls(rows, columns, turn, turned, needed, missing)


_AT_ONCE = 64
"""Pixels, more than OpenCV has in hand: so far from an edge, what is beyond it changes nothing."""


def _span(start: int, wanted: int, length: int) -> slice:
    """``wanted`` pixels of a side from ``start``, or all of a side that is shorter."""
    return slice(start, start + wanted) if wanted < length else slice(0, length)


def _sufficient(size: Size, scale: float, needed: Size) -> Size:
    """Height and width of the top left part of an image that gives the needed pixels when it is scaled."""
    height, width = (
        min(have, math.ceil((want + _AT_ONCE) / scale) + 2) for have, want in zip(size, needed, strict=True)
    )
    if scale == 1:
        return height, width
    # Where a side becomes a whole number of pixels, Intel's library may take OpenCV's place, and rounds otherwise.
    whole = any(abs(scale * side - round(scale * side)) < 1e-5 for side in (*size, height, width))
    # Where both sides keep their length, OpenCV copies and does not interpolate.
    kept = all(round(scale * side) == side for side in (height, width))
    return size if whole or kept else (height, width)


def normalise(images: Tensor) -> Tensor:
    """Images (..., 3, H, W), RGB, uint8 or float in 0..255, to float32 with the ImageNet mean and deviation taken out.

    Order and constants are the official code's, so that the mean colour becomes exactly 0.
    """
    images = images.to(torch.float32)
    return (images - images.new_tensor(_MEAN_COLOUR).view(3, 1, 1)) / images.new_tensor(_DEVIATION).view(3, 1, 1)


def _pad(pixels: Pixels, missing: Size, fill: tuple[float, ...]) -> Pixels:
    """Add rows and columns, the image in the middle."""
    rows, columns = missing
    if not rows and not columns:
        return pixels
    top, left = rows // 2, columns // 2
    return cv2.copyMakeBorder(pixels, top, rows - top, left, columns - left, cv2.BORDER_CONSTANT, value=fill)
