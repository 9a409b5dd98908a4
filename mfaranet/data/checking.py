"""How a data set is brought into the prepared form: every file decoded to the end, every problem listed at once."""

import hashlib
import io
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from mfaranet.conventions import IGNORE_INDEX
from mfaranet.data.prepared import SPLITS, DatasetRecord
from mfaranet.errors import InputError

_LISTED_PROBLEMS = 50
_PNG_END = b"IEND\xaeB`\x82"
_PNG_COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


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
            store("labels", _map(label, result.histogram, pair.label, source))
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


def _map(label: Image.Image, histogram: list[int], path: Path, source: Source) -> bytes:
    """PNG file of class indices from a label of source ids."""
    known = source.labels.void.union(source.labels.ids)
    unknown = [(value, pixels) for value, pixels in enumerate(histogram) if pixels and value not in known]
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
