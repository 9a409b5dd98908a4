"""Small data sets without fault, in all forms, and what reads each."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from scipy.io import savemat

from mfaranet.datasets import camvid, camvid_original, cityscapes, folder, pascal_context
from mfaranet.datasets.source import Source
from mfaranet.schema import CamVidOriginalData, CityscapesData, FolderData, Labels, PascalContextData
from tests.sources import COUNTS, LAYOUT, SMALL, label, picture, write_city, write_manifest, write_png

_CLASSES = {"road": (0, 0, 10), "sky": (0, 0, 20), "tree": (0, 0, 30)}
_STEMS = {split: [f"{split}_{number}" for number in range(count)] for split, count in COUNTS.items()}
_VOC = {"train": 3, "val": 1}


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


FORMS: dict[str, tuple[Callable[[Path], object], Callable[[Path, Path], Source]]] = {
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
def whole(form: str) -> dict[str, bytes]:
    """The files of a set without fault."""
    with TemporaryDirectory() as place:
        root = Path(place)
        FORMS[form][0](root)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
