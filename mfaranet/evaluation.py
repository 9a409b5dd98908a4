"""Measure a trained network on the labelled validation split."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from mfaranet.conventions import IGNORE_INDEX
from mfaranet.data.prepared import DatasetRecord, SegmentationDataset
from mfaranet.files import atomic_write, write_png
from mfaranet.inference import PROTOCOLS, InputSizes, predict_split
from mfaranet.metrics import confusion_matrix, constant_prediction, summarise

SPLIT = "val"


def evaluate(
    model: nn.Module, dataset: SegmentationDataset, protocol: str, sizes: InputSizes, predictions: Path
) -> dict[str, Any]:
    """Scores of one protocol over a split: ``miou``, ``pixel_accuracy``, ``iou`` per class (0..1, None for no value).

    Writes each prediction to ``predictions`` as ``<stem>.png`` with the ids of the data set's own label files.
    """
    record = dataset.record
    classes = len(record.classes)
    confusion = torch.zeros(classes, classes, dtype=torch.int64, device=next(model.parameters()).device)
    ids = np.array(record.label_ids, dtype=np.uint8)
    stream = predict_split(model, dataset, PROTOCOLS[protocol], sizes, range(len(dataset)))
    for index, prediction, label in tqdm(stream, desc=protocol, total=len(dataset)):
        confusion += confusion_matrix(prediction, label, classes)
        write_png(predictions / f"{dataset.stems[index]}.png", ids[prediction.cpu().numpy()])
    return summarise(confusion, record.classes)


def most_frequent_class(record: DatasetRecord) -> dict[str, Any]:
    """Scores of predicting the training split's most frequent class everywhere: what a network has to beat."""
    train, truth = (record.class_pixels[split] for split in ("train", SPLIT))
    winner = max(range(len(train)), key=train.__getitem__)
    scores = summarise(constant_prediction(truth, winner), record.classes)
    return {"class": record.classes[winner], **scores}


def draw_examples(
    model: nn.Module, dataset: SegmentationDataset, protocol: str, sizes: InputSizes, count: int, path: Path
) -> None:
    """Picture of ``count`` images spread over the split: image, truth, prediction, error (black where ignored)."""
    indices = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()
    titles = ("image", "truth", "prediction", "error")
    figure = Figure(figsize=(10, 0.4 + 2.5 * len(indices) * dataset.record.size[0] / dataset.record.size[1]))
    axes = figure.subplots(len(indices), len(titles), squeeze=False)
    predicted = predict_split(model, dataset, PROTOCOLS[protocol], sizes, indices)
    for row, (index, prediction, label) in zip(axes, predicted, strict=True):
        image = dataset[index][0].permute(1, 2, 0).numpy()
        panels = (image, _colour(label, dataset.record), _colour(prediction, dataset.record), _error(prediction, label))
        for axis, panel in zip(row, panels, strict=True):
            axis.imshow(panel)
            axis.set_axis_off()
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title)
    figure.suptitle(f"{dataset.record.title}, {SPLIT}, {protocol}", fontsize="small")
    figure.tight_layout()
    atomic_write(path, lambda temporary: figure.savefig(temporary, format="png", dpi=120))


def _colour(labels: Tensor, record: DatasetRecord) -> NDArray[np.uint8]:
    palette = np.zeros((256, 3), dtype=np.uint8)
    palette[: len(record.colours)] = record.colours
    return np.take(palette, labels.cpu().numpy(), axis=0)


def _error(prediction: Tensor, label: Tensor) -> NDArray[np.uint8]:
    """White where right, red where wrong, black where ignored."""
    colours = np.array([[255, 255, 255], [200, 30, 30], [0, 0, 0]], dtype=np.uint8)
    kind = (prediction != label).long()
    kind[label == IGNORE_INDEX] = 2
    return np.take(colours, kind.cpu().numpy(), axis=0)
