"""What a data set holds as a whole: what cannot be right is refused, what may be right is told and recorded."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sources import (
    SMALL,
    label,
    read_tree,
    refused,
    settings,
    write_camvid,
    write_city,
    write_manifest,
    write_png,
    write_tree,
)

from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, cityscapes
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.preparation import prepare
from mfaranet.files import atomic_folder

CASES = Path(__file__).parents[2] / "shared/cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"the small inputs that break are not at {CASES}")
VOID = 11


@pytest.fixture
def camvid_set(tmp_path: Path) -> Path:
    return write_camvid(tmp_path / "CamVid")


def prepared(root: Path, tmp_path: Path) -> DatasetRecord:
    write_manifest(root)
    return prepare("camvid", settings(root), tmp_path / "out" / "camvid")


def said(root: Path, tmp_path: Path) -> str:
    return refused(lambda: prepared(root, tmp_path), tmp_path / "out" / "camvid")


# trainIds for ids


def train_ids(void: int) -> Any:
    """All trainIds and one for void, in stripes of a picture."""
    pixels = label(SMALL, 20)
    pixels[pixels == 19] = void
    return pixels


@pytest.mark.parametrize("void", [0, 19, 255])
@pytest.mark.parametrize("splits", [("train", "val"), ("val",)])
def test_labels_that_hold_train_ids_are_named(tmp_path: Path, void: int, splits: tuple[str, ...]) -> None:
    root = write_city(tmp_path / "tree")
    for split in splits:
        for path in root.glob(f"gtFine/{split}/*/*_labelIds.png"):
            write_png(path, train_ids(void))
    text = refused(lambda: write_tree(root, tmp_path / "town"), tmp_path / "town")
    lines = text.splitlines()
    assert lines[0].endswith(f"problems found: {len(splits)}"), "the 255 of each file is no problem of its own"
    assert lines[1:-2] == [f"  {split}: the labels hold trainIds (0..18) instead of ids" for split in splits]
    assert "take the original *_gtFine_labelIds.png from gtFine_trainvaltest.zip" in lines[-1]


def test_single_labels_that_hold_train_ids_are_told(tmp_path: Path) -> None:
    root = write_city(tmp_path / "tree")
    write_png(root / "gtFine/train/town0/town0_train_000002_gtFine_labelIds.png", train_ids(0))
    record = write_tree(root, tmp_path / "town")
    assert record.warnings[-1] == (
        "labels that seem to hold trainIds (0..18) instead of ids: 1 of 3 in train (town0_train_000002)"
    )


def test_few_low_ids_are_no_train_ids(tmp_path: Path) -> None:
    """An empty road in a tunnel: void, road, sidewalk, building, wall, tunnel, pole."""
    root = write_city(tmp_path / "tree")
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        write_png(path, np.array([0, 7, 8, 11, 12, 16, 17])[label(SMALL, 7)])
    assert write_tree(root, tmp_path / "town").class_pixels["val"][:4] == [80, 80, 80, 64]


# other conventions of CamVid


@pytest.mark.parametrize(
    ("pixels", "name", "mend"),
    [
        (np.where(label(camvid.SIZE, 12) == 11, 255, label(camvid.SIZE, 12)), "255 for void", "replace 255 by 11"),
        (label(camvid.SIZE, 32), "indices of the 32 original classes", "which has 11 classes"),
    ],
)
def test_other_conventions_of_camvid_are_named(
    camvid_set: Path, tmp_path: Path, pixels: Any, name: str, mend: str
) -> None:
    for path in camvid_set.glob("*annot/*.png"):
        write_png(path, pixels)
    text = said(camvid_set, tmp_path)
    assert f"problems found: 3\n  train: the labels hold {name}\n" in text
    assert mend in text.splitlines()[-1]


def test_colour_labels_are_named(camvid_set: Path, tmp_path: Path) -> None:
    colours = np.array([*camvid.LABELS.colours, (0, 0, 0)], dtype=np.uint8)
    write_png(camvid_set / "valannot/val_000000.png", colours[label(camvid.SIZE, 12)])
    text = said(camvid_set, tmp_path)
    assert "valannot/val_000000.png: 8-bit RGB instead of 8-bit grey" in text
    assert "*_color.png is for display" in text


# images that are labels


@pytest.mark.parametrize("form", ["colours", "grey"])
def test_an_image_that_is_a_label_is_refused(camvid_set: Path, tmp_path: Path, form: str) -> None:
    colours = np.array([*camvid.LABELS.colours, (0, 0, 0)], dtype=np.uint8)
    ids = label(camvid.SIZE, 12)
    write_png(camvid_set / "train/train_000001.png", colours[ids] if form == "colours" else np.stack([ids] * 3, axis=2))
    text = said(camvid_set, tmp_path)
    assert "problems found: 1\n  train/train_000001.png: no photograph, but a label map\n" in text
    assert "images and labels are exchanged" in text


def test_dark_and_grey_photographs_are_taken(camvid_set: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    night = np.zeros((*camvid.SIZE, 3), dtype=np.uint8)
    night[100:120, 200:240] = rng.integers(0, 256, (20, 40, 3))
    fog = np.repeat(rng.integers(90, 160, (*camvid.SIZE, 1)), 3, axis=2)
    write_png(camvid_set / "train/train_000000.png", night)
    write_png(camvid_set / "train/train_000001.png", fog)
    assert prepared(camvid_set, tmp_path).warnings == []


# what is told


def test_void_labels_and_blank_images_are_told_and_recorded(
    camvid_set: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (0, 2):
        write_png(camvid_set / f"trainannot/train_{number:06d}.png", np.full(camvid.SIZE, VOID))
    write_png(camvid_set / "test/test_000001.png", np.full((*camvid.SIZE, 3), 7))
    record = prepared(camvid_set, tmp_path)
    assert record.warnings == [
        "labels wholly void: 2 of 3 in train (train_000000, train_000002)",
        "images of one colour: 1 of 2 in test (test_000001)",
    ]
    assert DatasetRecord.load(tmp_path / "out" / "camvid").warnings == record.warnings
    errors = capsys.readouterr().err
    assert all(f"camvid: {warning}\n" in errors for warning in record.warnings)


def test_classes_that_do_not_occur_are_told(tmp_path: Path) -> None:
    record = write_tree(write_city(tmp_path / "tree", ids=32), tmp_path / "town")
    assert record.warnings == [
        "classes without a pixel in train (never learned): motorcycle, bicycle",
        "classes without a pixel in val (no IoU): motorcycle, bicycle",
    ]


def test_a_long_list_of_images_is_cut(tmp_path: Path) -> None:
    counts = {"train": 8, "val": 1, "test": 0}
    root = write_city(tmp_path / "tree", counts)
    for path in list(root.glob("gtFine/train/*/*_labelIds.png"))[:-1]:
        write_png(path, np.full(SMALL, 3))
    with atomic_folder(tmp_path / "town") as folder:
        source = read_tree(root, cityscapes.Layout("town", False, SMALL, counts))
        warning = write_prepared("town", source, folder).warnings[-1]
    assert warning.startswith("labels wholly void: 7 of 8 in train (")
    assert warning.endswith(", and 2 more)")


# nothing to measure or to learn


@pytest.mark.parametrize(("split", "nothing"), [("val", "measured"), ("train", "learned")])
def test_a_split_without_a_labelled_pixel_is_refused(
    camvid_set: Path, tmp_path: Path, split: str, nothing: str
) -> None:
    for path in (camvid_set / f"{split}annot").iterdir():
        write_png(path, np.full(camvid.SIZE, VOID))
    text = said(camvid_set, tmp_path)
    assert f"problems found: 1\n  {split}: no labelled pixel in {split}: nothing can be {nothing}\n" in text
    assert "take labels that hold some" in text


def test_other_ids_alone_are_no_missing_labels(camvid_set: Path, tmp_path: Path) -> None:
    write_png(camvid_set / "valannot/val_000000.png", np.full(camvid.SIZE, 77))
    assert "problems found: 1\n  valannot/val_000000.png: label id 77 at 172800 pixels" in said(camvid_set, tmp_path)


def test_a_test_split_without_a_labelled_pixel_is_told(camvid_set: Path, tmp_path: Path) -> None:
    for path in (camvid_set / "testannot").iterdir():
        write_png(path, np.full(camvid.SIZE, VOID))
    (warning,) = prepared(camvid_set, tmp_path).warnings
    assert warning == "labels wholly void: 2 of 2 in test (test_000000, test_000001)"


# the inputs that broke the program


@needs_cases
def test_the_case_of_train_ids(tmp_path: Path) -> None:
    root, layout = (
        CASES / "city_trainid",
        cityscapes.Layout("case", False, (64, 128), {"train": 2, "val": 1, "test": 1}),
    )

    def write() -> None:
        with atomic_folder(tmp_path / "town") as folder:
            write_prepared("case", read_tree(root, layout), folder)

    text = refused(write, tmp_path / "town")
    assert "train: the labels hold trainIds (0..18) instead of ids" in text
    assert "val: the labels hold trainIds (0..18) instead of ids" in text


@needs_cases
def test_the_case_of_void_labels(tmp_path: Path) -> None:
    record = prepare("camvid", settings(CASES / "camvid_void"), tmp_path / "out" / "camvid")
    stems = "0000TP_000000, 0001TP_000001"
    assert record.warnings == [
        f"labels wholly void: 2 of 4 in train ({stems})",
        f"images of one colour: 2 of 4 in train ({stems})",
    ]


@needs_cases
def test_the_case_of_a_void_validation_split(tmp_path: Path) -> None:
    output = tmp_path / "out" / "camvid"
    text = refused(lambda: prepare("camvid", settings(CASES / "camvid_valvoid"), output), output)
    assert "problems found: 1\n  val: no labelled pixel in val: nothing can be measured\n" in text
