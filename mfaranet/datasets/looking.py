"""A look at a folder of photographs and masks, before there are any settings for it: what it holds, and a profile."""

import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import yaml
from PIL import ExifTags, Image
from tqdm import tqdm

from mfaranet.data.record import SPLITS
from mfaranet.datasets.folder import match, read_labels
from mfaranet.datasets.png import label_values
from mfaranet.datasets.source import Colour, DataError, Pair, some, voc_colours
from mfaranet.errors import InputError
from mfaranet.schema import ClassSettings, Ignored, Size

IMAGES = ("images", "image", "imgs", "img", "JPEGImages")
MASKS = ("masks", "mask", "labels", "annotations", "SegmentationClass")
_MOST_CLASSES = 255
_UNREADABLE = "images that cannot be read: save them again as PNG or JPEG, or take them away with their masks"
_LONGEST = 1024
"""Of the longer side in the profile; larger photographs are made smaller when they are read."""
_SHOWN = 20


@dataclass
class Look:
    """What a folder holds."""

    root: Path
    images: str
    masks: str
    pairs: list[Pair]
    problems: list[DataError]
    sizes: Counter[Size] = field(default_factory=Counter)
    """Of upright images."""
    kinds: Counter[str] = field(default_factory=Counter)
    """Of masks: grey, palette, RGB."""
    values: Counter[int | Colour] = field(default_factory=Counter)
    """Pixels of each index or colour."""


def look(root: Path) -> Look:
    """Look at every image's header and at every pixel of the masks.

    Raises:
        InputError: there is no such folder, or none of images and masks in it.
    """
    names = [next((name for name in known if (root / name).is_dir()), None) for known in (IMAGES, MASKS)]
    if None in names:
        raise InputError(
            f"{root} is wanted with two folders, of images ({', '.join(IMAGES)}) and of masks ({', '.join(MASKS)}), "
            "with train, val and perhaps test in each, or train.txt, val.txt and perhaps test.txt beside them"
        )
    images, masks = map(str, names)
    found = Look(root, images, masks, *match(root, images, masks))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        jobs = pool.map(lambda pair: _look_at(pair, root), found.pairs)
        for size, mask, problems in tqdm(jobs, desc="looking", total=len(found.pairs), unit="image"):
            found.problems += problems
            found.sizes.update([size] if size else [])
            if mask:
                found.kinds[mask[0]] += 1
                found.values.update(mask[1])
    return found


def describe(found: Look) -> list[str]:
    """What was found, a line each."""
    counts = {split: sum(pair.split == split for pair in found.pairs) for split in SPLITS}
    sizes = sorted(found.sizes, key=lambda size: size[0] * size[1])
    lines = [f"images: {', '.join(f'{count} in {split}' for split, count in counts.items())}, in {found.images}/"]
    if sizes:
        smallest, largest = sizes[0], sizes[-1]
        lines.append(
            f"sizes (height x width): {len(sizes)}, from {smallest[0]}x{smallest[1]} to {largest[0]}x{largest[1]}"
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common())
    lines.append(f"masks: {kinds or 'none'}, in {found.masks}/")
    total = sum(found.values.values())
    shown = [f"{value}: {pixels} ({pixels / total:.2%})" for value, pixels in found.values.most_common(_SHOWN)]
    more = [f"and {len(found.values) - _SHOWN} more"] if len(found.values) > _SHOWN else []
    lines.append(f"values and their pixels: {'; '.join([*shown, *more]) or 'none'}")
    if unknown := _unknown(found):
        lines.append(f"values that the classes beside the images do not have: {some(unknown)}")
    if "RGB" in found.kinds and len(found.kinds) > 1:
        lines.append("some masks are pictures and some have indices: give each class an id and a colour")
    if (0, 0, 0) in found.values:
        lines.append("black is often what is of no class: if it is, move it from classes to ignore")
    mends: dict[str, list[str]] = {}
    for problem in found.problems:
        mends.setdefault(problem.mend, []).append(str(problem))
    lines += [f"problems found: {len(texts)}: {some(texts)}\n  to mend: {mend}" for mend, texts in mends.items()]
    return lines


