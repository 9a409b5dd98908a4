"""A data set of the user's own: photographs in one folder, masks at the same relative paths in another."""

import csv
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from mfaranet.data.record import SPLITS
from mfaranet.datasets.disks import read_lines, visible
from mfaranet.datasets.findings import MEASURED
from mfaranet.datasets.source import TWICE, Convention, DataError, LabelSet, Pair, Source, slashed, voc_colours
from mfaranet.errors import InputError
from mfaranet.files import read_yaml, user_path
from mfaranet.schema import FolderData, Labels

LABEL_FILES = ("classes.csv", "classes.yaml")
ENDINGS = (".png", ".jpg", ".jpeg")
_UNPAIRED = (
    "images and masks that have no partner: give both the same path and name within their folders, but for the "
    "ending, or take them away"
)
_LISTS = "lists: one image a line, its path within the folder of images, with or without ending"
_EMPTY = (
    "splits without images: put them into folders train, val and perhaps test within the folders of images and masks, "
    "or name them in train.txt, val.txt and perhaps test.txt beside these"
)
_FORMAT = "other files among the images: save them as PNG or JPEG, or take them away"

_SHOWN = 200
"""Characters of a line in a message."""
Files = dict[str, Path]
"""Files by their path within a folder, without its ending."""


def find(settings: FolderData) -> Source:
    """The set in ``settings.source``; what is wrong with the list of its files is in ``problems``.

    Raises:
        InputError: there is no such folder, it lacks the folders of images and masks, or nothing says which classes
            there are.
    """
    root = user_path(settings.source, "data.source")
    for name in (settings.images, settings.masks):
        if not (root / name).is_dir():
            raise InputError(
                f"{root / name} is no folder; correct data.source, data.images or data.masks of the profile "
                f"(mfaranet check-data {root} says what is there)"
            )
    labels = settings.labels or read_labels(root)
    if labels is None:
        raise InputError(
            f"{root}: nothing says which classes there are: give data.labels in the profile (mfaranet check-data "
            f"{root} prints them), or put {' or '.join(LABEL_FILES)} there"
        )
    pairs, problems = match(root, settings.images, settings.masks)
    title = f"{root.resolve().name} {slashed({split: sum(pair.split == split for pair in pairs) for split in SPLITS})}"
    return Source(root, (root,), title, False, label_set(labels), None, pairs, problems)


def read_labels(root: Path) -> Labels | None:
    """What classes.csv or classes.yaml beside the images says; None where there is neither.

    The CSV has the columns name, id, r, g, b; rows called ``ignore`` are of no class and may lack id or colour. Without
    the column id, classes are numbered in their order; without colours, they get those of PASCAL VOC. The YAML is as
    ``data.labels`` in a profile.

    Raises:
        InputError: it is not so.
    """
    path = next((root / name for name in LABEL_FILES if (root / name).is_file()), None)
    if path is None:
        return None
    try:
        if path.suffix == ".yaml":
            content: Any = read_yaml(path)
        else:
            with path.open(newline="", encoding="utf-8-sig") as file:
                content = _rows(csv.DictReader(file))
        # Lax: YAML has lists where we have tuples.
        return Labels.model_validate(content, strict=False)
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, yaml.YAMLError) as error:
        raise InputError(
            f"{path} is not as it should be ({error}); the CSV has the columns name, id, r, g, b, and rows named "
            "ignore for what is of no class; the YAML has classes and ignore, as data.labels in a profile"
        ) from None


def label_set(labels: Labels) -> LabelSet:
    """The classes; each ignored colour has the id that is given beside it, or one that nothing else has."""
    ids = [each.id for each in labels.classes]
    painted = {each.colour: each.id for each in labels.classes}
    taken = {*ids, *(each.id for each in labels.ignore)}
    free = (id_ for id_ in range(255, -1, -1) if id_ not in taken)
    void = {each.id if each.id is not None else next(free): each.colour for each in labels.ignore}
    painted |= {colour: id_ for id_, colour in void.items() if colour}
    count = len(ids)
    mistaken = Convention(
        name=f"ids that begin at 1 (1..{count}) instead of 0",
        values=frozenset(range(count + 1)) | void.keys(),
        marks=frozenset({count}),
        least=2,
        mend="ids from 1: correct the ids of the classes, where 0 stands for none name it among those to ignore",
    )
    from_zero = sorted(ids) == list(range(count)) and count not in void
    return LabelSet(
        [each.name for each in labels.classes],
        [each.colour for each in labels.classes],
        ids,
        frozenset(void),
        (mistaken,) if from_zero else (),
        painted,
    )


