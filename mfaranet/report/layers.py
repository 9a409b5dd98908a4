"""Pictures of predictions as a page holds them; see pictures.py, which draws them."""

from dataclasses import dataclass
from pathlib import Path

from mfaranet.report.content import BASE
from mfaranet.report.stored import Stored

LAYERS = ("ground truth", "prediction", "error")
"""What lies over an image."""


@dataclass(frozen=True)
class Pictures:
    """Some images of a split, and what the colours of their label maps mean."""

    images: list[dict[str, str]]
    """Each with its ``name`` and, as data URIs, the ``image`` and its layers."""
    colours: list[tuple[str, tuple[int, int, int]]]
    """Of each class, RGB."""


def find_pictures(stored: Stored, data: Path, predicted: Path, count: int) -> Pictures | None:
    """Pictures of base, of a number of images (see pictures.draw); None where it, the data or predictions are not here.

    Raises:
        InputError: a file is missing or corrupt.
    """
    if BASE not in stored.runs or not predicted.exists() or not data.exists():
        return None
    from mfaranet.report.pictures import draw  # torch, where there is something to draw

    return draw(data, stored.runs[BASE]["split"], predicted, count)
