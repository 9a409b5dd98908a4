"""Data sets in all forms, in which something is not as it should be."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image
from scipy.io import savemat

from mfaranet.datasets import camvid, camvid_original, cityscapes, folder, pascal_context
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.source import Source, voc_colours
from mfaranet.files import atomic_folder
from mfaranet.schema import CamVidOriginalData, CityscapesData, FolderData, Labels, PascalContextData
from tests.fuzz.damage import damaged, sealed
from tests.fuzz.pictures import of_two_pngs, spoilt
from tests.fuzz.trial import Case, command
from tests.sources import COUNTS, LAYOUT, SMALL, label, picture, write_city, write_manifest, write_png

_CLASSES = {"road": (0, 0, 10), "sky": (0, 0, 20), "tree": (0, 0, 30)}
_STEMS = {split: [f"{split}_{number}" for number in range(count)] for split, count in COUNTS.items()}
_VOC = {"train": 3, "val": 1}
# What lists and tables may hold, as it stands in the file.
_LINES = (
    *(
        b".",
        b"..",
        b"/",
        b"//",
        b"images/",
        b"images",
        b"./",
        b"\\",
        b"a/",
        b"../../etc/passwd",
        b"/etc/passwd",
        b"C:\\x.png",
    ),
    *(
        b"train_0",
        b"train_0 train_0",
        b"train_0 train_1",
        b"train_0.png val_0.png",
        b"train/train_0.png",
        b"TRAIN_0.PNG",
    ),
    *(
        b"\0",
        b"train_0\0",
        b"\xff",
        b"\xef\xbb\xbftrain_0",
        b"\x85",
        b"\xe2\x80\xa8",
        b"\t",
        b"#",
        b"# x",
        b"n" * 300,
        b"n" * 5000,
    ),
    *(
        b"n/" * 3000,
        b"a " * 20_000,
        b" " * 100_000,
        b"x" * 1_000_000,
        b"-rf",
        b"*",
        b"[a-",
        b"%s{}",
        b"\x1b[1m",
        b"a\rb",
        b'"',
    ),
    *(
        b"name,id,r,g,b",
        b"x",
        b"x,1",
        b",,,,",
        b"x,0,0,0,0",
        b"x,300,-1,0,0",
        b"x,1e9,1,1,1",
        b"ignore,,,,",
        b'"open',
        b"x" * 200_000,
    ),
    *(
        b"road,0,0,0,10",
        b"y," + b"9" * 5000,
        b"ignore,1,,,",
        b"z,0,1,2,3,4,5",
        b"Sky,128,128,128",
        b"Sky,1,1,1",
        b"Sky,x",
    ),
)
_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b" \n", b"\x0b", b"\0\n", b"")


def _write_folder(root: Path) -> None:
    for split, stems in _STEMS.items():
        for number, stem in enumerate(stems):
            write_png(root / "images" / split / f"{stem}.png", picture((SMALL[0] + number, SMALL[1]), 40 + number))
            write_png(root / "masks" / split / f"{stem}.png", label((SMALL[0] + number, SMALL[1]), 3))


def _write_lists(root: Path) -> None:
    """With lists, and a table of the classes."""
    for split, stems in _STEMS.items():
        for number, stem in enumerate(stems):
            write_png(root / "images" / f"{stem}.png", picture(SMALL, 40 + number))
            write_png(root / "masks" / f"{stem}.png", label(SMALL, 3))
        (root / f"{split}.txt").write_text("".join(f"{stem}.png\n" for stem in stems))
    rows = [f"{name},{id_},{r},{g},{b}\n" for id_, (name, (r, g, b)) in enumerate(_CLASSES.items())]
    (root / "classes.csv").write_text("name,id,r,g,b\n" + "".join(rows))


def _write_yaml(root: Path) -> None:
    _write_lists(root)
    (root / "classes.csv").unlink()
    classes = [{"name": name, "id": id_, "colour": colour} for id_, (name, colour) in enumerate(_CLASSES.items())]
    (root / "classes.yaml").write_text(json.dumps({"classes": classes, "ignore": [{"id": 255}]}))


def _write_camvid(root: Path) -> None:
    for split, stems in _STEMS.items():
        for number, stem in enumerate(stems):
            write_png(root / split / f"{stem}.png", picture(SMALL, 40 + number))
            write_png(root / f"{split}annot" / f"{stem}.png", label(SMALL, 12))
        (root / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))


def _write_subset(root: Path) -> None:
    _write_camvid(root)
    write_manifest(root)


def _write_original(root: Path) -> None:
    colours = [colour for members in camvid_original.GROUPS.values() for colour in members.values()]
    for split, stems in _STEMS.items():
        for number, stem in enumerate(stems):
            write_png(root / camvid_original.IMAGES / f"{stem}.png", picture(SMALL, 40 + number))
            write_png(root / camvid_original.LABELS / f"{stem}_L.png", np.array(colours)[label(SMALL, len(colours))])
        (root / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    rows = [f"{name},{r},{g},{b}\n" for each in camvid_original.GROUPS.values() for name, (r, g, b) in each.items()]
    (root / camvid_original.CLASS_DICT).write_text("name,r,g,b\n" + "".join(rows))


def _write_voc(root: Path) -> None:
    for split, count in _VOC.items():
        for number in range(count):
            write_png(root / "JPEGImages" / f"{split}_{number}.png", picture(SMALL, 40 + number))
            (root / "JPEGImages" / f"{split}_{number}.png").rename(root / "JPEGImages" / f"{split}_{number}.jpg")
        lists = root / "ImageSets/Main"
        lists.mkdir(parents=True, exist_ok=True)
        (lists / f"{split}.txt").write_text("".join(f"{split}_{number}\n" for number in range(count)))


def _voc_stems() -> list[str]:
    return [f"{split}_{number}" for split, count in _VOC.items() for number in range(count)]


def _write_matlab(root: Path) -> None:
    _write_voc(root)
    (root / "mat").mkdir()
    for stem in _voc_stems():
        savemat(
            root / "mat" / f"{stem}.mat",
            {"LabelMap": label(SMALL, 30).astype(np.uint16)},
            do_compression=stem[-1] == "0",
        )


def _write_merged(root: Path) -> None:
    _write_voc(root)
    # Uncompressed run lengths of COCO would need a step more; all zeros, then all ones, packed: see pycocotools.
    rle = {"size": list(SMALL), "counts": "`0`0"}
    images = [
        {"file_name": f"{stem}.jpg", "image_id": number, "height": SMALL[0], "width": SMALL[1]}
        for number, stem in enumerate(_voc_stems())
    ]
    masks = [{"image_id": each["image_id"], "category_id": 2, "segmentation": rle} for each in images]
    (root / pascal_context.MERGED).write_text(json.dumps({"images": images, "annos_segmentation": masks}))


def _read_folder(root: Path, _: Path) -> Source:
    classes = [{"name": name, "id": id_, "colour": colour} for id_, (name, colour) in enumerate(_CLASSES.items())]
    there = any((root / name).exists() for name in folder.LABEL_FILES)
    labels = None if there else Labels.model_validate({"classes": classes, "ignore": []}, strict=False)
    return folder.find(FolderData(form="folder", source=root, labels=labels))


def _read_camvid(root: Path, _: Path) -> Source:
    with patch.object(camvid, "SIZE", SMALL):
        return camvid.read(root, root, COUNTS)


def _read_subset(root: Path, _: Path) -> Source:
    with patch.object(camvid, "SIZE", SMALL):
        return camvid.read(root, root)


def _read_city(root: Path, scratch: Path) -> Source:
    return cityscapes.find(CityscapesData(form="cityscapes", source=root), scratch, LAYOUT)


def _read_original(root: Path, scratch: Path) -> Source:
    settings = CamVidOriginalData(form="camvid_original", source=root, classes="grouped")
    with patch.object(camvid_original, "SIZE", SMALL):
        return camvid_original.find(settings, scratch, COUNTS)


def _read_pascal(root: Path, scratch: Path) -> Source:
    return pascal_context.find(PascalContextData(form="pascal_context", source=root, classes=59), scratch, _VOC)


_FORMS: dict[str, tuple[Callable[[Path], object], Callable[[Path, Path], Source]]] = {
    "folder": (_write_folder, _read_folder),
    "folder with lists": (_write_lists, _read_folder),
    "folder with classes.yaml": (_write_yaml, _read_folder),
    "camvid": (_write_camvid, _read_camvid),
    "camvid subset": (_write_subset, _read_subset),
    "camvid_original": (_write_original, _read_original),
    "cityscapes": (write_city, _read_city),
    "pascal_context of MATLAB": (_write_matlab, _read_pascal),
    "pascal_context of JSON": (_write_merged, _read_pascal),
}


@cache
def _whole(form: str) -> dict[str, bytes]:
    """The files of a set without fault."""
    with TemporaryDirectory() as place:
        root = Path(place)
        _FORMS[form][0](root)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def _png(pixels: Any, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def _other_picture(data: bytes, rng: Random) -> bytes:
    """Another picture: of other ids, another size or kind, or the label of some other program."""
    if rng.random() < 0.05:
        return _bomb()
    if rng.random() < 0.1:
        return of_two_pngs(data, rng)
    size = rng.choice((SMALL, SMALL, SMALL[::-1], (1, 1), (1000, 3)))
    ids = label(size, rng.choice((1, 2, 20, 33, 256)))
    colours = np.array(voc_colours(256), np.uint8)[ids]
    pixels = rng.choice((ids, 255 - ids, colours, picture(size, 1), np.dstack([colours, ids]), ids * 0, ids * 0 + 255))
    return _png(pixels, rng.choice((None, None, "P", "1", "LA", "RGB")))


@cache
def _bomb() -> bytes:
    """A label of more pixels than Pillow trusts, which takes no room."""
    buffer = io.BytesIO()
    Image.new("L", (13_000, 13_000)).save(buffer, "PNG")
    return buffer.getvalue()


def _other_lines(data: bytes, rng: Random) -> bytes:
    """A list or table with other lines, line ends or encoding."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((0, 1, 1, 3))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice((rng.choice(_LINES), rng.choice(lines))))
    if rng.random() < 0.2:
        del lines[rng.randrange(len(lines))]
    text = (rng.choice(_ENDS) if rng.random() < 0.2 else b"\n").join(lines)
    encoding = rng.choice((None, None, None, None, "utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    return text.decode(errors="replace").encode(encoding) if encoding else text


def _other_json(data: bytes, rng: Random) -> bytes:
    """JSON, or the same as YAML, in which one value is another."""
    try:
        content = json.loads(data) or {"x": 0}
    except ValueError:
        return damaged(data, rng)
    for _ in range(rng.choice((1, 1, 3))):
        holder: Any = content
        while True:
            key = rng.choice([*holder] if isinstance(holder, dict) else [*range(len(holder))])
            if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.15:
                break
            holder = holder[key]
        if rng.random() < 0.15 and len(content) > 1:
            del holder[key]
        else:
            holder[key] = rng.choice(
                (None, 0, -1, 3, 255, 300, 70_000, 1 << 40, 1.5, "", "x", "\0", [], [1 << 20] * 2, {}, [[]], "`0" * 99)
            )
    deep = rng.random() < 0.05
    return b"[" * 100_000 if deep else json.dumps(content).encode()


def _any_damage(data: bytes, rng: Random) -> bytes:
    spoilt_data = damaged(data, rng)
    return sealed(spoilt_data) if data.startswith(b"\x89PNG") and rng.random() < 0.6 else spoilt_data


_EDITS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".png": _other_picture,
    ".jpg": lambda _, rng: spoilt(rng)[1],
    ".txt": _other_lines,
    ".csv": _other_lines,
    ".json": _other_json,
    ".yaml": _other_json,
    "": _other_lines,
}
_NEW_NAMES = (
    b"-x",
    b"a\nb",
    b"\xff",
    b"n" * 240,
    b" ",
    b".x",
    b"TRAIN_0",
    b"a__b",
    b"x.y",
    "é".encode(),
    "e\u0301".encode(),
    b"[a]",
    b"\x1b[1m",
)


def _change(files: dict[str, bytes], rng: Random) -> str:
    """Something happens to one file; in words."""
    # Lists are few, and more can be wrong in them.
    kinds = sorted({Path(name).suffix for name in files if files[name]})
    kind = rng.choice(kinds)
    name = rng.choice([name for name in files if Path(name).suffix == kind and files[name]])
    what = rng.choice(
        (
            "edited",
            "edited",
            "edited",
            "damaged",
            "damaged",
            "taken",
            "a folder",
            "renamed",
            "twice",
            "empty",
            "exchanged",
        )
    )
    match what:
        case "edited":
            files[name] = _EDITS.get(kind, _any_damage)(files[name], rng)
        case "damaged":
            files[name] = _any_damage(files[name], rng)
        case "taken":
            del files[name]
        case "a folder":
            files[f"{name}/x{kind}"] = files.pop(name)
        case "renamed" | "twice":
            new = str(Path(name).with_name((rng.choice(_NEW_NAMES) + kind.encode()).decode(errors="surrogateescape")))
            files[new] = files[name]
            # An image and its label alike, so that they stay together.
            other = name.replace("images/", "masks/", 1)
            if other in files and other != name and rng.random() < 0.7:
                files[new.replace("images/", "masks/", 1)] = files[other]
                if what == "renamed":
                    del files[other]
            if what == "renamed":
                del files[name]
        case "empty":
            files[name] = b""
        case "exchanged":
            other = rng.choice([*files])
            files[name], files[other] = files[other], files[name]
    return f"{name} {what}"


def prepare(rng: Random, place: Path) -> Case:
    """A set to be prepared, or for `mfaranet check-data`."""
    form = rng.choice([*_FORMS])
    files = dict(_whole(form))
    whats = [_change(files, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    root, target = place / "town", place / "prepared"
    for name, data in files.items():
        path = root / name
        if path.parent.is_file() or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root.mkdir(exist_ok=True)
    if rng.random() < 0.3:
        target.mkdir()
        (target / "dataset.json").write_text("{}")

    def attempt() -> None:
        with atomic_folder(target) as made, TemporaryDirectory(dir=made) as scratch:
            write_prepared("town", _FORMS[form][1](root, Path(scratch)), made)

    def look() -> None:
        command("check-data", str(root))

    looked = form.startswith("folder") and rng.random() < 0.3
    return Case(
        f"{form}{' looked at' if looked else ''}: {'; '.join(whats)}", look if looked else attempt, root.name, target
    )
