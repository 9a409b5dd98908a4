"""Cityscapes from the user's own copy, and the drawn sample, which has the same form."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cityscapesscripts.helpers import labels as official

from mfaranet.data.checking import LabelSet, Pair, Source
from mfaranet.data.prepared import SPLITS
from mfaranet.errors import InputError
from mfaranet.files import unzip
from mfaranet.settings import CityscapesData

VARIABLE = "CITYSCAPES_DATASET"
IMAGES, IMAGE_SUFFIX = "leftImg8bit", "_leftImg8bit.png"
LABELS, LABEL_SUFFIX = "gtFine", "_gtFine_labelIds.png"
ARCHIVES = {f"{IMAGES}_trainvaltest.zip": IMAGE_SUFFIX, f"{LABELS}_trainvaltest.zip": LABEL_SUFFIX}
LABELLED = ("train", "val")
"""gtFine/test has files, but they hold no classes: the labels of the test split are not public."""


@dataclass(frozen=True)
class Layout:
    """What a tree must hold."""

    title: str
    complete: bool
    size: tuple[int, int]
    counts: Mapping[str, int]


GENUINE = Layout("Cityscapes", True, (1024, 2048), {"train": 2975, "val": 500, "test": 1525})


def find(settings: CityscapesData, scratch: Path, layout: Layout = GENUINE) -> Source:
    """The set in ``settings.source``, else in $CITYSCAPES_DATASET: a tree, or the two zips, extracted to ``scratch``.

    Raises:
        InputError: no source is given, there is neither in it, or a zip is none.
    """
    given = settings.source or os.environ.get(VARIABLE)
    if not given:
        raise InputError(
            "Cityscapes is not downloaded for you: its licence asks for an account of your own. Register at "
            "https://www.cityscapes-dataset.com/register/, run\n"
            f"  csDownload {' '.join(ARCHIVES)}\n"
            f"and give the folder as data.source of the Cityscapes profile or in ${VARIABLE}"
        )
    origin = Path(given)
    if all((origin / part).is_dir() for part in (IMAGES, LABELS)):
        return read(origin, origin, layout)
    missing = [name for name in ARCHIVES if not (origin / name).is_file()]
    if missing:
        raise InputError(
            f"{origin} has neither {IMAGES}/ and {LABELS}/ nor the two zips (missing: {', '.join(missing)}); "
            f"correct data.source of the Cityscapes profile or ${VARIABLE}, or run csDownload {' '.join(missing)} there"
        )
    for name, suffix in ARCHIVES.items():
        unzip(origin / name, scratch, (suffix,))
    return read(scratch, origin, layout)


def read(root: Path, origin: Path, layout: Layout) -> Source:
    """Match the images and labels of a tree, and their numbers with ``layout``."""
    found, problems = pairs(root)
    for split, expected in layout.counts.items():
        count = sum(pair.split == split for pair in found)
        if count != expected:
            problems.append(f"{IMAGES}/{split}: {count} images instead of {expected}")
    return Source(origin, root, layout.title, layout.complete, label_set(), layout.size, found, problems)


def pairs(root: Path) -> tuple[list[Pair], list[str]]:
    """Every image of a tree with its label, except in test; and what has no partner.

    The folders are listed, since frame numbers follow no rule.
    """
    found: list[Pair] = []
    problems: list[str] = []
    for split in SPLITS:
        images = _listed(root, IMAGES, split, IMAGE_SUFFIX)
        labels = _listed(root, LABELS, split, LABEL_SUFFIX) if split in LABELLED else {}
        found += [Pair(split, key.split("/")[-1], path, labels.get(key)) for key, path in images.items()]
        if split in LABELLED:
            alone = [(images[key], "image without label") for key in images.keys() - labels.keys()]
            alone += [(labels[key], "label without image") for key in labels.keys() - images.keys()]
            problems += [f"{path.relative_to(root)}: {what}" for path, what in sorted(alone)]
    return found, problems


def label_set() -> LabelSet:
    """The 19 scored classes in the order of their trainId; the other ids of the label files are void."""
    # License plate has id -1, which no file holds and which would be the last entry of a table.
    real = [label for label in official.labels if label.id >= 0]
    scored = sorted((label for label in real if not label.ignoreInEval), key=lambda label: label.trainId)
    return LabelSet(
        classes=[label.name for label in scored],
        colours=[label.color for label in scored],
        ids=[label.id for label in scored],
        void=frozenset(label.id for label in real if label.ignoreInEval),
    )


def _listed(root: Path, part: str, split: str, suffix: str) -> dict[str, Path]:
    """Paths by city and stem, which are the same for an image and its label."""
    folder = root / part / split
    paths = sorted(folder.glob(f"*/*{suffix}"))
    return {path.relative_to(folder).as_posix().removesuffix(suffix): path for path in paths}
