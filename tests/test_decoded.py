"""The decoded form of a data set gives the pixels of its files, or is refused."""

import json
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import run_tiny, write_data

from mfaranet.data.decoded import decoded_folder
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets.decoding import decode
from mfaranet.errors import InputError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A prepared set of images of two sizes, the first of them a JPEG."""
    root = write_data(tmp_path / "data", train=3, val=2)
    (root / "images/train/0.png").unlink()
    resize(root, "0", "jpg", (96, 40))
    return root


def resize(root: Path, stem: str, ending: str, size: tuple[int, int]) -> None:
    """Give a training image and its label a width and height, with all of it one class."""
    before = DatasetRecord.load(root)
    old = np.bincount(np.array(Image.open(root / f"labels/train/{stem}.png")).ravel(), minlength=256)
    noise = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(noise).save(root / f"images/train/{stem}.{ending}")
    Image.new("L", size, 1).save(root / f"labels/train/{stem}.png")
    pixels = (np.array(before.class_pixels["train"]) - old[:3] + [0, size[0] * size[1], 0]).tolist()
    changes = {
        "size": None,
        "class_pixels": {**before.class_pixels, "train": pixels},
        "ignored_pixels": {**before.ignored_pixels, "train": before.ignored_pixels["train"] - int(old[255])},
    }
    before.model_copy(update=changes).save(root)


def items(root: Path) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return [pair for split in ("train", "val") for pair in map(SegmentationDataset(root, split).__getitem__, range(2))]


@pytest.mark.filterwarnings("error")
def test_the_same_pixels_without_the_files(data: Path) -> None:
    before = items(data)
    decode(data)
    for path in data.rglob("*.*g"):
        path.write_bytes(b"")  # nothing looks into them any more
    after = items(data)
    assert {tuple(image.shape) for image, _ in after} == {(3, 40, 96), (3, 64, 128)}
    for (image, label), (same_image, same_label) in zip(before, after, strict=True):
        assert torch.equal(image, same_image)
        assert torch.equal(label, same_label)
        assert (image.stride(), image.dtype) == (same_image.stride(), same_image.dtype)


def test_what_is_written_to_an_item_does_not_reach_the_file(data: Path) -> None:
    decode(data)
    for tensor in (pair := SegmentationDataset(data, "val")[0]):
        tensor.zero_()
    assert not pair[0].any()
    assert SegmentationDataset(data, "val")[0][0].any()


def test_a_training_is_the_same_to_the_last_bit(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data")
    for name, wanted in (("files", False), ("decoded", True)):
        decode(data, wanted=wanted)
        assert any(decoded_folder(data).iterdir()) == wanted
        run_tiny(data, tmp_path / name, workers=1)
    assert len({(tmp_path / name / "last.safetensors").read_bytes() for name in ("files", "decoded")}) == 1


def test_another_or_a_broken_one_is_refused(data: Path) -> None:
    decode(data)
    index, pixels = (decoded_folder(data) / name for name in ("index.json", "val.bin"))
    whole, content = index.read_text(), json.loads(index.read_text())

    def refused(message: str) -> None:
        with pytest.raises(InputError, match=rf"{message}.*dvc repro -f -s decode@data`, or remove .*data-decoded"):
            SegmentationDataset(data, "val")

    index.write_text(whole[:-20])
    refused(r"index\.json is no whole index")
    index.write_text(json.dumps({**content, "record": {**content["record"], "fingerprint": "1" * 64}}))
    refused("data-decoded is decoded from other data")
    index.write_text(json.dumps({**content, "splits": {"train": content["splits"]["train"]}}))
    refused("data-decoded is decoded from other data")
    content["splits"]["val"][1]["offset"] += 4
    index.write_text(json.dumps(content))
    refused(r"val\.bin is not whole")
    index.write_text(whole)
    pixels.write_bytes(pixels.read_bytes()[:-1])
    refused(r"val\.bin is not whole")
    pixels.unlink()
    refused(r"val\.bin is not whole \(0 bytes instead of 65536\)")
    decode(data)
    assert len(SegmentationDataset(data, "val")) == 2


def test_half_of_one_is_never_taken_for_one(data: Path) -> None:
    decode(data)
    (data / "images/val/1.png").write_bytes(b"corrupt")
    with pytest.raises(InputError, match=r"images/val/1\.png is missing or corrupt"):
        decode(data)
    assert not decoded_folder(data).exists()
    assert [path.name for path in data.parent.iterdir()] == ["data"]


def test_its_size_is_told_and_fits_the_disk(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    decode(data)
    assert "data-decoded takes 0.00 GiB" in capsys.readouterr().err
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(1000))
    with pytest.raises(InputError, match=r"0\.00 GiB are free on its disk; .*profiles\.data\.data\.cache .* to false"):
        decode(data)
    decode(data, wanted=False)
    assert list(decoded_folder(data).iterdir()) == []
