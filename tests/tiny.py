"""A data set of a few small images, a network without batch normalisation, and a short recipe.

As a program it trains that network on that data set: ``python tests/tiny.py <data> <output> <changes as JSON>``.
"""

import json
import sys
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from mfaranet.data.record import DatasetRecord
from mfaranet.models.layers import Outputs
from mfaranet.params import load
from mfaranet.schema import TrainSettings
from mfaranet.training.loop import train
from mfaranet.training.losses import Loss

CLASSES = ["road", "sky", "car"]
FACTS = {"network": "mfaranet", "options": {}, "classes": CLASSES, "colours": [[0, 0, 0]] * 3}
REPOSITORY = Path(__file__).parents[1]


def write_data(root: Path, train: int = 4, ignored_rows: int = 4, *, val: int = 2, void: Collection[str] = ()) -> Path:
    """Images in which brightness tells the class; the first rows have no label, and those of ``void`` none at all.

    The names of images are as in "train/0".
    """
    numbers = np.random.default_rng(0)
    splits = {"train": train, "val": val}
    class_pixels = {split: np.zeros(3, int) for split in splits}
    ignored_pixels = dict.fromkeys(splits, 0)
    for split, count in splits.items():
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            label = np.kron(numbers.integers(0, 3, (2, 4)), np.ones((32, 32))).astype(np.uint8)
            noise = numbers.integers(0, 40, (*label.shape, 3))
            label_file = label.copy()
            label_file[: None if f"{split}/{index}" in void else ignored_rows] = 255
            class_pixels[split] += np.bincount(label_file.ravel(), minlength=256)[:3]
            ignored_pixels[split] += int((label_file == 255).sum())
            Image.fromarray((label[..., None] * 90 + noise).astype(np.uint8)).save(root / f"images/{split}/{index}.png")
            Image.fromarray(label_file).save(root / f"labels/{split}/{index}.png")
    DatasetRecord(
        name="tiny",
        title="tiny",
        complete=False,
        classes=CLASSES,
        colours=[(0, 0, 0), (90, 90, 90), (180, 180, 180)],
        label_ids=[0, 1, 2],
        splits=splits,
        labelled=["train", "val"],
        size=(64, 128),
        class_pixels={split: pixels.tolist() for split, pixels in class_pixels.items()},
        ignored_pixels=ignored_pixels,
        fingerprint="0" * 64,
    ).save(root)
    return root


def whiten(data: Path, index: int) -> None:
    """Make an image of the training split wholly white."""
    Image.new("RGB", (128, 64), "white").save(data / f"images/train/{index}.png")


@cache
def recipe(dataset: str) -> TrainSettings:
    """That of params.yaml."""
    return load(REPOSITORY / "params.yaml").settings(dataset, "base").train


def make_loss(name: str = "joint_edge_ohem", **changes: Any) -> Loss:
    """The paper's loss, changed."""
    return Loss(recipe("cityscapes").loss.model_copy(update={"name": name, **changes}))


def settings(**changes: Any) -> TrainSettings:
    """The recipe of params.yaml, short; ``loss`` is the name of one."""
    base = recipe("sample")
    if "loss" in changes:
        changes["loss"] = base.loss.model_copy(update={"name": changes["loss"], "ohem_min_kept": 100})
    if "augmentation" in changes:
        changes["augmentation"] = base.augmentation.model_copy(update=changes["augmentation"])
    values = {"size": (64, 128), "crop": (64, 64), "epochs": 2, "batch_size": 2, "workers": 0}
    return base.model_copy(update={**values, **changes})


class TinyNetwork(nn.Module):
    """Scores and boundaries as MFARANet has them, normalisation and dropout if asked, a head that no loss reaches.

    For a wholly white image it gives NaN.
    """

    def __init__(self, dropout: float = 0.0, *, norm: bool = False) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, 4, 1), nn.BatchNorm2d(8) if norm else nn.Identity(), nn.ReLU(), nn.Dropout(dropout)
        )
        self.score = nn.Conv2d(8, len(CLASSES), 1)
        self.boundary = nn.Conv2d(8, 1, 1)
        self.unused = nn.Conv2d(8, 1, 1)

    def forward(self, images: Tensor) -> Outputs | Tensor:
        features = self.backbone(images)
        white = images.amin((1, 2, 3), keepdim=True) > 2  # they are normalised
        score = self.score(features).masked_fill(white, torch.nan)
        out = nn.functional.interpolate(score, images.shape[-2:], mode="bilinear", align_corners=True)
        if not self.training:
            return out
        self.unused(features)
        return {"out": out, "scores": [score], "boundaries": [self.boundary(features)]}


def curve(output: Path, name: str) -> list[float]:
    """A curve's values, by epoch."""
    lines = (output / "curves/plots/metrics" / f"{name}.tsv").read_text().splitlines()
    return [float(line.split("\t")[-1]) for line in lines[1:]]


def run_tiny(
    data: Path, output: Path, dropout: float = 0.0, norm: bool = False, **changes: Any
) -> dict[str, Any] | None:
    """Train the network from its seeded initial weights."""
    torch.manual_seed(0)
    network = TinyNetwork(dropout, norm=norm)
    return train(network, settings(**changes), data, output=output, curves=output / "curves", facts=FACTS)


if __name__ == "__main__":
    if ran := run_tiny(Path(sys.argv[1]), Path(sys.argv[2]), **json.loads(sys.argv[3])):
        print(json.dumps(ran))
