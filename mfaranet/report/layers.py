"""Pictures of predictions as a page holds them; see pictures.py, which draws them."""

from dataclasses import dataclass

LAYERS = ("ground truth", "prediction", "error")
"""What lies over an image."""


@dataclass(frozen=True)
class Pictures:
    """Some images of a split, and what the colours of their label maps mean."""

    images: list[dict[str, str]]
    """Each with its ``name`` and, as data URIs, the ``image`` and its layers."""
    colours: list[tuple[str, tuple[int, int, int]]]
    """Of each class, RGB."""
