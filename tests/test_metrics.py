"""Scores against the official numbers, and the baseline that a network has to beat."""

import math

import numpy as np
import pytest
import torch
from official import GOLDENS, make_label

from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.metrics import (
    class_accuracy,
    confusion_matrix,
    constant_prediction,
    intersection_over_union,
    summarise,
)
from mfaranet.evaluation.scoring import most_frequent_class


def test_the_official_metric() -> None:
    golden = GOLDENS["metrics"]
    label = make_label(1, 32, 48, 33)[0]
    noise = torch.from_numpy(np.random.RandomState(32).randint(0, 19, (32, 48)))
    kept = torch.from_numpy(np.random.RandomState(31).rand(32, 48) < 0.7)
    prediction = torch.where(kept, label.where(label != 255, 0), noise)
    # As in an evaluation: many images, one matrix.
    parts = [(prediction[rows].to(torch.uint8), label[rows].to(torch.uint8)) for rows in (slice(0, 10), slice(10, 32))]
    counts = torch.stack([confusion_matrix(*part, 19) for part in parts]).sum(0)
    assert counts.diagonal().tolist() == golden["intersection"]
    assert counts.sum(1).tolist() == golden["target"]
    assert (counts.sum(0) + counts.sum(1) - counts.diagonal()).tolist() == golden["union"]
    # The official mean has 0 for a class without truth.
    assert class_accuracy(counts).nan_to_num().mean().item() == pytest.approx(golden["mAcc"], abs=1e-9)
    scores = summarise(counts, [str(index) for index in range(19)])
    assert scores["miou"] == pytest.approx(golden["mIoU"], abs=1e-9)
    assert scores["pixel_accuracy"] == pytest.approx(golden["allAcc"], abs=1e-9)


def test_a_class_that_does_not_occur_is_no_part_of_the_mean() -> None:
    counts = torch.tensor([[3, 1, 0], [0, 4, 0], [0, 0, 0]])  # ground truth in rows
    iou = intersection_over_union(counts)
    assert iou[:2].tolist() == [3 / 4, 4 / 5]
    assert iou[2].isnan()
    scores = summarise(counts, ["a", "b", "c"])
    assert scores["iou"]["c"] is None
    assert scores["miou"] == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert scores["mean_accuracy"] == pytest.approx((3 / 4 + 4 / 4) / 2)


@pytest.mark.parametrize("classes", [128, 129, 255])
def test_as_many_classes_as_a_label_file_can_tell_apart(classes: int) -> None:
    """From 129 on, a pair of classes can be a larger number than 16 bits hold."""
    label = torch.tensor([0, classes - 1, classes - 1, 255], dtype=torch.uint8)
    prediction = torch.tensor([classes - 1, 0, classes - 1, 0], dtype=torch.uint8)
    counts = confusion_matrix(prediction, label, classes)
    assert counts.shape == (classes, classes)
    assert counts.nonzero().tolist() == [[0, classes - 1], [classes - 1, 0], [classes - 1, classes - 1]]
    assert counts.sum() == 3


def test_the_most_frequent_class_of_train_scored_on_val() -> None:
    record = DatasetRecord(
        name="tiny",
        title="tiny",
        complete=False,
        classes=["road", "sky", "train"],
        colours=[(0, 0, 0)] * 3,
        label_ids=[7, 23, 31],
        size=(1, 10),
        splits={"train": 1, "val": 1, "test": 0},
        labelled=["train", "val"],
        class_pixels={"train": [6, 4, 0], "val": [3, 7, 0]},
        ignored_pixels={"train": 0, "val": 0},
        fingerprint="",
    )
    scores = most_frequent_class(record, "val")
    assert (scores["class"], scores["pixel_accuracy"]) == ("road", pytest.approx(0.3))
    assert scores["miou"] == pytest.approx((3 / 10 + 0) / 2)
    assert not math.isnan(scores["miou"])
    # Of a whole data set, more pixels than float32 can count.
    assert constant_prediction([2**24 + 1, 1], 1).tolist() == [[0, 2**24 + 1], [0, 1]]
