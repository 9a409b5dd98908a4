"""Cityscapes from the user's own copy, and the drawn sample, which has the same form."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cityscapesscripts.helpers import labels as official

from mfaranet.data.record import SPLITS
from mfaranet.datasets.archives import ENDINGS, extract
from mfaranet.datasets.disks import locate, own_copy, visible
from mfaranet.datasets.png import CORRUPT
from mfaranet.datasets.source import TWICE, Convention, DataError, LabelSet, Pair, Source
from mfaranet.errors import InputError
from mfaranet.schema import CityscapesData

VARIABLE = "CITYSCAPES_DATASET"
IMAGES, IMAGE_SUFFIX = "leftImg8bit", "_leftImg8bit.png"
LABELS, LABEL_SUFFIX = "gtFine", "_gtFine_labelIds.png"
SUFFIXES = {IMAGES: IMAGE_SUFFIX, LABELS: LABEL_SUFFIX}
LABELLED = ("train", "val")
"""gtFine/test has files, but they hold no classes: the labels of the test split are not public."""

_TRAIN_IDS = Convention(
    name="trainIds (0..18) instead of ids",
    values=frozenset([*range(20), 255]),
    marks=frozenset(range(19)),
    least=8,
    mend="labelIds files with trainIds: take the original *_gtFine_labelIds.png from gtFine_trainvaltest.zip; "
    "csCreateTrainIdLabelImgs writes its own *_gtFine_labelTrainIds.png, which are not needed here",
)
_TOO_MANY = "more images than the set has: remove what is not of it"


@dataclass(frozen=True)
class Layout:
    """What a tree must hold."""

    title: str
    complete: bool
    size: tuple[int, int]
    counts: Mapping[str, int]


GENUINE = Layout("Cityscapes", True, (1024, 2048), {"train": 2975, "val": 500, "test": 1525})


def find(settings: CityscapesData, scratch: Path, layout: Layout = GENUINE) -> Source:
    """The set in ``settings.source``, else in $CITYSCAPES_DATASET.

    Each of leftImg8bit and gtFine is a folder, there or at most two levels down, or the archive of its official name
    (zip, tar or tgz), which is extracted to ``scratch``. The path may also be one archive with both.

    Raises:
        InputError: no source is given, a part is not in it or twice, or an archive is none.
    """
    origin = own_copy(
        settings.source,
        VARIABLE,
        "Cityscapes",
        "Cityscapes is not downloaded for you: its licence asks for an account of your own. Register at "
        "https://www.cityscapes-dataset.com/register/, run\n"
        f"  csDownload {' '.join(f'{part}_trainvaltest.zip' for part in SUFFIXES)}\n"
        "and give the folder",
    )
    found = {part: there for part in SUFFIXES if (there := _folder(origin, part) or _archive(origin, part))}
    missing = [f"{part}_trainvaltest.zip" for part in SUFFIXES if part not in found]
    if missing:
        raise InputError(
            f"{origin} has neither {IMAGES}/ and {LABELS}/ nor the two zips (missing: {', '.join(missing)}); "
            f"correct data.source of the Cityscapes profile or ${VARIABLE}, or run csDownload {' '.join(missing)} there"
        )
    parts = {part: _extract(path, part, scratch) if path.is_file() else path for part, path in found.items()}
    return read(parts, origin, layout)


def read(parts: Mapping[str, Path], origin: Path, layout: Layout) -> Source:
    """Match the files of the folders leftImg8bit and gtFine, wherever these are, and their numbers with ``layout``."""
    found, problems = _match(parts)
    for split, expected in layout.counts.items():
        count = sum(pair.split == split for pair in found)
        if count != expected:
            text = f"{IMAGES}/{split}: {count} images instead of {expected}"
            problems.append(DataError(text, CORRUPT if count < expected else _TOO_MANY))
    roots = tuple(folder.parent for folder in parts.values())
    return Source(origin, roots, layout.title, layout.complete, label_set(), layout.size, found, problems)


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
        mistaken=(_TRAIN_IDS,),
    )


def _folder(root: Path, part: str) -> Path | None:
    def fits(folder: Path) -> bool:
        return folder.name == part and any((folder / split).is_dir() for split in SPLITS)

    return locate(root, fits, f"{part}/")


def _archive(origin: Path, part: str) -> Path | None:
    """The archive of a part; ``origin`` itself where that is a file."""
    names = [f"{part}_trainvaltest{ending}".lower() for ending in ENDINGS]
    there = [origin] if origin.is_file() else [path for path in visible(origin) if path.name.lower() in names]
    return there[0] if there else None


def _extract(archive: Path, part: str, scratch: Path) -> Path:
    extract(archive, scratch, (SUFFIXES[part],))
    folder = _folder(scratch, part)
    if folder is None:
        raise InputError(f"{archive} holds no {part}/ with train, val or test in it; download it again")
    return folder


def _match(parts: Mapping[str, Path]) -> tuple[list[Pair], list[DataError]]:
    """Every image with its label, except in test; and what has no partner.

    The folders are listed, since frame numbers follow no rule.
    """
    found: list[Pair] = []
    problems: list[DataError] = []
    for split in SPLITS:
        images, twice = _listed(parts[IMAGES], split, IMAGE_SUFFIX)
        labels: dict[str, Path] = {}
        if split in LABELLED:
            labels, more = _listed(parts[LABELS], split, LABEL_SUFFIX)
            twice += more
            alone = [(IMAGES, images[key], "image without label") for key in images.keys() - labels.keys()]
            alone += [(LABELS, labels[key], "label without image") for key in labels.keys() - images.keys()]
            for part, path, what in sorted(alone):
                problems.append(DataError(f"{path.relative_to(parts[part].parent)}: {what}", CORRUPT))
        found += [Pair(split, key.split("/")[-1], path, labels.get(key)) for key, path in images.items()]
        problems += twice
    return found, problems


def _listed(folder: Path, split: str, suffix: str) -> tuple[dict[str, Path], list[DataError]]:
    """Paths by city and stem, which are the same for an image and its label; and what is there in two spellings."""
    found: dict[str, Path] = {}
    twice: list[DataError] = []
    for path in visible(folder / split, "*/*"):
        if path.name.lower().endswith(suffix.lower()):
            key = path.relative_to(folder / split).as_posix()[: -len(suffix)]
            if key in found:
                twice.append(DataError(f"{path.relative_to(folder.parent)}: also there as {found[key].name}", TWICE))
            found[key] = path
    return found, twice
