"""PASCAL-Context: the images of VOC 2010, with labels as MATLAB files, as the merged JSON or as PNGs."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools.mask import decode
from scipy.io import loadmat
from tqdm import tqdm

from mfaranet.datasets.archives import ENDINGS, extract
from mfaranet.datasets.disks import locate, own_copy, read_lines, visible
from mfaranet.datasets.png import CORRUPT
from mfaranet.datasets.source import DataError, LabelSet, Pair, Source, slashed, voc_colours
from mfaranet.errors import InputError
from mfaranet.schema import PascalContextData

VARIABLE = "MFARANET_PASCAL_CONTEXT"
WHOLE = {"train": 4998, "val": 5105}
MERGED = "trainval_merged.json"
CONVERTED = "SegmentationClassContext"
"""The folder of labels that toolkits have made PNGs of."""
BACKGROUND, VOID = 0, 255
# The 59 most frequent of the 459 categories, by the number that the labels give them: 1 is the first in the alphabet.
# fmt: off
CATEGORIES = {
    "aeroplane": 2, "bag": 9, "bed": 18, "bedclothes": 19, "bench": 22, "bicycle": 23, "bird": 25, "boat": 31,
    "book": 33, "bottle": 34, "building": 44, "bus": 45, "cabinet": 46, "car": 59, "cat": 65, "ceiling": 68,
    "chair": 72, "cloth": 80, "computer": 85, "cow": 98, "cup": 104, "curtain": 105, "dog": 113, "door": 115,
    "fence": 144, "floor": 158, "flower": 159, "food": 162, "grass": 187, "ground": 189, "horse": 207,
    "keyboard": 220, "light": 232, "motorbike": 258, "mountain": 259, "mouse": 260, "person": 284, "plate": 295,
    "platform": 296, "pottedplant": 308, "road": 324, "rock": 326, "sheep": 347, "shelves": 349, "sidewalk": 354,
    "sign": 355, "sky": 360, "snow": 366, "sofa": 368, "table": 397, "track": 415, "train": 416, "tree": 420,
    "truck": 424, "tvmonitor": 427, "wall": 440, "water": 445, "window": 454, "wood": 458,
}
# fmt: on
_SHOWN = 200
"""Characters of a name in a message."""
MOST = 459
_INDICES = np.zeros(MOST + 1, dtype=np.uint8)
"""0..59 of the number of a category."""
_INDICES[list(CATEGORIES.values())] = range(1, 60)
_WRONG = (
    f"labels of another kind: take the .mat files of PASCAL-Context (LabelMap, 0..{MOST}), {MERGED}, or PNGs of 0..59 "
    "in alphabetical order with 0 for the background"
)


def find(settings: PascalContextData, scratch: Path, whole: Mapping[str, int] = WHOLE) -> Source:
    """The set in ``settings.source``, else in $MFARANET_PASCAL_CONTEXT: a folder with VOC 2010 and the labels.

    Archives in it are extracted to ``scratch``.

    Raises:
        InputError: no source is given, it lacks the images, their lists or labels, or has labels in two forms.
    """
    origin = own_copy(
        settings.source,
        VARIABLE,
        "PASCAL-Context",
        "PASCAL-Context is not downloaded for you; get VOCtrainval_03-May-2010.tar from "
        "http://host.robots.ox.ac.uk/pascal/VOC/voc2010/ and trainval.tar.gz (one .mat an image) from "
        f"https://cs.stanford.edu/~roozbeh/pascal-context/, or {MERGED}, put both into one folder, and give it",
    )
    for archive in visible(origin) if origin.is_dir() else [origin]:
        if archive.name.lower().endswith(ENDINGS):
            extract(archive, scratch / "extracted", (".jpg", ".png", ".mat", ".json", ".txt"))
    places = [origin, scratch / "extracted"]
    voc = next((root for place in places if (root := _locate_voc(place))), None)
    if voc is None:
        raise InputError(
            f"{origin} holds no VOC 2010: JPEGImages/ and ImageSets/Main/train.txt and val.txt, at most three levels "
            "down, or the archive VOCtrainval_03-May-2010.tar"
        )
    labels, problems = _labels([*places, voc], origin, scratch / "labels")
    return read(voc, labels, problems, settings.classes, origin, scratch, whole)


def read(
    voc: Path,
    labels: Mapping[str, Path],
    problems: list[DataError],
    classes: int,
    origin: Path,
    scratch: Path,
    whole: Mapping[str, int],
) -> Source:
    """Match the images that VOC's lists name with PNGs of 0..59; an image without one is left out, and counted.

    Args:
        voc: holds JPEGImages/ and ImageSets/.
        labels: PNGs by stem.
        problems: what is wrong with other labels.
        classes: 59, or 60 with the background.
        origin: what the user knows.
        scratch: where PNGs may lie that were made of other files.
        whole: number of images in each split.
    """
    pairs, missing = [], []
    for split in whole:
        for stem in read_lines(_list(voc, split)):
            image = voc / "JPEGImages" / f"{stem}.jpg"
            if not os.path.isfile(image):  # which takes any text of a list for a name
                missing.append(
                    DataError(f"JPEGImages/{stem[:_SHOWN]}.jpg: listed in {split}.txt, but missing", CORRUPT)
                )
            elif stem in labels:
                pairs.append(Pair(split, stem, image, labels[stem]))
    counts = {split: sum(pair.split == split for pair in pairs) for split in whole}
    title = f"PASCAL-Context, {classes} classes" + (" with background" if classes == 60 else "")
    complete = counts == whole
    if not complete:
        title += f", {slashed(counts)} of {slashed(whole)}"
    roots = (scratch, voc, origin)
    return Source(origin, roots, title, complete, label_set(classes), None, pairs, [*problems, *missing])


def label_set(classes: int) -> LabelSet:
    """The classes in alphabetical order, background first where it is one; ids are those of the converted PNGs."""
    names = [*(["background"] if classes == 60 else []), *CATEGORIES]
    ids = list(range(60 - len(names), 60))
    void = frozenset({BACKGROUND, VOID}) - set(ids)
    return LabelSet(names, voc_colours(60)[ids[0] :], ids, void)


def _list(voc: Path, split: str) -> Path:
    return voc / "ImageSets" / "Main" / f"{split}.txt"


def _locate_voc(place: Path) -> Path | None:
    def fits(root: Path) -> bool:
        return (root / "JPEGImages").is_dir() and all(_list(root, split).is_file() for split in WHOLE)

    # The archive has VOCdevkit/VOC2010.
    return locate(place, fits, "VOC 2010") if place.is_dir() else None


def _labels(places: list[Path], origin: Path, output: Path) -> tuple[dict[str, Path], list[DataError]]:
    """PNGs of 0..59 by stem, made in ``output`` of what labels there are; and which of these cannot be read.

    Raises:
        InputError: there are none, or in several forms.
    """
    folders = [folder for place in places for pattern in ("", "*", "*/*") for folder in _folders(place, pattern)]
    merged = {path for folder in folders for path in visible(folder, MERGED) if path.is_file()}
    converted = {folder for folder in folders if folder.name == CONVERTED}
    matlab = {folder for folder in folders if next(folder.glob("[!.]*.mat"), None)}
    forms: dict[str, list[Path]] = {
        name: sorted(found) for name, found in (("mat", matlab), ("json", merged), ("png", converted)) if found
    }
    if len(forms) != 1 or any(len(found) > 1 for found in forms.values()):
        found = ", ".join(str(path) for each in forms.values() for path in each) or "none"
        raise InputError(
            f"{origin}: labels are wanted once, as a folder of .mat files, as {MERGED} or as PNGs in {CONVERTED}/; "
            f"found: {found}"
        )
    ((form, [path]),) = forms.items()
    if form == "png":
        return {each.stem: each for each in visible(path, "*.png")}, []
    output.mkdir(parents=True)
    return _of_json(path, output) if form == "json" else _of_matlab(path, output)


def _folders(place: Path, pattern: str) -> list[Path]:
    return [path for path in (visible(place, pattern) if pattern else [place]) if path.is_dir()]


def _of_matlab(folder: Path, output: Path) -> tuple[dict[str, Path], list[DataError]]:
    labels: dict[str, Path] = {}
    problems: list[DataError] = []
    for path in tqdm(visible(folder, "*.mat"), desc="labels", unit="file"):
        try:
            numbers = np.asarray(loadmat(path)["LabelMap"])
        except Exception as error:  # scipy raises half a dozen kinds
            problems.append(DataError(f"{path.name}: no LabelMap can be read ({error})", _WRONG))
            continue
        _write(numbers, path.stem, path.name, output, labels, problems)
    return labels, problems


def _of_json(path: Path, output: Path) -> tuple[dict[str, Path], list[DataError]]:
    """What the challenge PASCAL in Detail merged: a mask in COCO's run lengths for each category of an image."""
    labels: dict[str, Path] = {}
    problems: list[DataError] = []
    try:
        content = json.loads(path.read_bytes())
        masks: dict[Any, list[Any]] = defaultdict(list)
        for each in content["annos_segmentation"]:
            masks[each["image_id"]].append(each)
        images = {Path(image["file_name"]).stem: image for image in content["images"]}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is not the merged JSON of PASCAL in Detail ({error!r}); get it again") from None
    for stem, image in tqdm(images.items(), desc="labels", unit="image"):
        try:
            numbers = _numbers(image, masks[image["image_id"]])
        except Exception as error:  # of pycocotools and numpy
            problems.append(DataError(f"{path.name}: {stem}: no mask of its size can be read ({error!r})", _WRONG))
            continue
        if numbers is not None:
            _write(numbers, stem, f"{path.name}: {stem}", output, labels, problems)
    return labels, problems


