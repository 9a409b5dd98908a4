"""Validation pictures of the report: image, ground truth, prediction and error as data URIs."""

import base64
import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.prepared import SegmentationDataset, read_pixels
from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.pictures import Picture, colour, errors, evenly, photograph
from mfaranet.report.layers import LAYERS, Pictures

_WIDEST = 720
"""Pixels across; larger pictures are made smaller, and none is enlarged."""


def draw(data: Path, split: str, predictions: Path, count: int) -> Pictures:
    """Some images of a split, their ground truth, the prediction and its errors.

    Args:
        data: folder of the prepared data set.
        split: that was evaluated.
        predictions: folder of PNGs of label ids, by the stems of the images.
        count: of images.

    Raises:
        InputError: a file is missing or corrupt.
    """
    images = SegmentationDataset(data, split)
    record = images.record
    chosen = [_draw_one(images, index, predictions) for index in evenly(len(images), count)]
    return Pictures(chosen, list(zip(record.classes, record.colours, strict=True)))


def _draw_one(images: SegmentationDataset, index: int, predictions: Path) -> dict[str, str]:
    image, truth = images[index]
    stem = images.stems[index]
    predicted = _classes(read_pixels(predictions / f"{stem}.png")[0], images.record)
    label_maps = (colour(truth, images.record), colour(predicted, images.record), errors(predicted, truth))
    layers = {name: _uri(picture, "PNG") for name, picture in zip(LAYERS, label_maps, strict=True)}
    return {"name": stem, "image": _uri(photograph(image), "WEBP"), **layers}


def _classes(ids: torch.Tensor, record: DatasetRecord) -> torch.Tensor:
    """Class indices (H, W) of the ids of the data set's own label files."""
    table = torch.full((256,), IGNORE_INDEX, dtype=torch.uint8)
    table[record.label_ids] = torch.arange(len(record.label_ids), dtype=torch.uint8)
    return table[ids.long()]


def _uri(picture: Picture, kind: str) -> str:
    image = Image.fromarray(np.ascontiguousarray(picture))
    if image.width > _WIDEST:
        size = (_WIDEST, round(image.height * _WIDEST / image.width))
        # Colours of a label map are no amounts that could be averaged.
        image = image.resize(size, Image.Resampling.BOX if kind == "WEBP" else Image.Resampling.NEAREST)
    file = io.BytesIO()
    image.save(file, kind, quality=85, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(file.getvalue()).decode()}"
