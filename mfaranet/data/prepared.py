"""The prepared form, the same for every data set: how it is written, with every image checked, and how it is read.

<root>/images/{train,val,test}/<stem>.png   8-bit RGB, byte for byte the source's file
<root>/labels/{train,val,test}/<stem>.png   8-bit grey: class index, 255 = ignored; only for labelled splits
<root>/dataset.json                         DatasetRecord
"""

import hashlib
import io
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms.v2.functional import pil_to_tensor
from tqdm import tqdm

from mfaranet.conventions import IGNORE_INDEX
from mfaranet.errors import InputError
from mfaranet.files import write_text

SPLITS = ("train", "val", "test")
_RECORD = "dataset.json"
_LISTED_PROBLEMS = 50
_PNG_END = b"IEND\xaeB`\x82"
_PNG_COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


class DatasetRecord(BaseModel):
    """What a prepared data set is and holds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    name: str
    title: str
    """For tables."""
    complete: bool
    """False where scores cannot be compared with published ones: a subset, the drawn sample."""
    classes: list[str]
    colours: list[tuple[int, int, int]]
    """RGB of each class, for display."""
    label_ids: list[int]
    """The id of each class in the source's own label files."""
    size: tuple[int, int]
    """Height and width of every image in pixels."""
    splits: dict[str, int]
    """Number of images."""
    labelled: list[str]
    """The splits that have labels."""
    class_pixels: dict[str, list[int]]
    """Pixels of each class in each labelled split."""
    ignored_pixels: dict[str, int]
    fingerprint: str
    """SHA-256 over the sorted paths and SHA-256 of all prepared PNG files."""

    def save(self, root: Path) -> None:
        """Write ``dataset.json`` in the prepared folder."""
        write_text(root / _RECORD, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read ``dataset.json`` of a prepared folder.

        Raises:
            InputError: it is missing or not as ``save`` writes it.
        """
        path = root / _RECORD
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = "missing" if isinstance(error, OSError) else "not a whole record of a prepared data set"
            raise InputError(f"{path} is {reason}; prepare the data set again") from None


@dataclass(frozen=True)
class Pair:
    """One image of a source and its label, if its split has labels."""

    split: str
    stem: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class LabelSet:
    """The classes in order of their index, and the ids that stand for them (and for none) in the source's labels."""

    classes: list[str]
    colours: list[tuple[int, int, int]]
    ids: list[int]
    void: frozenset[int]


@dataclass(frozen=True)
class Source:
    """A data set as found: its files, what they should be, and what is wrong with the list of them already."""

    origin: Path
    """The folder or archive that the user knows."""
    root: Path
    """The folder that the files lie in; problems name paths relative to it."""
    title: str
    complete: bool
    labels: LabelSet
    size: tuple[int, int]
    pairs: list[Pair]
    problems: list[str]


def write_prepared(name: str, source: Source, folder: Path) -> DatasetRecord:
    """Decode every file of a source to the end and write the prepared form of it to ``folder``.

    Raises:
        InputError: names every problem of the source, in the list of files and in each of them.
    """
    for pair in source.pairs:
        for kind in ("images", "labels") if pair.label else ("images",):
            (folder / kind / pair.split).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        jobs = pool.map(lambda pair: _convert(pair, source, folder), source.pairs)
        results = list(tqdm(jobs, desc=f"checking {name}", total=len(source.pairs), unit="image"))
    problems = source.problems + _repeated(source.pairs) + [line for result in results for line in result.problems]
    if problems:
        raise InputError(_complain(source.origin, problems))
    record = _describe(name, source, results)
    record.save(folder)
    return record


@dataclass
class _Result:
    """What one pair came to."""

    split: str
    problems: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    histogram: list[int] | None = None
    """Pixels of each id 0..255 of the label."""


def _convert(pair: Pair, source: Source, folder: Path) -> _Result:
    result = _Result(pair.split)

    def store(kind: str, data: bytes) -> None:
        path = f"{kind}/{pair.split}/{pair.stem}.png"
        (folder / path).write_bytes(data)
        result.digests[path] = hashlib.sha256(data).hexdigest()

    try:
        store("images", _decode(pair.image, "8-bit RGB", source)[0])
    except InputError as fault:
        result.problems.append(str(fault))
    if pair.label:
        try:
            _, label = _decode(pair.label, "8-bit grey", source)
            result.histogram = label.histogram()
            store("labels", _map(label, pair.label, source))
        except InputError as fault:
            result.problems.append(str(fault))
    return result


def _decode(path: Path, kind: str, source: Source) -> tuple[bytes, Image.Image]:
    shown = path.relative_to(source.root)
    try:
        data = path.read_bytes()
        # Each finds what the others do not: a cut in the last bytes, a wrong checksum, pixels that are not there.
        data.rindex(_PNG_END)
        Image.open(io.BytesIO(data), formats=["PNG"]).verify()
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        image.load()
    except Exception:  # Pillow raises half a dozen kinds on damaged files
        raise InputError(f"{shown}: unreadable or truncated PNG") from None
    # From the header, since Pillow makes 8 bits of 16 without a word.
    found = f"{data[24]}-bit {_PNG_COLOUR_TYPES.get(data[25])}"
    if found != kind:
        raise InputError(f"{shown}: {found} instead of {kind}")
    height, width = source.size
    if image.size != (width, height):
        raise InputError(f"{shown}: wrong size {image.height}x{image.width} instead of {height}x{width}")
    return data, image


def _map(label: Image.Image, path: Path, source: Source) -> bytes:
    """PNG file of class indices from a label of source ids."""
    known = source.labels.void.union(source.labels.ids)
    unknown = [(value, pixels) for value, pixels in enumerate(label.histogram()) if pixels and value not in known]
    if unknown:
        found = ", ".join(f"label id {value} at {pixels} pixels" for value, pixels in unknown)
        raise InputError(f"{path.relative_to(source.root)}: {found}: no id of this set")
    table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    table[source.labels.ids] = range(len(source.labels.ids))
    buffer = io.BytesIO()
    Image.fromarray(table[np.asarray(label)]).save(buffer, format="PNG")
    return buffer.getvalue()


def _repeated(pairs: list[Pair]) -> list[str]:
    """An image twice in a split, or in two splits, makes a score worthless."""
    counts = Counter(pair.stem for pair in pairs)
    return [
        f"{stem}: {count} images of this name, in {', '.join(pair.split for pair in pairs if pair.stem == stem)}"
        for stem, count in counts.items()
        if count > 1
    ]


def _complain(origin: Path, problems: list[str]) -> str:
    listed = problems[:_LISTED_PROBLEMS]
    if len(problems) > len(listed):
        listed.append(f"... and {len(problems) - len(listed)} more")
    return (
        f"{origin} is not prepared, problems found: {len(problems)}\n  "
        + "\n  ".join(listed)
        + "\nreplace these files from the original archive, or remove the half-extracted folder and extract again"
    )


def _describe(name: str, source: Source, results: list[_Result]) -> DatasetRecord:
    splits = Counter(result.split for result in results)
    pixels: dict[str, Any] = {}
    for result in results:
        if result.histogram:
            pixels[result.split] = pixels.get(result.split, 0) + np.array(result.histogram)
    digests = sorted(item for result in results for item in result.digests.items())
    labels = source.labels
    return DatasetRecord(
        name=name,
        title=source.title,
        complete=source.complete,
        classes=labels.classes,
        colours=labels.colours,
        label_ids=labels.ids,
        size=source.size,
        splits={split: splits[split] for split in SPLITS},
        labelled=[split for split in SPLITS if split in pixels],
        class_pixels={split: counts[labels.ids].tolist() for split, counts in pixels.items()},
        ignored_pixels={split: int(counts[sorted(labels.void)].sum()) for split, counts in pixels.items()},
        fingerprint=hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in digests).encode()).hexdigest(),
    )


