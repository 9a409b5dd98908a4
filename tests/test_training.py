"""Training on a few tiny images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mfaranet
from mfaranet.checkpoints import load_trained
from mfaranet.data.prepared import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.params import load
from mfaranet.settings import AugmentationSettings, TrainSettings
from mfaranet.training import train

CLASSES = ["road", "sky", "car"]
FACTS = {"network": "mfaranet", "options": {}, "classes": CLASSES, "colours": [[0, 0, 0]] * 3}
REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six images in which brightness tells the class."""
    root = tmp_path_factory.mktemp("data")
    numbers = np.random.default_rng(0)
    splits = {"train": 4, "val": 2}
    for split, count in splits.items():
        for kind in ("images", "labels"):
            (root / kind / split).mkdir(parents=True)
        for index in range(count):
            label = np.kron(numbers.integers(0, 3, (2, 4)), np.ones((32, 32))).astype(np.uint8)
            noise = numbers.integers(0, 40, (*label.shape, 3))
            label_file = label.copy()
            label_file[:4] = 255
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
        class_pixels={"train": [1, 1, 1], "val": [1, 1, 1]},
        ignored_pixels={"train": 0, "val": 0},
        fingerprint="0" * 64,
    ).save(root)
    return root


def settings(**changes: Any) -> TrainSettings:
    base = load(REPOSITORY / "params.yaml").settings("sample", "base").train
    values = {"size": (64, 128), "crop": (64, 64), "epochs": 2, "batch_size": 2, "workers": 0}
    return base.model_copy(update={**values, **changes})


def run(data: Path, output: Path, **changes: Any) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", len(CLASSES))
    train(model, settings(**changes), data, output=output, curves=output / "curves", facts=FACTS)


def curve(output: Path, name: str) -> list[float]:
    lines = (output / "curves/plots/metrics" / f"{name}.tsv").read_text().splitlines()
    return [float(line.split("\t")[-1]) for line in lines[1:]]


def test_the_loss_falls_and_the_network_learns(data: Path, tmp_path: Path) -> None:
    still = AugmentationSettings(scale=(1.0, 1.0), rotation=0.0, rotation_probability=0.0, flip_probability=0.0)
    run(data, tmp_path, epochs=12, validate_every=12, batch_size=4, crop=(64, 128), augmentation=still)
    loss = curve(tmp_path, "train/total")
    assert len(loss) == 12
    assert loss[-1] < 0.7 * loss[0]
    assert curve(tmp_path, "learning_rate")[0] == 0.005
    model, facts = load_trained(tmp_path / "last.safetensors")
    assert (facts["epoch"], facts["classes"]) == (12, CLASSES)
    assert not model.training
    assert (tmp_path / "best.safetensors").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_twenty_steps_are_the_same_twice_to_the_last_bit(data: Path, tmp_path: Path, workers: int) -> None:
    for name in ("first", "second"):
        run(data, tmp_path / name, workers=workers, epochs=10, validate_every=10)
    assert curve(tmp_path / "first", "train/total") == curve(tmp_path / "second", "train/total")
    first, second = ((tmp_path / name / "last.safetensors").read_bytes() for name in ("first", "second"))
    assert first == second
    run(data, tmp_path / "third", workers=workers, seed=1)
    assert (tmp_path / "third/last.safetensors").read_bytes() != first


def test_a_loss_that_is_no_number_stops_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no longer a number in epoch \d.*lower train.base_lr"):
        run(data, tmp_path, base_lr=1e12, epochs=3)
    assert not list(tmp_path.glob("*.tmp*"))


def test_a_batch_that_is_larger_than_the_set_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5 is more than the 4 images"):
        run(data, tmp_path, batch_size=5)
