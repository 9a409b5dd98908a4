"""Scores of label maps, from one confusion matrix over all images."""

from typing import Any

import torch
from torch import Tensor
from torchmetrics.classification import MulticlassConfusionMatrix

from mfaranet.conventions import IGNORE_INDEX


def new_confusion(num_classes: int) -> MulticlassConfusionMatrix:
    """An empty confusion matrix: call ``update(prediction, label)`` with maps of class indices, 255 ignored."""
    return MulticlassConfusionMatrix(num_classes, ignore_index=IGNORE_INDEX, validate_args=False)


def intersection_over_union(confusion: Tensor) -> Tensor:
    """IoU per class (C), float64, of a confusion matrix (C, C) with the truth in rows.

    NaN for a class that neither truth nor prediction holds, as in cityscapesScripts.
    """
    confusion = confusion.double()
    hit = confusion.diagonal()
    return hit / (confusion.sum(0) + confusion.sum(1) - hit)


def summarise(confusion: Tensor, classes: list[str]) -> dict[str, Any]:
    """``miou`` over the classes that occur, ``pixel_accuracy`` and ``iou`` per class, in 0..1; None for no value."""
    iou = intersection_over_union(confusion)
    accuracy = confusion.diagonal().sum().double() / confusion.sum()
    return {
        "miou": _number(iou.nanmean()),
        "pixel_accuracy": _number(accuracy),
        "iou": {name: _number(value) for name, value in zip(classes, iou, strict=True)},
    }


def constant_prediction(class_pixels: list[int], predicted: int) -> Tensor:
    """Confusion matrix (C, C) of predicting one class everywhere, from the pixels of each class in the truth."""
    confusion = torch.zeros(len(class_pixels), len(class_pixels), dtype=torch.int64)
    confusion[:, predicted] = torch.tensor(class_pixels)
    return confusion


def _number(value: Tensor) -> float | None:
    return None if value.isnan() else value.item()