class SegmentationDataset(Dataset[tuple[Tensor, Tensor]]):
    """A labelled split of a prepared data set.

    An item is an image (3, H, W) and its label (H, W) of class indices with 255 for ignored, both uint8 tv_tensors;
    ``transform(image, label)``, where given, makes the item of them.

    Raises:
        InputError: the split has no labels, or the folder is not as it was prepared; for an item, a damaged file.
    """

    def __init__(self, root: Path, split: str, transform: Callable[[Tensor, Tensor], Any] | None = None) -> None:
        self.record = DatasetRecord.load(root)
        if split not in self.record.labelled:
            raise InputError(
                f"{root}: split {split!r} of {self.record.title} has no labels; choose from {self.record.labelled}"
            )
        self.transform = transform
        self._images, self._labels = root / "images" / split, root / "labels" / split
        self.stems = sorted(path.stem for path in self._images.glob("*.png"))
        labels = sorted(path.stem for path in self._labels.glob("*.png"))
        if self.stems != labels or len(labels) != self.record.splits[split]:
            raise InputError(
                f"{root}: split {split!r} has {len(self.stems)} images and {len(labels)} labels instead of "
                f"{self.record.splits[split]} pairs; prepare the data set again"
            )

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        name = f"{self.stems[index]}.png"
        image = tv_tensors.Image(_read(self._images / name))
        label = tv_tensors.Mask(_read(self._labels / name)[0])
        return self.transform(image, label) if self.transform else (image, label)


def _read(path: Path) -> Tensor:
    try:
        pixels: Tensor = pil_to_tensor(Image.open(path))
    except (OSError, SyntaxError):  # the latter is Pillow's for a damaged chunk
        raise InputError(f"{path} is missing or damaged; prepare the data set again") from None
    return pixels