def match(root: Path, images: str, masks: str) -> tuple[list[Pair], list[DataError]]:
    """The pairs of each split, and what is wrong with the list of files. A test split may be without masks."""
    pictures, problems = files_within(root / images)
    labels, twice = files_within(root / masks)
    problems += twice
    for key, path in list(pictures.items()):
        if path.suffix.lower() not in ENDINGS:
            problems.append(DataError(f"{path.relative_to(root)}: neither PNG nor JPEG", _FORMAT))
            del pictures[key]
    lists = [split for split in SPLITS if (root / f"{split}.txt").is_file()]
    keys, faults = _by_lists(root, lists, images, pictures) if lists else _by_folders(root, pictures)
    problems += faults
    problems += [DataError(f"{split}: no images", _EMPTY) for split in MEASURED if not keys[split]]
    pairs = []
    for split, members in keys.items():
        unlabelled = split == "test" and not labels.keys() & set(members)
        for key in members:
            if key not in labels and not unlabelled:
                shown = pictures[key].relative_to(root)
                problems.append(DataError(f"{shown}: image without mask", _UNPAIRED))
            pairs.append(Pair(split, key.removeprefix(f"{split}/").replace("/", "__"), pictures[key], labels.get(key)))
    alone = [labels[key] for key in labels.keys() - pictures.keys()]
    problems += [DataError(f"{path.relative_to(root)}: mask without image", _UNPAIRED) for path in sorted(alone)]
    return pairs, problems


def files_within(folder: Path) -> tuple[Files, list[DataError]]:
    """All files of a tree, and which of them differ only in their ending."""
    found: Files = {}
    problems: list[DataError] = []
    for path in visible(folder, "**/*"):
        if path.is_file():
            key = _key(path.relative_to(folder).as_posix())
            if key in found:
                text = f"{folder.name}/{path.relative_to(folder)}: also there as {found[key].name}"
                problems.append(DataError(text, TWICE))
            found[key] = path
    return found, problems


def _by_folders(root: Path, pictures: Files) -> tuple[dict[str, list[str]], list[DataError]]:
    """The keys of the images in each split's folder, and what is in none."""
    found = {split: [key for key in pictures if key.startswith(f"{split}/")] for split in SPLITS}
    elsewhere = [path.relative_to(root) for key, path in pictures.items() if key.split("/")[0] not in SPLITS]
    return found, [DataError(f"{path}: in the folder of no split", _EMPTY) for path in elsewhere]


def _by_lists(
    root: Path, lists: list[str], images: str, pictures: Files
) -> tuple[dict[str, list[str]], list[DataError]]:
    """The keys of the images that each split's list names, and what these name wrongly."""
    found: dict[str, list[str]] = {split: [] for split in SPLITS}
    problems: list[DataError] = []
    for split in lists:
        for number, line in enumerate(read_lines(root / f"{split}.txt"), 1):
            if not line or line.startswith("#"):
                continue
            if key := _listed(line, images, pictures):
                found[split].append(key)
            else:
                text = f"{split}.txt: line {number}: no such image in {images}/: {line[:_SHOWN]}"
                problems.append(DataError(text, _LISTS))
    return found, problems


def _listed(line: str, images: str, pictures: Files) -> str | None:
    """The image that a line of a list means."""
    path = line.replace("\\", "/").removeprefix("./").removeprefix(f"{images}/")
    return next((key for key in (unicodedata.normalize("NFC", path), _key(path)) if key in pictures), None)


def _key(path: str) -> str:
    # A name from a Mac has its accents apart.
    return unicodedata.normalize("NFC", Path(path).parent.joinpath(Path(path).stem).as_posix())


def _rows(rows: Iterable[dict[str, Any]]) -> dict[str, Any]:
    classes: list[dict[str, Any]] = []
    ignore: list[dict[str, Any]] = []
    for row in rows:
        name = row["name"].strip()
        colour = [int(row[key]) for key in "rgb"] if row.get("r") else None
        id_ = int(row["id"]) if row.get("id") else None
        if name == "ignore":
            ignore.append({"id": id_, "colour": colour})
        else:
            index = len(classes)
            classes.append(
                {
                    "name": name,
                    "id": index if id_ is None else id_,
                    "colour": colour or voc_colours(index + 2)[-1],
                }
            )
    return {"classes": classes, "ignore": ignore}
