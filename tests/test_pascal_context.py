"""PASCAL-Context as people have it: labels in three forms, images of any size, 59 or 60 classes."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools.mask import encode
from scipy.io import savemat
from sources import refused

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import pascal_context
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.pascal_context import CATEGORIES, CONVERTED, MERGED, label_set
from mfaranet.datasets.source import voc_colours
from mfaranet.errors import InputError
from mfaranet.files import atomic_folder
from mfaranet.schema import PascalContextData

SIZES = {
    "2008_000002": (37, 50),
    "2008_000003": (50, 33),
    "2009_000011": (20, 24),
    "2010_000001": (37, 49),
    "2010_000002": (48, 48),
}
LISTS = {"train": [*SIZES][:3], "val": [*SIZES][3:]}
COUNTS = {split: len(stems) for split, stems in LISTS.items()}


def numbers(stem: str) -> Any:
    """A map of all 459 categories and 0, in an order of its own for each image."""
    size = SIZES[stem]
    every = np.random.default_rng(int(stem[-3:])).permutation(460)
    return np.resize(np.repeat(every, 4), size[0] * size[1]).reshape(size).astype(np.uint16)


def write_voc(root: Path) -> Path:
    voc = root / "VOCdevkit/VOC2010"
    (voc / "JPEGImages").mkdir(parents=True)
    (voc / "ImageSets/Main").mkdir(parents=True)
    for stem, size in SIZES.items():
        noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
        Image.fromarray(noise).save(voc / "JPEGImages" / f"{stem}.jpg")
    for split, stems in LISTS.items():
        (voc / "ImageSets/Main" / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return voc


def write_matlab(root: Path) -> None:
    (root / "trainval").mkdir()
    for stem in SIZES:
        savemat(root / "trainval" / f"{stem}.mat", {"LabelMap": numbers(stem)})


def write_json(root: Path) -> None:
    images, masks = [], []
    for stem, (height, width) in SIZES.items():
        id_ = int(stem.replace("_", ""))
        images.append({"file_name": f"{stem}.jpg", "image_id": id_, "height": height, "width": width, "phase": "train"})
        for number in np.unique(numbers(stem)).tolist():
            if number:
                lengths = encode(np.asfortranarray(numbers(stem) == number, dtype=np.uint8))
                lengths["counts"] = lengths["counts"].decode()
                masks.append({"image_id": id_, "category_id": number, "segmentation": lengths})
    (root / MERGED).write_text(json.dumps({"images": images, "annos_segmentation": masks}))


def write_converted(root: Path) -> None:
    folder = root / "VOCdevkit/VOC2010" / CONVERTED
    folder.mkdir()
    for stem in SIZES:
        Image.fromarray(indices(stem)).save(folder / f"{stem}.png")


def indices(stem: str) -> Any:
    """0..59 of a map: the place of each category in the alphabet of the 59, 0 for all others."""
    known = list(CATEGORIES.values())
    return np.vectorize(lambda number: known.index(number) + 1 if number in known else 0)(numbers(stem)).astype(
        np.uint8
    )


FORMS: dict[str, Callable[[Path], None]] = {"mat": write_matlab, "json": write_json, "png": write_converted}


def write(root: Path, form: str = "png") -> Path:
    write_voc(root)
    FORMS[form](root)
    return root


def made(root: Path, output: Path, classes: int = 59) -> DatasetRecord:
    settings = PascalContextData.model_validate({"form": "pascal_context", "source": root, "classes": classes})
    with atomic_folder(output) as folder, TemporaryDirectory() as scratch:
        source = pascal_context.find(settings, Path(scratch), COUNTS)
        return write_prepared("pascal_context", source, folder)


def test_all_forms_of_labels_are_the_same_set(tmp_path: Path) -> None:
    records = [made(write(tmp_path / form, form), tmp_path / f"{form}_out") for form in FORMS]
    assert len({record.fingerprint for record in records}) == 1
    record = records[0]
    assert (record.title, record.complete) == ("PASCAL-Context, 59 classes", True)
    assert (record.splits, record.size) == ({**COUNTS, "test": 0}, None)
    assert record.labelled == ["train", "val"]
    images = SegmentationDataset(tmp_path / "mat_out", "train")
    for stem, (_, label) in zip(images.stems, images, strict=False):
        expected = indices(stem)
        assert np.array_equal(label.numpy(), np.where(expected == 0, 255, expected - 1))


def test_sixty_classes_have_the_background(tmp_path: Path) -> None:
    record = made(write(tmp_path / "set"), tmp_path / "out", classes=60)
    assert record.title == "PASCAL-Context, 60 classes with background"
    assert (record.classes[0], record.colours[0], len(record.classes)) == ("background", (0, 0, 0), 60)
    val = [indices(stem) for stem in LISTS["val"]]
    assert record.class_pixels["val"] == sum(np.bincount(each.ravel(), minlength=60) for each in val).tolist()
    assert record.ignored_pixels == {"train": 0, "val": 0}


def test_the_order_is_the_alphabets() -> None:
    assert list(CATEGORIES) == sorted(CATEGORIES)
    assert list(CATEGORIES.values()) == sorted(CATEGORIES.values())
    assert len(label_set(59).classes) == 59
    assert label_set(60).colours[1] == label_set(59).colours[0] == (128, 0, 0)
    # The known ones of VOC.
    assert [voc_colours(21)[index] for index in (2, 8, 15, 20)] == [
        (0, 128, 0),
        (64, 0, 0),
        (192, 128, 128),
        (0, 64, 128),
    ]


def test_archives_of_both_parts(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", "mat")
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, folder in {"VOCtrainval_03-May-2010.tar": "VOCdevkit", "trainval.tar.gz": "trainval"}.items():
        with tarfile.open(parts / name, "w:gz" if name.endswith("gz") else "w") as archive:
            archive.add(whole / folder, folder)
    assert made(parts, tmp_path / "a") == made(whole, tmp_path / "b")


def test_images_without_a_label_are_left_out_and_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "set", "mat")
    (root / "trainval/2008_000003.mat").unlink()
    record = made(root, tmp_path / "out")
    assert (record.title, record.complete) == ("PASCAL-Context, 59 classes, 2/2 of 3/2", False)


def two_forms(root: Path) -> None:
    write_json(root)


def other_numbers(root: Path) -> None:
    savemat(root / "trainval/2008_000002.mat", {"LabelMap": np.full(SIZES["2008_000002"], 460)})


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (two_forms, "labels are wanted once"),
        (lambda root: shutil.rmtree(root / "trainval"), "found: none"),
        (lambda root: shutil.rmtree(root / "VOCdevkit"), "holds no VOC 2010"),
        (lambda root: (root / "VOCdevkit/VOC2010/ImageSets/Main/val.txt").unlink(), "holds no VOC 2010"),
        (
            lambda root: (root / "VOCdevkit/VOC2010/ImageSets/Main/val.txt").write_text("n" * 300),
            "listed in val.txt, but missing",
        ),
        (
            lambda root: savemat(root / "trainval/2008_000002.mat", {"LabelMap": np.zeros((0, 0), np.uint8)}),
            "2008_000002.mat: no map of categories 0..459",
        ),
        (other_numbers, "2008_000002.mat: no map of categories 0..459"),
        (
            lambda root: (root / "trainval/2008_000002.mat").write_bytes(b"no"),
            "2008_000002.mat: no LabelMap can be read",
        ),
        (
            lambda root: savemat(root / "trainval/2008_000002.mat", {"LabelMap": numbers("2010_000002")}),
            "2008_000002.png: wrong size 48x48 instead of 37x50",
        ),
        (
            lambda root: (root / "VOCdevkit/VOC2010/JPEGImages/2008_000002.jpg").unlink(),
            "JPEGImages/2008_000002.jpg: listed in train.txt, but missing",
        ),
    ],
)
def test_what_is_wrong_is_named(spoil: Callable[[Path], object], expected: str, tmp_path: Path) -> None:
    root = write(tmp_path / "set", "mat")
    spoil(root)
    assert expected in refused(lambda: made(root, tmp_path / "out"), tmp_path / "out")


def test_a_wrong_merged_file(tmp_path: Path) -> None:
    root = write_voc(tmp_path / "set").parents[1]
    (root / MERGED).write_text("{}")
    with pytest.raises(InputError, match="is not the merged JSON of PASCAL in Detail"):
        made(root, tmp_path / "out")
    write_json(root)
    text = (root / MERGED).read_text()
    for wrong in (text.replace("[37, 50]", "[1048576, 1048576]"), text.replace('"height": 37', '"height": -1')):
        (root / MERGED).write_text(wrong)
        assert "2008_000002: no mask of its size can be read" in refused(
            lambda: made(root, tmp_path / "out"), tmp_path / "out"
        )
