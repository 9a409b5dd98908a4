"""Scores of label maps, from one confusion matrix over all images."""

from typing import Any

import torch
from torch import Tensor

from mfaranet.data.conventions import IGNORE_INDEX


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int) -> Tensor:
    """Pixels (C, C), int64, of each class of the label (rows) and of the prediction (columns), 255 ignored.

    Both maps hold class indices in any integer type and are of one shape.
    """
    # The ignored pixels are counted too, in a row of their own: to leave them out first takes three times as long. And
    # the narrower the integers, the less there is to read.
    integers = torch.int16 if (IGNORE_INDEX + 1) * num_classes <= torch.iinfo(torch.int16).max else torch.int32
    pairs = num_classes * label.to(integers) + prediction
    rows = torch.bincount(pairs.flatten(), minlength=(IGNORE_INDEX + 1) * num_classes).view(-1, num_classes)
    return rows[:num_classes].clone()


def intersection_over_union(confusion: Tensor) -> Tensor:
    """IoU per class (C), float64, of a confusion matrix (C, C) with the ground truth in rows.

    NaN for a class that neither ground truth nor prediction holds, as in cityscapesScripts. On the CPU, as all that
    follows: not every device has float64.
    """
    confusion = confusion.cpu().double()
    hit = confusion.diagonal()
    return hit / (confusion.sum(0) + confusion.sum(1) - hit)


def class_accuracy(confusion: Tensor) -> Tensor:
    """Share of each class's pixels that are predicted right (C), float64; NaN for a class without ground truth."""
    confusion = confusion.cpu().double()
    return confusion.diagonal() / confusion.sum(1)


def summarise(confusion: Tensor, classes: list[str]) -> dict[str, Any]:
    """``miou`` and ``mean_accuracy`` over the classes that occur, ``pixel_accuracy``, ``iou`` per class.

    In 0..1; None for no value.
    """
    confusion = confusion.cpu()
    iou = intersection_over_union(confusion)
    accuracy = confusion.diagonal().sum().double() / confusion.sum()
    return {
        "miou": _number(iou.nanmean()),
        "mean_accuracy": _number(class_accuracy(confusion).nanmean()),
        "pixel_accuracy": _number(accuracy),
        "iou": {name: _number(value) for name, value in zip(classes, iou, strict=True)},
    }


def constant_prediction(class_pixels: list[int], predicted: int) -> Tensor:
    """Confusion matrix (C, C) of predicting one class everywhere, from the pixels of each class in the ground truth."""
    confusion = torch.zeros(len(class_pixels), len(class_pixels), dtype=torch.int64)
    confusion[:, predicted] = torch.tensor(class_pixels)
    return confusion


def _number(value: Tensor) -> float | None:
    return None if value.isnan() else value.item()
