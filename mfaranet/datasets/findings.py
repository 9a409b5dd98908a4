"""What a data set holds as a whole: what cannot be right is refused, what may be right is told."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from mfaranet.data.record import SPLITS
from mfaranet.datasets.png import colour_codes
from mfaranet.datasets.source import Convention, DataError, LabelSet, Pair, some

MEASURED = ("train", "val")
"""The splits that a training cannot do without."""


@dataclass
class Found:
    """What one pair came to."""

    pair: Pair
    problems: list[DataError] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    one_colour: bool = False
    """The image has the same colour all over."""
    histogram: NDArray[np.int64] | None = None
    """Pixels of each id 0..255 of the label."""


def histograms(found: Sequence[Found]) -> dict[str, NDArray[np.int64]]:
    """Pixels of each id 0..255 in each labelled split."""
    present = {
        split: [each.histogram for each in found if each.pair.split == split and each.histogram is not None]
        for split in SPLITS
    }
    return {split: np.sum(values, axis=0) for split, values in present.items() if values}


def mistaken(labels: LabelSet, pixels: Mapping[str, NDArray[np.int64]]) -> dict[str, Convention]:
    """The splits whose labels follow another convention."""
    return {split: each for split, counts in pixels.items() for each in labels.mistaken if each.fits(_values(counts))}


def refuse(labels: LabelSet, pixels: Mapping[str, NDArray[np.int64]]) -> list[DataError]:
    """What cannot be right in a whole split."""
    wrong = mistaken(labels, pixels)
    problems = [DataError(f"{split}: the labels hold {each.name}", each.mend) for split, each in wrong.items()]
    for split, counts in pixels.items():
        if split in MEASURED and _values(counts) <= labels.void:
            nothing = "measured" if split == "val" else "learned"
            problems.append(
                DataError(
                    f"{split}: no labelled pixel in {split}: nothing can be {nothing}",
                    "labels without a class: take labels that hold some, or other images for this split",
                )
            )
    return problems


def warn(labels: LabelSet, found: Sequence[Found], pixels: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """What may be right, but should be known before a training."""
    warnings = []
    for split, counts in pixels.items():
        missing = [name for name, id_ in zip(labels.classes, labels.ids, strict=True) if not counts[id_]]
        if missing and split in MEASURED:
            effect = "never learned" if split == "train" else "no IoU"
            warnings.append(f"classes without a pixel in {split} ({effect}): {', '.join(missing)}")
    kinds: dict[str, Callable[[Found], bool]] = {
        "labels wholly void": partial(_is_void, labels),
        "images of one colour": lambda each: each.one_colour,
        **{f"labels that seem to hold {each.name}": partial(_follows, each) for each in labels.mistaken},
    }
    for kind, holds in kinds.items():
        for split in SPLITS:
            members = [each for each in found if each.pair.split == split]
            stems = [each.pair.stem for each in members if holds(each)]
            if stems:
                warnings.append(f"{kind}: {len(stems)} of {len(members)} in {split} ({some(stems)})")
    return warnings


def is_mask(image: NDArray[np.uint8], labels: LabelSet) -> bool:
    """Whether an image (H, W, 3) is a label instead: ids as grey, or the classes' colours and little else."""
    # A part is enough to clear nearly every photograph.
    return all(_is_mask(part, labels) for part in (image[::16, ::16], image))


def _is_mask(image: NDArray[np.uint8], labels: LabelSet) -> bool:
    if (image == image[..., :1]).all() and np.isin(image, [*labels.ids, *labels.void, 255]).all():
        return True
    codes = colour_codes(image)
    coloured = codes[codes != 0]
    palette = colour_codes(np.array(list(labels.painted or labels.colours)))
    return bool(coloured.size) and bool(np.isin(coloured, palette).mean() > 0.9)


def _values(counts: NDArray[np.int64]) -> frozenset[int]:
    return frozenset(np.flatnonzero(counts).tolist())


def _follows(convention: Convention, found: Found) -> bool:
    return found.histogram is not None and convention.fits(_values(found.histogram))


def _is_void(labels: LabelSet, found: Found) -> bool:
    return found.histogram is not None and _values(found.histogram) <= labels.void