def _numbers(image: Mapping[str, Any], masks: list[Any]) -> NDArray[np.uint16] | None:
    """The map (H, W) of the numbers of an image's categories; None where there is no mask."""
    size = [image["height"], image["width"]]
    # Of a size that does not fit into memory, pycocotools does not raise but ends the process.
    if size[0] * size[1] > (Image.MAX_IMAGE_PIXELS or 0) or any(each["segmentation"]["size"] != size for each in masks):
        raise ValueError("of another size")
    numbers = np.zeros(size, dtype=np.uint16)
    for each in masks:
        numbers[decode(each["segmentation"]).astype(bool)] = each["category_id"]
    return numbers if masks else None


def _write(
    numbers: NDArray[Any], stem: str, shown: str, output: Path, labels: dict[str, Path], problems: list[DataError]
) -> None:
    """PNG of 0..59 from a map (H, W) of the numbers of categories."""
    if (
        numbers.ndim != 2
        or not numbers.size
        or numbers.dtype.kind not in "ui"
        or numbers.min() < 0
        or numbers.max() > MOST
    ):
        problems.append(DataError(f"{shown}: no map of categories 0..{MOST}", _WRONG))
        return
    target = output / f"{stem}.png"
    try:
        Image.fromarray(_INDICES[numbers]).save(target)
    except (OSError, ValueError) as error:
        problems.append(DataError(f"{shown}: cannot be written ({error})", _WRONG))
        return
    labels[stem] = target
