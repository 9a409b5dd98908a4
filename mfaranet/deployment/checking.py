"""Exported files held against the network that they are of, and scored."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import normalise
from mfaranet.deployment.sessions import Session
from mfaranet.evaluation.metrics import confusion_matrix, summarise
from mfaranet.evaluation.pictures import evenly
from mfaranet.models.layers import resize_to
from mfaranet.sizes import InputSize


@dataclass(frozen=True)
class Agreement:
    """How an exported file compares with the network in PyTorch."""

    share: float
    """Of pixels that have the same label, in 0..1."""
    difference: float
    """The largest: of a score where scores come out; else of the network's score for its own label and its score for
    the other one, where labels differ: 0 where none does.
    """


def compare(model: nn.Module, session: Session, batches: Iterable[NDArray[np.uint8]]) -> Agreement:
    """Run images (N, 3, H, W) through a plain network in evaluation mode and an exported file of it."""
    same = pixels = 0
    difference = 0.0
    for images in batches:
        with torch.inference_mode():
            scores = model(normalise(torch.from_numpy(images)))
        found = torch.from_numpy(session(images))
        expected = scores.argmax(1)
        labels = found.argmax(1) if found.ndim == 4 else found.long()
        same += int((labels == expected).sum())
        pixels += labels.numel()
        gap = found - scores if found.ndim == 4 else _lead(scores, labels)
        difference = max(difference, gap.abs().max().item())
    return Agreement(same / pixels, difference)


def _lead(scores: Tensor, labels: Tensor) -> Tensor:
    """By how much the highest score of each pixel, (N, H, W), is above that of a label."""
    return scores.amax(1) - scores.gather(1, labels[:, None])[:, 0]


def images_of(
    dataset: SegmentationDataset, size: InputSize | None, count: int, title: str | None = None
) -> Iterator[NDArray[np.uint8]]:
    """At most ``count`` images (1, 3, H, W), evenly taken from a split, of a size, or as they are.

    With a ``title`` a bar is shown.
    """
    for index in tqdm(evenly(len(dataset), count), desc=title, disable=title is None):
        yield resized_pixels(dataset[index][0], size)


def resized_pixels(image: Tensor, size: InputSize | None) -> NDArray[np.uint8]:
    """An image (3, H, W), uint8, as a batch (1, 3, h, w) of a size, or of its own."""
    own = (image.shape[-2], image.shape[-1])
    wanted = size.of(own) if size else own
    pixels = image[None] if wanted == own else resize_to(image[None].float(), wanted).round().to(torch.uint8)
    return np.ascontiguousarray(pixels.numpy())


def mean_iou(session: Session, dataset: SegmentationDataset, size: InputSize | None, title: str) -> float:
    """mIoU over a split, in 0..1; images are resized, and label maps resized back by the nearest neighbour."""
    classes = dataset.record.classes
    confusion = torch.zeros(len(classes), len(classes), dtype=torch.int64)
    for index in tqdm(range(len(dataset)), desc=title):
        image, label = dataset[index]
        found = torch.from_numpy(session(resized_pixels(image, size)))
        labels = found.argmax(1) if found.ndim == 4 else found
        labels = F.interpolate(labels[None].to(torch.uint8), label.shape, mode="nearest")[0, 0]
        confusion += confusion_matrix(labels, label, len(classes))
    score: Any = summarise(confusion, classes)["miou"]
    return float(score)
