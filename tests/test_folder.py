"""A data set of the user's own: images of any size, masks in several forms, and what people get wrong."""

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from sources import refused

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets.looking import describe, look, profile
from mfaranet.datasets.preparation import prepare
from mfaranet.errors import InputError
from mfaranet.files import read_yaml
from mfaranet.params import load
from mfaranet.schema import FolderData, Labels

COLOURS = {"road": (128, 64, 128), "sky": (70, 130, 180), "tree": (107, 142, 35)}
IGNORED = (0, 0, 0)
LABELS = Labels.model_validate(
    {
        "classes": [{"name": name, "id": id_, "colour": colour} for id_, (name, colour) in enumerate(COLOURS.items())],
        "ignore": [{"id": 255, "colour": IGNORED}],
    }
)
SIZES = [(40, 60), (60, 40), (48, 48), (20, 30), (50, 70), (33, 47)]
"""Of both orientations; the fourth is smaller than the crop of a training."""
NAMES = [
    "train/one.jpg",
    "train/a street.JPG",
    "train/nested/wéé.png",
    "train/small.png",
    "val/IMG_1.PNG",
    "val/x.jpeg",
]


def mask(size: tuple[int, int], seed: int) -> Any:
    """Indices of the classes, and 255."""
    blocks = np.random.default_rng(seed).integers(0, 4, (-(-size[0] // 10), -(-size[1] // 10)))
    ids = np.kron(blocks, np.ones((10, 10), int))[: size[0], : size[1]]
    return np.where(ids == 3, 255, ids).astype(np.uint8)


def photograph(ids: Any) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 50, (*ids.shape, 3))
    return Image.fromarray((np.minimum(ids, 3)[..., None] * 60 + noise).astype(np.uint8))


def as_grey(ids: Any) -> Image.Image:
    return Image.fromarray(ids)


def as_palette(ids: Any) -> Image.Image:
    image = Image.fromarray(ids, "P")
    # Whole: of a shorter one Pillow changes the indices that have no colour.
    image.putpalette([channel for colour in [*COLOURS.values(), *[IGNORED] * 253] for channel in colour])
    return image


def as_colours(ids: Any) -> Image.Image:
    palette = np.zeros((256, 3), np.uint8)
    palette[:3] = list(COLOURS.values())
    return Image.fromarray(palette[ids])


def save(image: Image.Image, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def write(root: Path, form: Callable[[Any], Image.Image] = as_grey) -> Path:
    for number, (name, size) in enumerate(zip(NAMES, SIZES, strict=True)):
        ids = mask(size, number)
        save(photograph(ids), root / "images" / name)
        save(form(ids), root / "masks" / Path(name).with_suffix(".png"))
    return root


def settings(root: Path, labels: Labels | None = LABELS) -> FolderData:
    return FolderData(form="folder", source=root, labels=labels)


def made(root: Path, output: Path, labels: Labels | None = LABELS) -> DatasetRecord:
    return prepare("streets", settings(root, labels), output)


@pytest.fixture
def streets(tmp_path: Path) -> Path:
    return write(tmp_path / "streets")


def test_grey_palette_and_colours_are_the_same_set(tmp_path: Path) -> None:
    records = [made(write(tmp_path / "x" / form.__name__, form), tmp_path / form.__name__) for form in FORMS]
    assert len({record.fingerprint for record in records}) == 1
    record = records[0]
    assert record.title == "as_grey 4/2/0"
    assert (record.size, record.complete, record.labelled) == (None, False, ["train", "val"])
    assert (record.classes, record.colours) == (list(COLOURS), list(COLOURS.values()))
    truth = [mask(size, number) for number, size in enumerate(SIZES)]
    assert record.class_pixels["val"] == [sum(int((ids == id_).sum()) for ids in truth[4:]) for id_ in range(3)]
    train = SegmentationDataset(tmp_path / "as_grey", "train")
    assert train.stems == ["a street", "nested__wéé", "one", "small"]
    for stem, number in {"a street": 1, "nested__wéé": 2, "one": 0, "small": 3}.items():
        image, label = train[train.stems.index(stem)]
        assert np.array_equal(label.numpy(), truth[number])
        source = np.asarray(Image.open(tmp_path / "x/as_grey/images" / NAMES[number]))
        assert np.array_equal(image.permute(1, 2, 0).numpy(), source)


FORMS = (as_grey, as_palette, as_colours)


def test_photographs_are_kept_but_for_those_that_are_turned_or_grey(streets: Path, tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn clockwise
    first = streets / "images/train/one.jpg"
    save(photograph(mask(SIZES[0], 0).T[::-1].copy()), first, exif=turned)
    save(photograph(mask(SIZES[1], 1)).convert("L"), streets / "images/train/a street.JPG")
    made(streets, tmp_path / "out")
    images = tmp_path / "out/images"
    assert {path.relative_to(images).as_posix() for path in images.rglob("*.*")} == {
        "train/one.png",
        "train/a street.png",
        "train/nested__wéé.png",
        "train/small.png",
        "val/IMG_1.png",
        "val/x.jpg",
    }
    assert (images / "val/x.jpg").read_bytes() == (streets / "images/val/x.jpeg").read_bytes()
    upright = np.asarray(Image.open(images / "train/one.png"))
    assert upright.shape == (*SIZES[0], 3)
    assert np.array_equal(upright, np.rot90(np.asarray(Image.open(first)), -1))


def test_lists_and_a_table_of_classes(streets: Path, tmp_path: Path) -> None:
    split = made(streets, tmp_path / "by_folder")
    for name, lines in {"train": NAMES[:4], "val": [f"images/{NAMES[4]}", "val/x", "# a comment"]}.items():
        (streets / f"{name}.txt").write_text("\n".join(lines))
    rows = [f"{name},{id_},{','.join(map(str, COLOURS[name]))}" for id_, name in enumerate(COLOURS)]
    (streets / "classes.csv").write_text("name,id,r,g,b\n" + "\n".join([*rows, "ignore,255,0,0,0"]))
    listed = made(streets, tmp_path / "by_list", labels=None)
    assert (listed.splits, listed.classes, listed.colours) == (split.splits, split.classes, split.colours)
    assert listed.class_pixels == split.class_pixels
    (streets / "classes.csv").unlink()
    (streets / "classes.yaml").write_text(yaml.safe_dump(LABELS.model_dump(mode="json")))
    assert made(streets, tmp_path / "by_yaml", labels=None) == listed


def test_a_name_from_a_mac_finds_its_mask(streets: Path, tmp_path: Path) -> None:
    path = streets / "images/train/nested/wéé.png"
    path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    assert made(streets, tmp_path / "out").splits["train"] == 4


def test_a_test_split_may_be_without_masks(streets: Path, tmp_path: Path) -> None:
    save(photograph(mask((30, 30), 9)), streets / "images/test/last.jpg")
    record = made(streets, tmp_path / "out")
    assert (record.splits["test"], record.labelled) == (1, ["train", "val"])


def one_value(streets: Path, ids: Any, *names: str) -> None:
    for name in names:
        path = streets / "masks" / name
        changed = np.asarray(Image.open(path)).copy()
        changed[:2, :3] = ids
        save(Image.fromarray(changed), path)


def painted(streets: Path) -> None:
    write(streets, as_colours)
    one_value(streets, (1, 2, 3), "train/one.png")


def exchanged(streets: Path) -> None:
    write(streets, as_colours)
    for name in NAMES:
        image, label = streets / "images" / name, streets / "masks" / Path(name).with_suffix(".png")
        pictures = Image.open(image).convert("RGB"), Image.open(label)
        save(pictures[1], image.with_suffix(".png"))
        save(pictures[0], label)
        if image.suffix != ".png":
            image.unlink()


def from_one(streets: Path) -> None:
    write(streets, lambda ids: as_grey(np.where(ids == 255, 0, ids + 1).astype(np.uint8)))


def two_headers(root: Path) -> None:
    """A PNG that says grey first, and RGB then."""
    grey, colour = root / "masks/train/one.png", root / "two.png"
    save(Image.fromarray(np.zeros((*SIZES[0], 3), np.uint8)), colour)
    grey.write_bytes(grey.read_bytes()[:33] + colour.read_bytes()[8:])


FAULTS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "two headers": (two_headers, ["masks/train/one.png: unreadable or truncated PNG"]),
    "a name that is not UTF-8": (
        lambda root: [
            (root / f"{kind}/train/small.png").rename(root / f"{kind}/train/\udcff.png") for kind in ("images", "masks")
        ],
        ["'\\udcff': a name that is not UTF-8", "rename these files"],
    ),
    "a list of paths that are none": (
        lambda root: (root / "val.txt").write_text("images/\n.\n/\n"),
        [f"val.txt: line {number}: no such image in images/" for number in (1, 2, 3)],
    ),
    "unknown id": (
        lambda root: one_value(root, 7, "train/one.png", "val/x.png"),
        ["2 labels (masks/train/one.png, masks/val/x.png): label id 7 at 12 pixels: stands for no class"],
    ),
    "unknown colour": (painted, ["masks/train/one.png: colour (1, 2, 3) at 6 pixels: stands for no class"]),
    "image without mask": (
        lambda root: (root / "masks/val/x.png").unlink(),
        ["images/val/x.jpeg: image without mask", "images and masks that have no partner"],
    ),
    "mask without image": (
        lambda root: (root / "images/val/x.jpeg").unlink(),
        ["masks/val/x.png: mask without image"],
    ),
    "JPEG mask": (
        lambda root: (
            (root / "masks/val/x.png").unlink(),
            save(as_grey(mask(SIZES[5], 5)), root / "masks/val/x.jpg"),
        ),
        ["masks/val/x.jpg: a JPEG file instead of a PNG", "converting a JPEG does not bring back what it has lost"],
    ),
    "16-bit mask": (
        lambda root: save(Image.fromarray(mask(SIZES[5], 5).astype(np.uint16)), root / "masks/val/x.png"),
        ["masks/val/x.png: 16-bit grey instead of 8-bit grey or RGB"],
    ),
    "mask with alpha": (
        lambda root: save(as_colours(mask(SIZES[5], 5)).convert("RGBA"), root / "masks/val/x.png"),
        ["masks/val/x.png: 8-bit RGB with alpha instead of 8-bit grey or RGB", "without transparency"],
    ),
    "mask of another size": (
        lambda root: save(as_grey(mask((47, 33), 5)), root / "masks/val/x.png"),
        ["masks/val/x.png: wrong size 47x33 instead of 33x47", "turned by its EXIF orientation"],
    ),
    "other file": (
        lambda root: save(photograph(mask((30, 30), 9)), root / "images/val/y.bmp"),
        ["images/val/y.bmp: neither PNG nor JPEG"],
    ),
    "half an image": (
        lambda root: (root / "images/val/x.jpeg").write_bytes((root / "images/val/x.jpeg").read_bytes()[:400]),
        ["images/val/x.jpeg: is no readable image"],
    ),
    "two of a name": (
        lambda root: save(photograph(mask(SIZES[5], 5)), root / "images/val/x.png"),
        ["images/val/x.png: also there as x.jpeg"],
    ),
    "no validation": (
        lambda root: [path.unlink() for path in (*(root / "images/val").iterdir(), *(root / "masks/val").iterdir())],
        ["val: no images"],
    ),
    "exchanged": (exchanged, ["images that are labels", "photographs, if images and labels are exchanged"]),
    "ids from one": (from_one, ["the labels hold ids that begin at 1 (1..3) instead of 0"]),
    "an unknown line": (
        lambda root: [(root / f"{split}.txt").write_text("train/one\nnone\n") for split in ("train", "val")],
        ["train.txt: line 2: no such image in images/: none"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_named(fault: str, streets: Path, tmp_path: Path) -> None:
    spoil, expected = FAULTS[fault]
    spoil(streets)
    message = refused(lambda: made(streets, tmp_path / "out"), tmp_path / "out")
    for text in expected:
        assert text in message


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name,id,r,g,b\nroad,0,1,2,3\n", "at least 2 items"),
        ("name,id,r,g,b\nroad,0,1,2,3\nsky,0,4,5,6\n", "the id 0 stands there twice"),
        ("name,id,r,g,b\nroad,0,1,2,3\nsky,1,1,2,3\n", r"the colour \(1, 2, 3\) stands there twice"),
        ("name,id,r,g,b\nroad,0,1,2,300\nsky,1,1,2,3\n", "less than or equal to 255"),
        ("title,id\nroad,0\nsky,1\n", "name"),
    ],
)
def test_a_wrong_table_of_classes(text: str, fault: str, streets: Path, tmp_path: Path) -> None:
    (streets / "classes.csv").write_text(text)
    with pytest.raises(InputError, match=fault):
        made(streets, tmp_path / "out", labels=None)


@pytest.mark.parametrize("form", FORMS)
def test_a_look_before_there_are_settings(form: Callable[[Any], Image.Image], tmp_path: Path) -> None:
    streets = write(tmp_path / "My streets!", form)
    found = look(streets)
    said = "\n".join(describe(found))
    for text in (
        "4 in train, 2 in val, 0 in test",
        "6, from 20x30 to 50x70",
        f"6 {'RGB' if form is as_colours else form.__name__[3:]}",
    ):
        assert text in said
    assert "problems" not in said
    printed = yaml.safe_load(profile(found, "my_streets"))["my_streets"]
    labels = printed["data"]["labels"]
    if form is as_colours:
        assert {tuple(each["colour"]) for each in labels["classes"]} == {*COLOURS.values(), IGNORED}
    else:
        assert [each["id"] for each in labels["classes"]] == [0, 1, 2]
        assert labels["ignore"] == [{"id": 255}]
    assert printed["train"]["size"] == 54
    own = FolderData.model_validate_json(json.dumps(printed["data"]))
    assert len(prepare("own", own, tmp_path / "out").classes) == (4 if form is as_colours else 3)
    # With it, params.yaml is valid for every experiment.
    params = read_yaml(Path(__file__).parents[1] / "params.yaml")
    params["profiles"]["my_streets"] = printed
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    half = load(tmp_path / "params.yaml").settings("my_streets", "size_512x1024").train
    assert half.input_size.of((40, 60)) == (18, 27)


def test_a_look_names_what_is_wrong(streets: Path) -> None:
    (streets / "masks/val/x.png").unlink()
    save(as_colours(mask(SIZES[4], 4)).convert("RGBA"), streets / "masks/val/IMG_1.png")
    said = "\n".join(describe(look(streets)))
    assert "images/val/x.jpeg: image without mask" in said
    assert "masks/val/IMG_1.png: 8-bit RGB with alpha" in said
    (streets / "classes.csv").write_text("name,id\nroad,0\nsky,1\nignore,255\n")
    found = look(streets)
    assert "values that the classes beside the images do not have: 2 (" in "\n".join(describe(found))
    assert "labels" not in yaml.safe_load(profile(found, "streets"))["streets"]["data"]
    with pytest.raises(InputError, match="two folders, of images"):
        look(streets / "images")
    (streets / "images/val/x.jpeg").write_bytes(b"none")
    assert "images/val/x.jpeg: no readable image" in "\n".join(describe(look(streets)))


def test_no_profile_of_masks_that_tell_no_classes(streets: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    for path in (streets / "masks").rglob("*.png"):
        save(Image.fromarray(noise).resize(Image.open(path).size), path)
    with pytest.raises(InputError, match=r"masks have \d+ values, which cannot all be classes: were they JPEG once"):
        profile(look(streets), "streets")
    for path in (streets / "masks").rglob("*.png"):
        path.unlink()
    with pytest.raises(InputError, match="no image with a mask that can be read"):
        profile(look(streets), "streets")
