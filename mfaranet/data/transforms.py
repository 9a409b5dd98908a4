"""From decoded images and labels (uint8) to what the network takes, with the official code's augmentation.

OpenCV resizes and rotates, as in the official code, and chance is drawn in its order: with the same
``random.seed`` a crop is the same to the last bit of its label.
"""

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

        Returns the image (3, h, w), float32 in 0..255, not yet normalised, and its label (h, w), uint8, of the size
        ``crop``; the image's memory is interleaved, (h, w, 3), until the loader stacks it in a batch.

        Raises:
            cv2.error: the scale is so small that no pixel is left.
        """
        # Loader workers are processes already, and OpenCV's threads in each would only compete. Set here and not at
        # the start, so that it holds in a worker however that was made; it costs nothing.
        cv2.setNumThreads(0)
        # The image is float before anything is interpolated: uint8 would be rounded at every step.
        pixels = image.permute(1, 2, 0).numpy().astype(np.float32)
        pixels = self._move(pixels, draw, cv2.INTER_LINEAR, _MEAN_COLOUR)
        classes = self._move(label.numpy(), draw, cv2.INTER_NEAREST, (IGNORE_INDEX,))
        return torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(classes)

    def _move(self, pixels: Pixels, draw: Draw, interpolation: int, fill: tuple[float, ...]) -> Pixels:
        height, width = self.size.of(pixels.shape[:2])
        pixels = cv2.resize(pixels, (width, height), interpolation=interpolation)
        # By the factor, not to a size: OpenCV samples by the factor it is given, before the size is rounded.
        pixels = cv2.resize(pixels, None, fx=draw.scale, fy=draw.scale, interpolation=interpolation)
        if draw.angle is not None:
            pixels = _rotate(pixels, draw.angle, interpolation, fill)
        if draw.flip:
            pixels = pixels[:, ::-1]
        pixels = _pad(pixels, self.crop, fill)
        rows, columns = (slice(start, start + n) for start, n in zip((draw.row, draw.column), self.crop, strict=True))
        # A copy of the crop, so that the whole image is not kept until the batch is full.
        return np.ascontiguousarray(pixels[rows, columns])


def normalise(images: Tensor) -> Tensor:
    """Images (..., 3, H, W), RGB, uint8 or float in 0..255, to float32 with the ImageNet mean and deviation taken out.

    Order and constants are the official code's, so that the mean colour becomes exactly 0.
    """
    images = images.to(torch.float32)
    return (images - images.new_tensor(_MEAN_COLOUR).view(3, 1, 1)) / images.new_tensor(_DEVIATION).view(3, 1, 1)


def _rotate(pixels: Pixels, angle: float, interpolation: int, fill: tuple[float, ...]) -> Pixels:
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    return cv2.warpAffine(
        pixels, matrix, (width, height), flags=interpolation, borderMode=cv2.BORDER_CONSTANT, borderValue=fill
    )


def _pad(pixels: Pixels, size: tuple[int, int], fill: tuple[float, ...]) -> Pixels:
    """Pad to at least ``size`` (height, width), the image in the middle."""
    rows, columns = (max(0, want - have) for want, have in zip(size, pixels.shape[:2], strict=True))
    if not rows and not columns:
        return pixels
    top, left = rows // 2, columns // 2
    return cv2.copyMakeBorder(pixels, top, rows - top, left, columns - left, cv2.BORDER_CONSTANT, value=fill)
