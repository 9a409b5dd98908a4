"""Data as it lies on people's disks is taken, and comes out the same as from a clean copy."""

import codecs
import shutil
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sources import COUNTS, LAYOUT, label, picture, refused, settings, write_camvid, write_city, write_manifest

from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, cityscapes
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.png import read_label
from mfaranet.datasets.preparation import prepare
from mfaranet.datasets.source import Source
from mfaranet.errors import InputError
from mfaranet.files import atomic_folder, user_path
from mfaranet.params import load
from mfaranet.schema import CityscapesData

CASES = Path(__file__).parents[2] / "shared/cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason=f"the small inputs that break are not at {CASES}")
LEFT_BY_SYSTEMS = ("._a.png", ".DS_Store", "Thumbs.db", "desktop.ini", "__MACOSX/._a.png")


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_camvid(tmp_path_factory.mktemp("clean"))


@pytest.fixture(scope="module")
def fingerprint(clean: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of the prepared form of the clean set."""
    return prepare("camvid", settings(clean), tmp_path_factory.mktemp("out") / "camvid").fingerprint


# CamVid


def each_label(root: Path, change: Callable[[Path], object]) -> None:
    for path in root.glob("*annot/*.png"):
        change(path)


def write_grey(path: Path, pixels: Any, bits: int) -> None:
    """A grey PNG of 1, 2 or 4 bits, which Pillow does not write."""
    packed = np.unpackbits(pixels.astype(np.uint8)[..., None], axis=2)[..., 8 - bits :].reshape(len(pixels), -1)
    rows = [b"\0" + row.tobytes() for row in np.packbits(packed, axis=1)]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = pixels.shape[1].to_bytes(4) + pixels.shape[0].to_bytes(4) + bytes([bits, 0, 0, 0, 0])
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"".join(rows))), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def palette(path: Path, bits: int = 8) -> None:
    image = Image.fromarray(np.asarray(Image.open(path)))
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value for colour in camvid.LABELS.colours for value in colour])
    image.save(path, bits=bits)


def capitals(root: Path) -> None:
    for path in [*root.glob("*/*.png")]:
        path.rename(path.with_suffix(".PNG"))


def listed(form: str, encoding: str = "utf-8", end: str = "\n") -> Callable[[Path], None]:
    """Lists whose lines have this form, of the split and the stem."""

    def write(root: Path) -> None:
        for split in COUNTS:
            stems = (root / f"{split}.txt").read_text().split()
            lines = [form.format(split=split, stem=stem) + end for stem in stems]
            (root / f"{split}.txt").write_bytes("".join(lines).encode(encoding))

    return write


def litter(root: Path) -> None:
    for folder in [root, *(path for path in root.iterdir() if path.is_dir())]:
        for name in LEFT_BY_SYSTEMS:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"\0\5\x16\7")


TAKEN: dict[str, Callable[[Path], object]] = {
    "files of systems": litter,
    "capitals": capitals,
    "4-bit labels": lambda r: each_label(r, lambda path: write_grey(path, np.asarray(Image.open(path)), 4)),
    "palette labels": lambda r: each_label(r, palette),
    "4-bit palette labels": lambda r: each_label(r, lambda path: palette(path, 4)),
    "two paths": listed("/SegNet/CamVid/{split}/{stem}.png /SegNet/CamVid/{split}annot/{stem}.png"),
    "spaces": listed("/my own data/{split}/{stem}.png  /my own data/{split}annot/{stem}.png"),
    "spaces without extension": listed("/my own data/{split}/{stem}\t/my own data/{split}annot/{stem}"),
    "one path with spaces": listed("/my own data/{split}/{stem}.PNG"),
    "backslashes": listed("D:\\data set\\{split}\\{stem}.png D:\\data set\\{split}annot\\{stem}.png", end="\r\n"),
    "drive letter, no extension": listed("D:\\data\\CamVid\\{split}\\{stem}"),
    "trailing blanks and an empty line": listed("{stem}  \t", end="\r\n\r\n"),
    "byte-order mark": listed("{stem}", "utf-8-sig"),
    "UTF-16": listed("{stem}", "utf-16", end="\r\n"),
    "comment": listed("# of {split}\n{stem}"),
}


@pytest.mark.parametrize("change", TAKEN.values(), ids=TAKEN.keys())
def test_camvid_as_people_have_it(
    clean: Path, tmp_path: Path, fingerprint: str, change: Callable[[Path], object]
) -> None:
    root = shutil.copytree(clean, tmp_path / "CamVid")
    change(root)
    write_manifest(root)
    record = prepare("camvid", settings(root), tmp_path / "out" / "camvid")
    assert (record.fingerprint, record.warnings) == (fingerprint, [])


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("colour", ["grey", "palette"])
def test_ids_of_few_bits(tmp_path: Path, bits: int, colour: str) -> None:
    path, ids = tmp_path / "label.png", np.arange(30).reshape(3, 10) % 2**bits
    if colour == "grey":
        write_grey(path, ids, bits)
    else:
        Image.fromarray(ids.astype(np.uint8)).save(path)
        palette(path, bits)
    assert path.read_bytes()[24] == bits
    source = Source(tmp_path, (tmp_path,), "few bits", True, camvid.LABELS, (3, 10), [], [])
    assert read_label(path, source, source.size).tolist() == ids.tolist()


def test_a_manifest_with_a_byte_order_mark_and_backslashes(clean: Path, tmp_path: Path, fingerprint: str) -> None:
    root = shutil.copytree(clean, tmp_path / "CamVid")
    manifest = root / "SHA256SUMS"
    manifest.write_bytes(manifest.read_text().replace("/", "\\").replace("\n", "\r\n").encode("utf-8-sig"))
    assert prepare("camvid", settings(root), tmp_path / "out" / "camvid").fingerprint == fingerprint


@pytest.mark.parametrize("form", ["zip", "ZIP", "tar", "gztar", "xztar"])
@pytest.mark.parametrize("above", ["", "CamVid", "from a friend/CamVid_small"])
def test_camvid_in_an_archive(clean: Path, tmp_path: Path, fingerprint: str, form: str, above: str) -> None:
    root = shutil.copytree(clean, tmp_path / "packed" / above)
    litter(root)
    given = Path(shutil.make_archive(str(tmp_path / "archive"), form.lower(), tmp_path / "packed"))
    if form == "ZIP":
        given = given.rename(given.with_suffix(".ZIP"))
    assert prepare("camvid", settings(given), tmp_path / "out" / "camvid").fingerprint == fingerprint


def test_two_sets_in_one_folder_are_not_guessed_at(clean: Path, tmp_path: Path) -> None:
    for name in ("CamVid", "CamVid copy"):
        shutil.copytree(clean, tmp_path / "both" / name)
    text = refused(lambda: prepare("camvid", settings(tmp_path / "both"), tmp_path / "out"), tmp_path / "out")
    assert "more than once" in text
    assert "CamVid copy" in text


ADVICE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "wrong name in a list": (
        lambda r: (r / "val.txt").write_text("val_00000\n"),
        "val/val_00000.png: listed in val.txt, but missing",
        "correct the list",
    ),
    "two images in a line": (
        lambda r: (r / "train.txt").write_text("train/train_000000.png train/train_000001.png\n"),
        "train.txt: line 1 names no image and its label",
        "correct the named lines",
    ),
    "byte-order mark within a list": (
        lambda r: (r / "val.txt").write_bytes(b"# both\n" + codecs.BOM_UTF8 + b"val_000000\n"),
        "val.txt: line 2 has the invisible character U+FEFF",
        "save it as plain UTF-8",
    ),
    "UTF-16 without a mark": (
        lambda r: (r / "val.txt").write_bytes("val_000000\n".encode("utf-16-le")),
        "val.txt: line 1 has the invisible character U+0000",
        "save it as plain UTF-8",
    ),
    "an image in no list": (
        lambda r: shutil.copy(r / "val/val_000000.png", r / "val/more.png"),
        "val/more.png: not listed in val.txt",
        "add them to the list",
    ),
    "two spellings": (
        lambda r: shutil.copy(r / "val/val_000000.png", r / "val/val_000000.PNG"),
        "val/val_000000.png: also there as val_000000.PNG",
        "remove the wrong one",
    ),
    "JPEG under a PNG's name": (
        lambda r: Image.fromarray(picture(camvid.SIZE, 0).astype(np.uint8)).save(r / "val/val_000000.png", "JPEG"),
        "val/val_000000.png: a JPEG file instead of a PNG",
        "take the original PNG files",
    ),
    "16-bit label": (
        lambda r: Image.fromarray(label(camvid.SIZE, 12).astype(np.uint16)).save(r / "valannot/val_000000.png"),
        "valannot/val_000000.png: 16-bit grey instead of 8-bit grey",
        "*_instanceIds.png has 16 bits",
    ),
    "manifest": (
        lambda r: (r / "SHA256SUMS").write_text("0" * 64 + "  val.txt\n"),
        "val.txt: not the file that SHA256SUMS describes",
        "sha256sum */*.png *.txt > SHA256SUMS",
    ),
}


@pytest.mark.parametrize(("damage", "fault", "mend"), ADVICE.values(), ids=ADVICE.keys())
def test_advice_fits_the_fault(
    clean: Path, tmp_path: Path, damage: Callable[[Path], object], fault: str, mend: str
) -> None:
    root = shutil.copytree(clean, tmp_path / "CamVid")
    damage(root)
    if "SHA256SUMS" not in fault:
        write_manifest(root)
    text = refused(lambda: prepare("camvid", settings(root), tmp_path / "out"), tmp_path / "out")
    problems, _, mends = text.partition("\nto mend:\n")
    assert fault in problems
    assert mend in mends
    assert "remove the half-extracted folder" not in mends


def test_a_picture_bomb_costs_nothing(clean: Path, tmp_path: Path) -> None:
    """Told from the header; its pixels would be 10 GB."""
    root = shutil.copytree(clean, tmp_path / "CamVid")
    header = (60000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    crc = zlib.crc32(b"IHDR" + header).to_bytes(4)
    (root / "val/val_000000.png").write_bytes(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + header + crc + b"\0\0\0\0IEND\xaeB`\x82"
    )
    write_manifest(root)
    text = refused(lambda: prepare("camvid", settings(root), tmp_path / "out"), tmp_path / "out")
    assert "problems found: 1\n  val/val_000000.png: wrong size 60000x60000 instead of 360x480\n" in text


# Cityscapes


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_city(tmp_path_factory.mktemp("town") / "tree")


def city(source: Path, output: Path, layout: cityscapes.Layout = LAYOUT) -> DatasetRecord:
    given = CityscapesData(form="cityscapes", source=source)
    with atomic_folder(output) as folder:
        return write_prepared("town", cityscapes.find(given, output.parent / "scratch", layout), folder)


def nest(root: Path) -> None:
    for part in ("leftImg8bit", "gtFine"):
        (root / f"{part}_trainvaltest").mkdir()
        (root / part).rename(root / f"{part}_trainvaltest" / part)


def pack(root: Path, part: str, form: str, rename: Callable[[str], str] = str) -> None:
    made = Path(shutil.make_archive(str(root / f"{part}_trainvaltest"), form, root, part))
    made.rename(root / rename(made.name))
    shutil.rmtree(root / part)


def pack_on_windows(root: Path) -> None:
    with zipfile.ZipFile(root / "gtFine_trainvaltest.zip", "w") as archive:
        for path in (root / "gtFine").rglob("*.png"):
            archive.writestr(str(path.relative_to(root)).replace("/", "\\"), path.read_bytes())
    shutil.rmtree(root / "gtFine")


def pack_nested(root: Path) -> None:
    nest(root)
    for part in ("leftImg8bit_trainvaltest", "gtFine_trainvaltest"):
        shutil.make_archive(str(root / part), "zip", root, part)
        shutil.rmtree(root / part)


def litter_city(root: Path) -> None:
    for path in [path for path in root.rglob("*") if path.is_file()]:
        path.with_name(f"._{path.name}").write_bytes(b"\0\5\x16\7")
    for folder in [path for path in root.rglob("*") if path.is_dir()]:
        litter_folder = folder / "__MACOSX"
        litter_folder.mkdir()
        (litter_folder / "a_leftImg8bit.png").write_bytes(b"")


LAYOUTS: dict[str, Callable[[Path], object]] = {
    "files of systems": litter_city,
    "as graphical unzippers leave it": nest,
    "zips with a top folder": pack_nested,
    "a zip with backslashes": pack_on_windows,
    "images as a folder, labels as a zip": lambda r: pack(r, "gtFine", "zip"),
    "images as a zip, labels as a folder": lambda r: pack(r, "leftImg8bit", "zip", str.upper),
    "tar and tgz": lambda r: (pack(r, "leftImg8bit", "tar"), pack(r, "gtFine", "gztar")),
    "tgz": lambda r: pack(r, "gtFine", "gztar", lambda name: name.replace(".tar.gz", ".tgz")),
    "capitals": lambda r: [path.rename(path.with_suffix(".PNG")) for path in [*r.rglob("*.png")]],
    "beside the coarse labels": lambda r: shutil.copytree(r / "gtFine/train", r / "gtCoarse/gtCoarse/train"),
}


@pytest.mark.parametrize("change", LAYOUTS.values(), ids=LAYOUTS.keys())
def test_cityscapes_as_people_have_it(town: Path, tmp_path: Path, change: Callable[[Path], object]) -> None:
    expected = city(town, tmp_path / "expected" / "town").fingerprint
    root = shutil.copytree(town, tmp_path / "source")
    change(root)
    assert city(root, tmp_path / "out" / "town").fingerprint == expected


def test_cityscapes_in_one_archive(town: Path, tmp_path: Path) -> None:
    expected = city(town, tmp_path / "expected" / "town").fingerprint
    given = Path(shutil.make_archive(str(tmp_path / "all"), "zip", town.parent))
    assert city(given, tmp_path / "out" / "town").fingerprint == expected


def test_a_part_that_is_missing_is_told_before_the_other_is_extracted(town: Path, tmp_path: Path) -> None:
    root = shutil.copytree(town, tmp_path / "source")
    pack(root, "leftImg8bit", "zip")
    shutil.rmtree(root / "gtFine")
    assert "missing: gtFine_trainvaltest.zip" in refused(lambda: city(root, tmp_path / "town"), tmp_path / "town")
    assert not (tmp_path / "scratch").exists()


# paths


def test_home_and_variables_in_paths(clean: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(clean.parent))
    monkeypatch.setenv("SETS", str(clean.parent))
    for written in (f"~/{clean.name}", f"$SETS/{clean.name}", f"${{SETS}}/{clean.name}"):
        assert camvid.find(settings(Path(written)), tmp_path).roots == (clean,)
        monkeypatch.setenv("MFARANET_CAMVID", written)
        assert camvid.find(settings(None), tmp_path).roots == (clean,)
    monkeypatch.delenv("SETS")
    message = r"data\.source of the CamVid profile: \$SETS/CamVid: the environment variable SETS is not set"
    with pytest.raises(InputError, match=message):
        camvid.find(settings(Path("$SETS/CamVid")), tmp_path)
    monkeypatch.setenv("CITYSCAPES_DATASET", "${SETS}/city")
    with pytest.raises(InputError, match=r"\$CITYSCAPES_DATASET: \$\{SETS\}/city: the environment variable SETS"):
        cityscapes.find(CityscapesData(form="cityscapes", source=None), tmp_path)
    with pytest.raises(InputError, match="no such user"):
        user_path("~nobody_of_this_name/x", "somewhere")


def test_the_digest_of_settings_keeps_paths_as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    params = load(Path(__file__).parents[1] / "params.yaml")
    profile = params.profiles["camvid"]
    data = profile.data.model_copy(update={"source": Path("~/CamVid")})
    changed = params.model_copy(update={"profiles": {"camvid": profile.model_copy(update={"data": data})}})
    digests = set()
    for home in ("/home/one", "/home/two"):
        monkeypatch.setenv("HOME", home)
        digests.add(changed.settings("camvid", "base").data.model_dump_json())
    assert len(digests) == 1


# the inputs that broke the program


@needs_cases
def test_camvid_cases(tmp_path: Path) -> None:
    """The same scenes in six forms, whose labels have the same ids."""
    plain = CASES / "camvid_space"
    values = np.concatenate([np.ravel(Image.open(path)) for path in plain.glob("trainannot/*.png")])
    fingerprints = set()
    for name in ("space", "upper", "win_stems", "bom_stems", "bits4", "palette"):
        record = prepare("camvid", settings(CASES / f"camvid_{name}"), tmp_path / "out" / name)
        assert [*record.class_pixels["train"], record.ignored_pixels["train"]] == np.bincount(values).tolist()
        assert record.warnings == []
        fingerprints.add(record.fingerprint)
    assert len(fingerprints) == 1


@needs_cases
@pytest.mark.parametrize("name", ["city_dot", "city_nested", "city_zip_toplevel"])
def test_city_cases(tmp_path: Path, name: str) -> None:
    layout = cityscapes.Layout("case", False, (64, 128), {"train": 2, "val": 1, "test": 1})
    record = city(CASES / name, tmp_path / "out" / "town", layout)
    assert record.splits == {"train": 2, "val": 1, "test": 1}
    assert record.warnings == []
    assert all(record.class_pixels["train"])


@needs_cases
def test_the_bomb(clean: Path, tmp_path: Path) -> None:
    root = shutil.copytree(clean, tmp_path / "CamVid")
    shutil.copy(CASES / "bomb.png", root / "val/val_000000.png")
    write_manifest(root)
    text = refused(lambda: prepare("camvid", settings(root), tmp_path / "out"), tmp_path / "out")
    assert "problems found: 1\n  val/val_000000.png: " in text
