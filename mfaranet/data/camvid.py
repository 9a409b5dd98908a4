"""CamVid in the SegNet form: 11 classes, 360 x 480, from a folder, a zip or the download."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

import pooch

from mfaranet.data.checking import LabelSet, Pair, Source
from mfaranet.data.prepared import SPLITS
from mfaranet.errors import InputError
from mfaranet.files import sha256, unzip
from mfaranet.settings import CamVidData

VARIABLE = "MFARANET_CAMVID"
SIZE = (360, 480)
WHOLE = {"train": 367, "val": 101, "test": 233}
MANIFEST = "SHA256SUMS"
_COLOURS = {
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
LABELS = LabelSet(list(_COLOURS), list(_COLOURS.values()), ids=list(range(11)), void=frozenset({11}))


def find(settings: CamVidData, scratch: Path) -> Source:
    """The set in ``settings.source``, else in $MFARANET_CAMVID, else downloaded from ``settings.url``.

    A zip is extracted to ``scratch``; a download stays in the user's cache folder.

    Raises:
        InputError: there is no such path, no CamVid in it, or no download; the archive is not the right one.
    """
    origin = settings.source or Path(os.environ.get(VARIABLE) or _download(settings.url, settings.sha256))
    if origin.is_dir():
        return read(_locate(origin, origin), origin)
    if not origin.exists():
        raise InputError(f"{origin} does not exist; correct data.source of the CamVid profile, or ${VARIABLE}")
    unzip(origin, scratch, (".png", ".txt", MANIFEST))
    return read(_locate(scratch, origin), origin)


def read(root: Path, origin: Path, whole: Mapping[str, int] = WHOLE) -> Source:
    """Match the lists of a set with its files. ``whole`` has the number of images in each split of the complete set.

    Other numbers are taken only from a published subset that proves itself whole: its manifest SHA256SUMS names exactly
    the listed files and the lists, and each is as it says.
    """
    listed: dict[str, list[str]] = {}
    pairs: list[Pair] = []
    problems: list[str] = []
    for split in SPLITS:
        listed[split], faults = _list(root, split)
        there, more = _match(root, split, listed[split])
        pairs += there
        problems += faults + more
    counts = {split: len(stems) for split, stems in listed.items()}
    complete = counts == whole
    if not complete:
        problems += _check_subset(root, listed, whole)
    title = "CamVid" if complete else f"CamVid subset {_slashed(counts)}"
    return Source(origin, root, title, complete, LABELS, SIZE, pairs, problems)


def _download(url: str, checksum: str | None) -> Path:
    instead = f"or give a folder or zip that you have as data.source of the CamVid profile or in ${VARIABLE}"
    try:
        fetched = pooch.retrieve(
            url, checksum and f"sha256:{checksum}", path=pooch.os_cache("mfaranet"), progressbar=True
        )
    except OSError as error:
        raise InputError(f"{url} cannot be downloaded ({error}); try again, {instead}") from None
    except ValueError as error:  # pooch's message has the file, the expected checksum and the one found
        raise InputError(f"{url}: {error} Correct data.sha256 or data.url of the CamVid profile, {instead}") from None
    path = Path(fetched)
    if checksum is None:
        print(f"{url}: not checked; to check it from now on, set data.sha256: {sha256(path)}", file=sys.stderr)
    return path


def _locate(folder: Path, origin: Path) -> Path:
    for root in (folder, *sorted(folder.glob("[Cc]am[Vv]id")), *sorted(folder.glob("*/[Cc]am[Vv]id"))):
        if (root / "train.txt").is_file() or (root / "trainannot").is_dir():
            return root
    raise InputError(
        f"{origin} holds no CamVid in the SegNet form: train/, trainannot/ and train.txt, the same for val and test, "
        "in the folder itself or in a folder CamVid at most two levels down"
    )


def _list(root: Path, split: str) -> tuple[list[str], list[str]]:
    """Stems in a split's list, and its problems. A line has a stem, or the paths of an image and its label."""
    path = root / f"{split}.txt"
    if not path.is_file():
        return [], [f"{path.name}: missing"]
    stems: list[str] = []
    problems: list[str] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        named = [PurePosixPath(part).name.removesuffix(".png") for part in line.split()]
        if len(named) > 2 or len(set(named)) > 1:
            problems.append(f"{path.name}: line {number} names no image and its label: {line}")
        else:
            stems += named[:1]
    return stems, problems


def _match(root: Path, split: str, stems: list[str]) -> tuple[list[Pair], list[str]]:
    """The listed images that are there, with their labels; and the files that are listed or there but not both."""
    names = [f"{stem}.png" for stem in stems]
    images, labels = _files(root / split), _files(root / f"{split}annot")
    problems: list[str] = []
    for folder, files in ((split, images), (f"{split}annot", labels)):
        problems += [f"{folder}/{name}: listed in {split}.txt, but missing" for name in names if name not in files]
        problems += [f"{folder}/{name}: not listed in {split}.txt" for name in files if name not in names]
    pairs = [
        Pair(split, stem, images[name], labels.get(name))
        for stem, name in zip(stems, names, strict=True)
        if name in images
    ]
    return pairs, problems


def _files(folder: Path) -> dict[str, Path]:
    """Path of each file by its name; none where there is no such folder."""
    return {path.name: path for path in sorted(folder.glob("[!.]*"))}


def _check_subset(root: Path, listed: Mapping[str, list[str]], whole: Mapping[str, int]) -> list[str]:
    """What keeps a set with other numbers of images from being a published subset."""
    path = root / MANIFEST
    if not path.is_file():
        found = _slashed({split: len(stems) for split, stems in listed.items()})
        return [
            f"{found} images listed in {'/'.join(listed)}, a whole set has {_slashed(whole)}; "
            f"a subset is taken only with a {MANIFEST} over its images, labels and lists"
        ]
    manifest = dict(_manifest_line(line) for line in path.read_text(errors="replace").splitlines())
    parts = [f"{split}.txt" for split in listed]
    for split, stems in listed.items():
        parts += [f"{folder}/{stem}.png" for folder in (split, f"{split}annot") for stem in stems]
    problems = [f"{name}: in {MANIFEST}, but not listed" for name in manifest if name not in parts]
    for part in parts:
        if part not in manifest:
            problems.append(f"{part}: not in {MANIFEST}")
        elif (root / part).is_file() and sha256(root / part) != manifest[part]:
            problems.append(f"{part}: not the file that {MANIFEST} describes")
    return problems


def _manifest_line(line: str) -> tuple[str, str]:
    """Path and checksum from a line of sha256sum."""
    checksum, _, name = line.partition(" ")
    return name.lstrip(" *").removeprefix("./"), checksum.lower()


def _slashed(counts: Mapping[str, int]) -> str:
    return "/".join(map(str, counts.values()))
