"""CamVid as its authors published it: 720 x 960, labels as pictures in the colours of 32 classes, brought to 11."""

import csv
from collections.abc import Mapping
from pathlib import Path

from mfaranet.data.record import SPLITS
from mfaranet.datasets import camvid
from mfaranet.datasets.archives import ENDINGS, extract
from mfaranet.datasets.disks import locate, own_copy, visible
from mfaranet.datasets.png import CORRUPT
from mfaranet.datasets.source import Colour, DataError, LabelSet, Pair, Source, slashed
from mfaranet.errors import InputError
from mfaranet.schema import CamVidOriginalData

VARIABLE = "MFARANET_CAMVID_ORIGINAL"
SIZE = (720, 960)
IMAGES, LABELS, SUFFIX = "701_StillsRaw_full", "LabeledApproved_full", "_L"
"""The folders that the authors' two archives hold, and what the name of a label ends in."""
CLASS_DICT = "class_dict.csv"
VOID = 11
"""The id of what belongs to none of the 11 classes, as in the SegNet form."""

# Of each of the 11 classes, in the SegNet form's order, the original ones that it gathers; its own is the first.
GROUPS: dict[str, dict[str, Colour]] = {
    "Sky": {"Sky": (128, 128, 128)},
    "Building": {
        "Building": (128, 0, 0),
        "Wall": (64, 192, 0),
        "Bridge": (0, 128, 64),
        "Tunnel": (64, 0, 64),
        "Archway": (192, 0, 128),
    },
    "Pole": {"Column_Pole": (192, 192, 128), "TrafficCone": (0, 0, 64)},
    "Road": {"Road": (128, 64, 128), "LaneMkgsDriv": (128, 0, 192), "LaneMkgsNonDriv": (192, 0, 64)},
    "Pavement": {"Sidewalk": (0, 0, 192), "ParkingBlock": (64, 192, 128), "RoadShoulder": (128, 128, 192)},
    "Tree": {"Tree": (128, 128, 0), "VegetationMisc": (192, 192, 0)},
    "SignSymbol": {"SignSymbol": (192, 128, 128), "Misc_Text": (128, 128, 64), "TrafficLight": (0, 64, 64)},
    "Fence": {"Fence": (64, 64, 128)},
    "Car": {
        "Car": (64, 0, 128),
        "SUVPickupTruck": (64, 128, 192),
        "Truck_Bus": (192, 128, 192),
        "Train": (192, 64, 128),
        "OtherMoving": (128, 64, 64),
    },
    "Pedestrian": {
        "Pedestrian": (64, 64, 0),
        "Child": (192, 128, 64),
        "CartLuggagePram": (64, 0, 192),
        "Animal": (64, 128, 64),
    },
    "Bicyclist": {"Bicyclist": (0, 128, 192), "MotorcycleScooter": (192, 0, 192)},
}
_VOID_COLOUR = (0, 0, 0)
TITLES = {"grouped": "32 classes grouped to 11", "strict": "11 of 32 classes, the others void"}
_DICT = f"{CLASS_DICT}: take the labels with the 32 classes of the original CamVid, and the table that belongs to them"


def find(settings: CamVidOriginalData, scratch: Path, whole: Mapping[str, int] = camvid.WHOLE) -> Source:
    """The set in ``settings.source``, else in $MFARANET_CAMVID_ORIGINAL: a folder, or one archive.

    Of a folder that has archives, as the authors' two, these are extracted to ``scratch``; the lists lie beside them.

    Raises:
        InputError: no source is given, it holds no such set, or an archive is corrupt.
    """
    origin = own_copy(
        settings.source,
        VARIABLE,
        "original CamVid",
        "the original CamVid is not downloaded for you; get its two archives from "
        "http://web4.cs.ucl.ac.uk/staff/g.brostow/MotionSegRecData, put train.txt, val.txt and test.txt beside "
        "them (a stem a line, 367/101/233), and give the folder",
    )
    if origin.is_dir() and (root := _locate(origin)):
        return read(root, root, origin, settings.classes, whole)
    archives = (
        [path for path in visible(origin) if path.name.lower().endswith(ENDINGS)] if origin.is_dir() else [origin]
    )
    for archive in archives:
        extract(archive, scratch, (".png", ".txt", CLASS_DICT))
    root = _locate(scratch)
    if root is None:
        raise InputError(
            f"{origin} holds no original CamVid: train/ and train_labels/, the same for val and test; or {IMAGES}/ "
            f"and {LABELS}/ or the archives of these names, with train.txt, val.txt and test.txt beside them; in the "
            "folder itself or in one at most two levels down"
        )
    return read(root, origin if origin.is_dir() else root, origin, settings.classes, whole)


