"""How a data set is brought into the prepared form: every file decoded to the end, every problem listed at once."""

import hashlib
import io
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.record import SPLITS, DatasetRecord
from mfaranet.datasets.findings import Found, histograms, is_mask, mistaken, refuse, warn
from mfaranet.datasets.photographs import read_photograph
from mfaranet.datasets.png import read_label, read_rgb
from mfaranet.datasets.source import DataError, Pair, Source, UnknownValuesError, complain, gathered

_REPEATED = "images that are there twice: take one away, in its folder and its list; a score over both is worthless"
_MASKS = "images that are labels: the folders of images and labels are exchanged, or a label lies under an image's name"
_NAMES = "names that are not UTF-8: rename these files, images, labels and lists alike"
_UNWRITABLE = "files that cannot be written: make room on the disk; give images with very long names shorter ones"
_UNKNOWN = (
    "labels with other ids: take the labels of this data set as published, void included; of a set of your own, name "
    "the ids among its classes or what it ignores"
)


def write_prepared(name: str, source: Source, folder: Path) -> DatasetRecord:
    """Decode every file of a source to the end and write the prepared form of it to ``folder``.

    What may be right, but should be known, is told on stderr and kept in the record.

    Raises:
        InputError: names every problem of the source, in the list of files and in each of them, and in all together.
    """
    for pair in source.pairs:
        for kind in ("images", "labels") if pair.label else ("images",):
            (folder / kind / pair.split).mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        jobs = pool.map(lambda pair: _convert(pair, source, folder), source.pairs)
        found = list(tqdm(jobs, desc=f"checking {name}", total=len(source.pairs), unit="image"))
    pixels = histograms(found)
    problems = [
        *refuse(source.labels, pixels),
        *source.problems,
        *_repeated(source.pairs),
        *_undecodable(source.pairs),
        *_in_files(source, found),
    ]
    if problems:
        raise complain(source.origin, problems)
    warnings = warn(source.labels, found, pixels)
    for warning in warnings:
        print(f"{name}: {warning}", file=sys.stderr)
    record = _describe(name, source, found, pixels, warnings)
    record.save(folder)
    return record


def _in_files(source: Source, found: Sequence[Found]) -> list[DataError]:
    """The problems of single files; of other ids nothing where a whole split has those of another convention."""
    wrong = mistaken(source.labels, histograms(found))
    told = [
        problem
        for each in found
        for problem in each.problems
        if not (each.pair.split in wrong and problem.mend == _UNKNOWN)
    ]
    unknown = [problem for problem in told if isinstance(problem, UnknownValuesError)]
    return [*(problem for problem in told if not isinstance(problem, UnknownValuesError)), *gathered(unknown)]


def _convert(pair: Pair, source: Source, folder: Path) -> Found:
    found = Found(pair)

    def store(kind: str, data: bytes, ending: str = ".png") -> None:
        path = f"{kind}/{pair.split}/{pair.stem}{ending}"
        try:
            (folder / path).write_bytes(data)
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror})", _UNWRITABLE) from None
        found.digests[path] = hashlib.sha256(data).hexdigest()

    size, ending = source.size, ".png"
    try:
        if source.size:
            data, pixels = read_rgb(pair.image, source)
        else:
            data, ending, pixels = read_photograph(pair.image, source)
        size = (pixels.shape[0], pixels.shape[1])
        found.one_colour = bool((pixels == pixels[0, 0]).all())
        if not found.one_colour and is_mask(pixels, source.labels):
            raise DataError(f"{source.shown(pair.image)}: no photograph, but a label map", _MASKS)
        store("images", data, ending)
    except DataError as problem:
        found.problems.append(problem)
    if pair.label:
        try:
            ids = read_label(pair.label, source, size)
            found.histogram = np.bincount(ids.ravel(), minlength=256)
            store("labels", _map(ids, found.histogram, pair.label, source))
        except DataError as problem:
            found.problems.append(problem)
    return found


def _map(ids: NDArray[np.uint8], histogram: NDArray[np.int64], path: Path, source: Source) -> bytes:
    """PNG file of class indices from a label of source ids."""
    known = source.labels.void.union(source.labels.ids)
    unknown = {f"label id {id_}": n for id_, n in enumerate(histogram.tolist()) if n and id_ not in known}
    if unknown:
        raise UnknownValuesError(source.shown(path), unknown, _UNKNOWN)
    table = np.full(256, IGNORE_INDEX, dtype=np.uint8)
    table[source.labels.ids] = range(len(source.labels.ids))
    buffer = io.BytesIO()
    Image.fromarray(table[ids]).save(buffer, format="PNG")
    return buffer.getvalue()


def _repeated(pairs: list[Pair]) -> list[DataError]:
    counts = Counter(pair.stem for pair in pairs)
    splits = {stem: ", ".join(pair.split for pair in pairs if pair.stem == stem) for stem in counts if counts[stem] > 1}
    return [
        DataError(f"{stem}: {counts[stem]} images of this name, in {where}", _REPEATED)
        for stem, where in splits.items()
    ]


def _undecodable(pairs: list[Pair]) -> list[DataError]:
    return [
        DataError(f"{pair.stem!a}: a name that is not UTF-8", _NAMES)
        for pair in pairs
        if pair.stem.encode(errors="replace") != pair.stem.encode(errors="surrogateescape")
    ]


def _describe(
    name: str,
    source: Source,
    found: Sequence[Found],
    pixels: Mapping[str, NDArray[np.int64]],
    warnings: list[str],
) -> DatasetRecord:
    splits = Counter(each.pair.split for each in found)
    digests = sorted(item for each in found for item in each.digests.items())
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
        labelled=list(pixels),
        class_pixels={split: counts[labels.ids].tolist() for split, counts in pixels.items()},
        ignored_pixels={split: int(counts[sorted(labels.void)].sum()) for split, counts in pixels.items()},
        fingerprint=hashlib.sha256("".join(f"{digest}  {path}\n" for path, digest in digests).encode()).hexdigest(),
        warnings=warnings,
    )
