"""The evaluation by sliding windows in its straightforward form, written anew from the specification.

Image by image, scale by scale, window by window, mirror image by mirror image, each in a pass of its own; then a PNG;
then scores by three histograms an image, of files that are read again.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from benchmarks.baseline import IGNORED
from mfaranet.data.conventions import MEAN, STD

SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)
STRIDE_RATE = 2 / 3
CLASSES = 19
Array = npt.NDArray[Any]
Network = Callable[[torch.Tensor], torch.Tensor]


def predict(network: Network, image: Path, window: int, base_size: int) -> Array:
    """The label map (H, W), uint8, of a file by ``multi_scale_flip``."""
    pixels = np.array(Image.open(image)).astype(np.float32)
    pixels = (pixels - np.float32(MEAN) * 255) / (np.float32(STD) * 255)
    height, width = pixels.shape[:2]
    total = np.zeros((height, width, CLASSES), np.float32)
    for scale in SCALES:
        factor = int(base_size * scale + 0.5) / max(height, width)
        size = int(width * factor + 0.5), int(height * factor + 0.5)
        resized = cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR)
        maps = torch.from_numpy(_windows(network, resized, window)).permute(2, 0, 1)[None]
        maps = torch.nn.functional.interpolate(maps, (height, width), mode="bilinear", align_corners=True)
        total += maps[0].permute(1, 2, 0).numpy()
    return total.argmax(2).astype(np.uint8)


def _windows(network: Network, pixels: Array, window: int) -> Array:
    height, width = pixels.shape[:2]
    rows, columns = max(window - height, 0), max(window - width, 0)
    top, left = rows // 2, columns // 2
    padded = cv2.copyMakeBorder(pixels, top, rows - top, left, columns - left, cv2.BORDER_CONSTANT, value=(*MEAN, 0))
    total = np.zeros((*padded.shape[:2], CLASSES), np.float32)
    visits = np.zeros((*padded.shape[:2], 1), np.float32)
    stride = int(window * STRIDE_RATE)
    for row in range(math.ceil((padded.shape[0] - window) / stride) + 1):
        for column in range(math.ceil((padded.shape[1] - window) / stride) + 1):
            bottom, right = min(row * stride + window, len(padded)), min(column * stride + window, padded.shape[1])
            place = slice(bottom - window, bottom), slice(right - window, right)
            crop = torch.from_numpy(padded[place].transpose(2, 0, 1).copy())[None]
            logits = (network(crop) + network(crop.flip(3)).flip(3)) / 2
            total[place] += logits.exp()[0].permute(1, 2, 0).numpy()
            visits[place] += 1
    return (total / visits)[top : top + height, left : left + width]


def areas(prediction: Array, label: Array) -> tuple[Array, Array, Array]:
    """Pixels of each class that are right, that are predicted and that are true, by histograms."""
    prediction = prediction.copy()
    prediction[label == IGNORED] = IGNORED
    edges = np.arange(CLASSES + 1)
    right = prediction[prediction == label]
    return tuple(np.histogram(each, edges)[0] for each in (right, prediction, label))  # type: ignore[return-value]


def evaluate(network: Network, images: list[Path], labels: list[Path], folder: Path, window: int, size: int) -> Array:
    """IoU of each class (19): predict all, then score all."""
    for image in images:
        Image.fromarray(predict(network, image, window, size)).save(folder / f"{image.stem}.png")
    total = np.zeros((3, CLASSES))
    for label in labels:
        found = np.array(Image.open(folder / f"{label.stem}.png"))
        total += np.stack(areas(found, np.array(Image.open(label))))
    right, predicted, true = total
    return right / (predicted + true - right + 1e-10)