def read(root: Path, lists: Path, origin: Path, classes: str, whole: Mapping[str, int]) -> Source:
    """Match images with labels: in folders of splits, or in the two of the authors with lists of stems beside them.

    Args:
        root: the folder that holds the folders of images and labels.
        lists: the folder that holds the lists, if there are any.
        origin: what the user knows.
        classes: ``grouped`` (see GROUPS), or ``strict``: each of the 11 has its own original class alone.
        whole: number of images in each split of the usual division.
    """
    pairs, problems = _by_folders(root) if (root / "train").is_dir() else _by_lists(root, lists)
    problems += _check_class_dict(root / CLASS_DICT)
    counts = {split: sum(pair.split == split for pair in pairs) for split in SPLITS}
    if sum(counts.values()) != sum(whole.values()):
        text = f"{sum(counts.values())} images in {slashed(counts)} instead of {sum(whole.values())} in all"
        problems.append(DataError(text, CORRUPT))
    complete = counts == whole
    title = f"CamVid 720x960, {TITLES[classes]}" + ("" if complete else f", split {slashed(counts)}")
    return Source(origin, (root,), title, complete, label_set(classes), SIZE, pairs, problems)


def label_set(classes: str) -> LabelSet:
    """The 11 classes with the ids and display colours of the SegNet form, and the id of each original colour."""
    painted: dict[Colour, int] = {_VOID_COLOUR: VOID}
    for index, members in enumerate(GROUPS.values()):
        for place, colour in enumerate(members.values()):
            painted[colour] = index if place == 0 or classes == "grouped" else VOID
    names = list(GROUPS)
    return LabelSet(
        names, list(camvid.COLOURS.values()), list(range(len(names))), frozenset({VOID}), painted=painted, indexed=False
    )


def _locate(folder: Path) -> Path | None:
    def fits(root: Path) -> bool:
        folders = (("train", "train_labels"), (IMAGES, LABELS))
        return any(all((root / name).is_dir() for name in pair) for pair in folders)

    return locate(folder, fits, "CamVid")


def _by_folders(root: Path) -> tuple[list[Pair], list[DataError]]:
    """The pairs of train/ and train_labels/, and so for the other splits; and what has no partner."""
    pairs: list[Pair] = []
    problems: list[DataError] = []
    for split in SPLITS:
        images, labels, faults = _listed(root / split, root / f"{split}_labels")
        alone = [path for stem, path in labels.items() if stem not in images]
        faults += [DataError(f"{path.parent.name}/{path.name}: label without image", CORRUPT) for path in alone]
        pairs += [Pair(split, stem, path, labels.get(stem)) for stem, path in images.items()]
        problems += faults
    return pairs, problems + _unlabelled(pairs)


def _by_lists(root: Path, lists: Path) -> tuple[list[Pair], list[DataError]]:
    """The pairs of the authors' two folders that each split's list names, and what has no partner."""
    images, labels, problems = _listed(root / IMAGES, root / LABELS)
    pairs: list[Pair] = []
    for split in SPLITS:
        stems, faults = camvid.read_list(lists / f"{split}.txt", images.keys())
        missing = [stem for stem in stems if stem not in images]
        faults += [DataError(f"{split}.txt: {stem}: no such image in {IMAGES}/", CORRUPT) for stem in missing]
        pairs += [Pair(split, stem, images[stem], labels.get(stem)) for stem in stems if stem in images]
        problems += faults
    return pairs, problems + _unlabelled(pairs)


def _unlabelled(pairs: list[Pair]) -> list[DataError]:
    return [
        DataError(f"{pair.image.parent.name}/{pair.image.name}: image without label", CORRUPT)
        for pair in pairs
        if pair.label is None
    ]


def _listed(images: Path, labels: Path) -> tuple[dict[str, Path], dict[str, Path], list[DataError]]:
    """The files of both folders by the image's stem."""
    pictures, problems = camvid.files_by_stem(images)
    masks, more = camvid.files_by_stem(labels)
    return pictures, {stem.removesuffix(SUFFIX): path for stem, path in masks.items()}, problems + more


def _check_class_dict(path: Path) -> list[DataError]:
    """What a class_dict.csv (name, r, g, b) says otherwise than GROUPS; nothing where there is none."""
    if not path.is_file():
        return []
    known = {name: colour for members in GROUPS.values() for name, colour in members.items()} | {"Void": _VOID_COLOUR}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        given = {row["name"].strip(): tuple(int(row[key]) for key in "rgb") for row in rows}
    except (KeyError, TypeError, ValueError, AttributeError, csv.Error):
        return [DataError(f"{path.name}: not a table of name, r, g and b", _DICT)]
    wrong = [f"{name} {colour}" for name, colour in given.items() if known.get(name) != colour]
    return [DataError(f"{path.name}: not of the 32 classes: {', '.join(wrong)}", _DICT)] if wrong else []
