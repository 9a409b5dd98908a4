"""CamVid in the form of its authors: colours of 32 classes, two arrangements, two ways to make 11 of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sources import picture, refused, write_png

from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, camvid_original
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.png import read_label
from mfaranet.datasets.preparation import prepare
from mfaranet.datasets.source import Source
from mfaranet.errors import InputError
from mfaranet.files import atomic_folder
from mfaranet.schema import CamVidOriginalData

COUNTS = {"train": 2, "val": 1, "test": 1}
NAMES = [(index, name) for index, members in enumerate(camvid_original.GROUPS.values()) for name in members]
COLOURS = {name: colour for members in camvid_original.GROUPS.values() for name, colour in members.items()}
HEIGHT, WIDTH = camvid_original.SIZE


def stripes() -> np.ndarray:
    """Every one of the 32 colours, in vertical stripes; void is the last."""
    colours = np.array([*COLOURS.values(), (0, 0, 0)], dtype=np.uint8)
    return np.broadcast_to(colours[np.arange(WIDTH) % len(colours)], (HEIGHT, WIDTH, 3))


def stem(split: str, number: int) -> str:
    return f"0001TP_{split}{number}"


def write_split_folders(root: Path) -> Path:
    for split, count in COUNTS.items():
        for number in range(count):
            write_png(root / split / f"{stem(split, number)}.png", picture(camvid_original.SIZE, number))
            write_png(root / f"{split}_labels" / f"{stem(split, number)}_L.png", stripes())
    rows = [f"{name},{red},{green},{blue}\n" for name, (red, green, blue) in COLOURS.items()]
    (root / camvid_original.CLASS_DICT).write_text("name,r,g,b\n" + "".join(rows) + "Void,0,0,0\n")
    return root


def write_authors_folders(root: Path) -> Path:
    for split, count in COUNTS.items():
        stems = [stem(split, number) for number in range(count)]
        for number, name in enumerate(stems):
            write_png(root / camvid_original.IMAGES / f"{name}.png", picture(camvid_original.SIZE, number))
            write_png(root / camvid_original.LABELS / f"{name}_L.png", stripes())
        (root / f"{split}.txt").write_text("".join(f"{name}\n" for name in stems))
    return root


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_split_folders(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def folders(drawn: Path, tmp_path: Path) -> Path:
    """A set to be spoilt."""
    return shutil.copytree(drawn, tmp_path / "CamVid")


def read(root: Path, classes: str = "grouped") -> Source:
    return camvid_original.read(root, root, root, classes, COUNTS)


def test_every_original_colour_lands_in_its_class(drawn: Path) -> None:
    grouped, strict = (
        read_label(source.pairs[0].label, source, source.size)[0, : len(NAMES) + 1].tolist()
        for source in (read(drawn), read(drawn, "strict"))
        if source.pairs[0].label
    )
    assert grouped == [*(index for index, _ in NAMES), camvid_original.VOID]
    first = dict(reversed(NAMES))
    assert strict == [*(index if first[index] == name else 11 for index, name in NAMES), 11]
    assert len(NAMES) == 31
    # The two forms of CamVid mean the same by an index.
    assert list(camvid_original.GROUPS) == camvid.LABELS.classes
    assert (read(drawn).labels.ids, read(drawn).labels.void) == (camvid.LABELS.ids, camvid.LABELS.void)


@pytest.mark.parametrize("classes", ["grouped", "strict"])
def test_the_title_names_the_classes(drawn: Path, classes: str, tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "out") as folder:
        record = write_prepared("camvid_original", read(drawn, classes), folder)
    assert record.title == f"CamVid 720x960, {camvid_original.TITLES[classes]}"
    assert record.complete
    assert record.splits == COUNTS
    assert record.labelled == ["train", "val", "test"]
    void = record.ignored_pixels["val"]
    assert void == HEIGHT * int((stripes()[0] == 0).all(1).sum()) if classes == "grouped" else void > HEIGHT * WIDTH / 2
    label = np.asarray(Image.open(tmp_path / "out/labels/val" / f"{stem('val', 0)}.png"))
    assert set(np.unique(label)) == {*range(11), 255}


def test_both_arrangements_are_the_same_set(drawn: Path, tmp_path: Path) -> None:
    other = write_authors_folders(tmp_path / "authors")
    found = {}
    for root in (drawn, other):
        with atomic_folder(tmp_path / f"out_{root.name}") as folder:
            found[root] = write_prepared("camvid", read(root), folder)
    assert found[drawn] == found[other]


def test_another_division_is_named(drawn: Path, folders: Path) -> None:
    for kind, suffix in (("", ""), ("_labels", "_L")):
        name = f"{stem('train', 1)}{suffix}.png"
        (folders / f"train{kind}" / name).rename(folders / f"val{kind}" / name)
    source = read(folders)
    assert (source.complete, source.problems) == (False, [])
    assert source.title.endswith("split 1/2/1")


def test_it_is_found_in_folders_and_archives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = CamVidOriginalData(form="camvid_original", source=tmp_path / "source", classes="grouped")
    unset = settings.model_copy(update={"source": None})

    def prepared(output: str, given: CamVidOriginalData = unset) -> DatasetRecord:
        source = camvid_original.find(given, tmp_path / f"scratch_{output}", COUNTS)
        with atomic_folder(tmp_path / output) as folder:
            return write_prepared("camvid_original", source, folder)

    root = write_authors_folders(tmp_path / "source")
    first = prepared("first", settings)
    for name in (camvid_original.IMAGES, camvid_original.LABELS):
        shutil.make_archive(str(tmp_path / "archives" / name), "zip", root, name)
    for split in COUNTS:
        shutil.copy(root / f"{split}.txt", tmp_path / "archives")
    monkeypatch.setenv(camvid_original.VARIABLE, str(tmp_path / "archives"))
    assert prepared("second") == first
    # One zip with all, in a folder, as it is passed around; and so with lists.
    folders = write_split_folders(tmp_path / "around/CamVid")
    shutil.make_archive(str(tmp_path / "camvid"), "zip", folders.parent)
    monkeypatch.setenv(camvid_original.VARIABLE, str(tmp_path / "camvid.zip"))
    assert prepared("third").splits == COUNTS
    shutil.make_archive(str(tmp_path / "listed"), "zip", root.parent, root.name)
    monkeypatch.setenv(camvid_original.VARIABLE, str(tmp_path / "listed.zip"))
    assert prepared("fourth") == first
    monkeypatch.delenv(camvid_original.VARIABLE)
    with pytest.raises(InputError, match="not downloaded for you; get its two archives"):
        prepare("camvid_original", unset, tmp_path / "fifth")
    monkeypatch.setenv(camvid_original.VARIABLE, str(tmp_path / "first"))
    with pytest.raises(InputError, match=r"holds no original CamVid: train/ and train_labels/"):
        prepare("camvid_original", unset, tmp_path / "fifth")


def unpaired(root: Path) -> None:
    (root / "val_labels" / f"{stem('val', 0)}_L.png").unlink()


def without_image(root: Path) -> None:
    (root / "test" / f"{stem('test', 0)}.png").unlink()


def mixed(root: Path) -> None:
    pixels = stripes().copy()
    pixels[0, :3] = (1, 2, 3)
    write_png(root / "val_labels" / f"{stem('val', 0)}_L.png", pixels)


def indexed(root: Path) -> None:
    write_png(root / "val_labels" / f"{stem('val', 0)}_L.png", np.zeros((HEIGHT, WIDTH)))


def exchanged(root: Path) -> None:
    (root / "train" / f"{stem('train', 0)}.png").write_bytes(
        (root / "train_labels" / f"{stem('train', 0)}_L.png").read_bytes()
    )


def other_classes(root: Path) -> None:
    with (root / camvid_original.CLASS_DICT).open("a") as file:
        file.write("Tram,1,1,1\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (unpaired, f"val/{stem('val', 0)}.png: image without label"),
        (without_image, f"test_labels/{stem('test', 0)}_L.png: label without image"),
        (mixed, f"val_labels/{stem('val', 0)}_L.png: colour (1, 2, 3) at 3 pixels: stands for no class"),
        (indexed, f"val_labels/{stem('val', 0)}_L.png: 8-bit grey instead of 8-bit RGB"),
        (exchanged, f"train/{stem('train', 0)}.png: no photograph, but a label map"),
        (other_classes, "class_dict.csv: not of the 32 classes: Tram (1, 1, 1)"),
    ],
)
def test_what_is_wrong_is_named(folders: Path, tmp_path: Path, spoil, message: str) -> None:  # type: ignore[no-untyped-def]
    spoil(folders)

    def prepared() -> None:
        with atomic_folder(tmp_path / "out/camvid") as folder:
            write_prepared("camvid", read(folders), folder)

    assert message in refused(prepared, tmp_path / "out/camvid")
