"""CamVid in the SegNet form: 11 classes, 360 x 480, from a folder, a zip or the download."""

import hashlib
import os
import re
import sys
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from mfaranet.data.record import SPLITS
from mfaranet.datasets.archives import extract
from mfaranet.datasets.disks import given, is_visible, locate, read_lines, visible
from mfaranet.datasets.png import CORRUPT
from mfaranet.datasets.source import TWICE, Convention, DataError, LabelSet, Pair, Source, slashed
from mfaranet.downloads import retrieve
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.links import check_link
from mfaranet.schema import CamVidData

VARIABLE = "MFARANET_CAMVID"
_LARGEST = 2 << 30
"""Bytes of the archive; the original has a tenth."""
SIZE = (360, 480)
WHOLE = {"train": 367, "val": 101, "test": 233}
MANIFEST = "SHA256SUMS"
COLOURS = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Pavement": (60, 40, 222),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}
_MISTAKEN = (
    Convention(
        name="255 for void",
        values=frozenset([*range(11), 255]),
        marks=frozenset({255}),
        least=1,
        mend="void as 255: take the labels of the SegNet form, which have 11 there, or replace 255 by 11",
    ),
    Convention(
        name="indices of the 32 original classes",
        values=frozenset(range(32)),
        marks=frozenset(range(12, 32)),
        least=13,
        mend="32 classes: take the labels of the SegNet form, which has 11 classes, 0..10, and 11 for void",
    ),
)
LABELS = LabelSet(list(COLOURS), list(COLOURS.values()), list(range(11)), frozenset({11}), _MISTAKEN)

_LONGEST = 1000
"""Characters of a line that may name files."""
_LISTS = (
    "lists: correct the named lines; one image a line, its stem or the paths of image and label. "
    "Extracting again does not help"
)
_INVISIBLE = (
    "invisible characters in a list, such as a byte-order mark within it or UTF-16 without one: save it as plain UTF-8"
)
_UNKNOWN_NAME = "names that neither an image nor a label has: correct the list; if they are right, extract again"
_UNLISTED = "files that no list names: add them to the list of their split, or remove them"
_MANIFEST_WRONG = (
    f"{MANIFEST}: get the subset again if it is not as published; if you made it yourself, write the file "
    f"anew: sha256sum */*.png *.txt > {MANIFEST}"
)
_SUBSET = (
    f"a set of other size: get the whole set, or write {MANIFEST} of a subset of your own: sha256sum */*.png *.txt"
)


def find(settings: CamVidData, scratch: Path) -> Source:
    """The set in ``settings.source``, else in $MFARANET_CAMVID, else downloaded from ``settings.url``.

    A zip, tar or tgz is extracted to ``scratch``; a download stays in the user's cache folder.

    Raises:
        InputError: there is no such path, no CamVid in it, or no download; the archive is not the right one.
    """
    origin = given(settings.source, VARIABLE, "CamVid") or _download(settings.url, settings.sha256)
    if origin.is_dir():
        return read(_locate(origin, origin), origin)
    extract(origin, scratch, (".png", ".txt", MANIFEST))
    return read(_locate(scratch, origin), origin)


def read(root: Path, origin: Path, whole: Mapping[str, int] = WHOLE) -> Source:
    """Match the lists of a set with its files. ``whole`` has the number of images in each split of the complete set.

    Other numbers are taken only from a published subset that proves itself whole: its manifest SHA256SUMS names exactly
    the listed files and the lists, and each is as it says.
    """
    listed: dict[str, list[str]] = {}
    files: dict[str, dict[str, Path]] = {}
    pairs: list[Pair] = []
    problems: list[DataError] = []
    for split in SPLITS:
        for folder in (split, f"{split}annot"):
            files[folder], faults = files_by_stem(root / folder)
            problems += faults
        images, labels = files[split], files[f"{split}annot"]
        listed[split], faults = read_list(root / f"{split}.txt", images.keys() | labels.keys())
        problems += faults + _unmatched(split, listed[split], files)
        pairs += [Pair(split, stem, images[stem], labels.get(stem)) for stem in listed[split] if stem in images]
    counts = {split: len(stems) for split, stems in listed.items()}
    complete = counts == whole
    if not complete:
        problems += _check_subset(root, listed, files, whole)
    title = "CamVid" if complete else f"CamVid subset {slashed(counts)}"
    return Source(origin, (root,), title, complete, LABELS, SIZE, pairs, problems)


def _download(url: str, checksum: str | None) -> Path:
    instead = f"or give a folder or zip that you have as data.source of the CamVid profile or in ${VARIABLE}"
    try:
        check_link(url, "data.url of the CamVid profile")
        path = retrieve(url, f"{hashlib.sha256(url.encode()).hexdigest()}.archive", _LARGEST, checksum)
    except OSError as error:
        raise InputError(f"{url} cannot be downloaded ({error}); try again, {instead}") from None
    except InputError as error:
        raise InputError(f"{error} Correct data.sha256 or data.url of the CamVid profile, {instead}") from None
    if checksum is None:
        print(f"{url}: first download; for others to check it, set data.sha256: {sha256(path)}", file=sys.stderr)
    return path


