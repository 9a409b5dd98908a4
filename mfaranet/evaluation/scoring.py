"""Measure a trained network on a labelled split."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.background import in_background
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict_split
from mfaranet.evaluation.metrics import confusion_matrix, constant_prediction, summarise
from mfaranet.evaluation.pictures import colour, draw_grid, errors, evenly, legend_of, photograph
from mfaranet.files import write_png, write_text


def evaluate(
    model: nn.Module, dataset: SegmentationDataset, protocol: str, sizes: InputSizes, predictions: Path
) -> Tensor:
    """Confusion matrix (C, C), int64, of one protocol over a split, the ground truth in rows.

    Writes each prediction to ``predictions`` as ``<stem>.png`` with the ids of the data set's own label files.
    """
    classes = len(dataset.record.classes)
    ids = np.array(dataset.record.label_ids, dtype=np.uint8)

    def finish(item: tuple[int, Tensor, Tensor]) -> Tensor:
        index, prediction, label = item
        prediction = prediction.cpu()
        write_png(predictions / f"{dataset.stems[index]}.png", ids[prediction.numpy()])
        return confusion_matrix(prediction, label, classes)

    stream = predict_split(model, dataset, PROTOCOLS[protocol], sizes, range(len(dataset)))
    confusion = torch.zeros(classes, classes, dtype=torch.int64)
    for counts in tqdm(in_background(finish, stream), desc=protocol, total=len(dataset)):
        confusion += counts
    return confusion


def write_confusion(confusions: Mapping[str, Tensor], classes: list[str], path: Path) -> None:
    """Write matrices by protocol as a CSV: ``protocol``, ``ground_truth``, and the pixels predicted as each class."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["protocol", "ground_truth", *classes])
    for protocol, matrix in confusions.items():
        rows.writerows([protocol, name, *counts] for name, counts in zip(classes, matrix.tolist(), strict=True))
    write_text(path, text.getvalue())


def most_frequent_class(record: DatasetRecord, split: str) -> dict[str, Any]:
    """Scores of predicting the training split's most frequent class everywhere: what a network has to beat."""
    train, truth = record.class_pixels["train"], record.class_pixels[split]
    winner = max(range(len(train)), key=train.__getitem__)
    scores = summarise(constant_prediction(truth, winner), record.classes)
    return {"class": record.classes[winner], **scores}


def draw_examples(
    model: nn.Module, dataset: SegmentationDataset, protocol: str, sizes: InputSizes, count: int, path: Path
) -> None:
    """Picture of ``count`` images of the split: image, ground truth, prediction, error (black where ignored)."""
    record = dataset.record
    chosen = evenly(len(dataset), count)
    rows = []
    for index, prediction, label in predict_split(model, dataset, PROTOCOLS[protocol], sizes, chosen):
        found = prediction.cpu()
        pictures = (colour(label, record), colour(found, record), errors(found, label))
        rows.append((photograph(dataset[index][0]), *pictures))
    legend = legend_of(record, (each for _, truth, found, _ in rows for each in (truth, found)))
    columns = ("image", "ground truth", "prediction", "error")
    draw_grid(f"{record.title}, {dataset.split}, {protocol}", columns, rows, legend, path)