def profile_name(folder: Path) -> str:
    """A folder's name as params.yaml takes it."""
    return re.sub("[^a-z0-9]+", "_", folder.resolve().name.lower()).strip("_") or "own"


def profile(found: Look, name: str) -> str:
    """A profile for params.yaml, indented to stand at the end of its section ``profiles``.

    Sizes follow the images, classes the values that masks have, unless a file beside the images has them.

    Raises:
        InputError: there is no image and mask to go by, or masks have more values than there can be classes.
    """
    if not found.sizes or not found.values:
        raise InputError(f"{found.root}: no image with a mask that can be read; so there is no profile to print")
    data = {"form": "folder", "source": str(found.root), "images": found.images, "masks": found.masks}
    longer = min(_LONGEST, round(median(max(size) for size in found.sizes.elements())))
    shorter = round(longer * median(min(size) / max(size) for size in found.sizes.elements()))
    # Two thirds of the shorter side, so that a crop is a part of most images.
    crop = max(32, shorter * 2 // 3 // 32 * 32)
    batch = max(2, min(8, sum(pair.split == "train" for pair in found.pairs)))
    settings = {
        "data": {**data, **({} if read_labels(found.root) else {"labels": _labels(found)})},
        "weights": "none",
        "train": {
            "size": longer,
            "crop": [crop, crop],
            "epochs": 100,
            "batch_size": batch,
            "workers": 2,
            "validate_every": 5,
            "loss": {"ohem_min_kept": batch * crop**2 // 16},
        },
        "evaluate": {"size": longer, "window": [crop, crop], "base_size": longer},
        "measurements": {each: {"sizes": [[shorter, longer]]} for each in ("strict", "comparison")},
    }
    text = yaml.safe_dump({name: settings}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)
    return "".join(f"  {line}\n" for line in text.splitlines())


def _unknown(found: Look) -> list[str]:
    """The values that classes.csv or classes.yaml lacks, where there is one."""
    labels = read_labels(found.root)
    if labels is None:
        return []
    every: list[ClassSettings | Ignored] = [*labels.classes, *labels.ignore]
    known = {each.id for each in every} | {each.colour for each in every}
    return [f"{value} ({pixels} pixels)" for value, pixels in found.values.items() if value not in known]


def _labels(found: Look) -> dict[str, Any]:
    """Each index, or each colour, as a class that is still to be named; 255 is what most people ignore."""
    if len(found.values) > _MOST_CLASSES:
        raise InputError(
            f"{found.root}: masks have {len(found.values)} values, which cannot all be classes: were they JPEG once, "
            "or resized with smoothing? Take them as they were painted"
        )
    indices = sorted(value for value in found.values if isinstance(value, int))
    colours = sorted(value for value in found.values if not isinstance(value, int))
    shown = voc_colours(len(indices) + 1)[1:]
    classes = [(index, colour) for index, colour in zip(indices, shown, strict=True) if index != 255]
    free = [index for index in range(255) if index not in indices]
    classes += zip(free, colours, strict=False)
    ignore = [{"id": 255}] if 255 in indices else []
    return {
        "classes": [{"name": f"class_{id_}", "id": id_, "colour": [*colour]} for id_, colour in classes],
        "ignore": ignore,
    }


def _look_at(pair: Pair, root: Path) -> tuple[Size | None, tuple[str, dict[int | Colour, int]] | None, list[DataError]]:
    problems: list[DataError] = []
    size = mask = None
    try:
        with Image.open(pair.image) as image:
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) > 4
            size = (image.width, image.height) if turned else (image.height, image.width)
    except Exception:  # Pillow raises half a dozen kinds
        problems.append(DataError(f"{pair.image.relative_to(root)}: no readable image", _UNREADABLE))
    if pair.label:
        try:
            mask = label_values(pair.label, pair.label.relative_to(root).as_posix())
        except DataError as problem:
            problems.append(problem)
    return size, mask, problems