def _locate(folder: Path, origin: Path) -> Path:
    def fits(root: Path) -> bool:
        return (root / "trainannot").is_dir() or ((root / "train.txt").is_file() and (root / "train").is_dir())

    root = locate(folder, fits, "CamVid")
    if root is None:
        raise InputError(
            f"{origin} holds no CamVid in the SegNet form: train/, trainannot/ and train.txt, the same for val and "
            "test, in the folder itself or in one at most two levels down"
        )
    return root


def read_list(path: Path, known: Collection[str]) -> tuple[list[str], list[DataError]]:
    """Stems in a split's list, and its problems. A line has a stem, or the paths of an image and its label, or of one.

    Args:
        path: the list.
        known: stems of the files that are there.
    """
    if not path.is_file():
        return [], [DataError(f"{path.name}: missing", CORRUPT)]
    stems: list[str] = []
    problems: list[DataError] = []
    for number, line in enumerate(read_lines(path), 1):
        if not line or line.startswith("#"):
            continue
        stem = _named(line, known)
        if stem is None:
            problems.append(
                DataError(f"{path.name}: line {number} names no image and its label: {line[:_LONGEST]}", _LISTS)
            )
        elif not stem.isprintable():
            unseen = next(character for character in stem if not character.isprintable())
            text = f"{path.name}: line {number} has the invisible character U+{ord(unseen):04X}: {line!a}"
            problems.append(DataError(text, _INVISIBLE))
        else:
            stems.append(stem)
    return stems, problems


def _named(line: str, known: Collection[str]) -> str | None:
    """The stem in a line of a list, None where it is not of one image. Paths may have blanks, so any may part two."""
    if len(line) > _LONGEST:
        return None
    paths = line.replace("\\", "/")
    halves = [(_stem(paths[: gap.start()]), _stem(paths[gap.end() :])) for gap in re.finditer(r"\s+", paths)]
    parted = [(image, label) for image, label in halves if image == label or image in known]
    if not parted:
        return _stem(paths)
    image, label = parted[0]
    return image if len(parted) == 1 and image == label else None


def _stem(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name[:-4] if name.lower().endswith(".png") else name


def files_by_stem(folder: Path) -> tuple[dict[str, Path], list[DataError]]:
    """Path of each file by its stem, none where there is no such folder; and what is there in two spellings."""
    found: dict[str, Path] = {}
    problems: list[DataError] = []
    for path in visible(folder):
        stem = _stem(path.name)
        if stem in found:
            problems.append(DataError(f"{folder.name}/{path.name}: also there as {found[stem].name}", TWICE))
        found[stem] = path
    return found, problems


def _unmatched(split: str, stems: list[str], files: Mapping[str, Mapping[str, Path]]) -> list[DataError]:
    """The files that are listed or there, but not both."""
    problems: list[DataError] = []
    images, labels = split, f"{split}annot"
    for folder, partner in ((images, labels), (labels, images)):
        for stem in stems:
            if stem not in files[folder]:
                mend = CORRUPT if stem in files[partner] else _UNKNOWN_NAME
                problems.append(DataError(f"{folder}/{stem}.png: listed in {split}.txt, but missing", mend))
        for stem, path in files[folder].items():
            if stem not in stems:
                problems.append(DataError(f"{folder}/{path.name}: not listed in {split}.txt", _UNLISTED))
    return problems


def _check_subset(
    root: Path,
    listed: Mapping[str, list[str]],
    files: Mapping[str, Mapping[str, Path]],
    whole: Mapping[str, int],
) -> list[DataError]:
    """What keeps a set with other numbers of images from being a published subset."""
    path = root / MANIFEST
    if not path.is_file():
        found = slashed({split: len(stems) for split, stems in listed.items()})
        text = (
            f"{found} images listed in {'/'.join(listed)}, a whole set has {slashed(whole)}; "
            f"a subset is taken only with a {MANIFEST} over its images, labels and lists"
        )
        return [DataError(text, _SUBSET)]
    manifest = dict(_manifest_line(line) for line in read_lines(path) if line)
    manifest = {name: checksum for name, checksum in manifest.items() if is_visible(PurePosixPath(name))}
    parts = [f"{split}.txt" for split in listed]
    for split, stems in listed.items():
        for folder in (split, f"{split}annot"):
            names = [files[folder][stem].name if stem in files[folder] else f"{stem}.png" for stem in stems]
            parts += [f"{folder}/{name}" for name in names]
    problems = [f"{name}: in {MANIFEST}, but not listed" for name in manifest if name not in parts]
    for part in parts:
        if part not in manifest:
            problems.append(f"{part}: not in {MANIFEST}")
        elif os.path.isfile(root / part) and sha256(root / part) != manifest[part]:
            problems.append(f"{part}: not the file that {MANIFEST} describes")
    return [DataError(problem, _MANIFEST_WRONG) for problem in problems]


def _manifest_line(line: str) -> tuple[str, str]:
    """Path and checksum from a line of sha256sum."""
    checksum, _, name = line.partition(" ")
    return name.lstrip(" *").replace("\\", "/").removeprefix("./"), checksum.lower()
