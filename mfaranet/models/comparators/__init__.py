"""The networks that the paper's Table XI compares with: one module each, with one function of its own name."""

from collections.abc import Callable
from importlib import import_module

from torch import nn

SLUGS = (
    "enet",
    "espnet",
    "contextnet",
    "fast_scnn",
    "dfanet_b",
    "edanet",
    "cgnet",
    "cifrenet",
    "mininet_v2",
    "aglnet",
    "sgcpnet2",
    "erfnet",
    "icnet",
    "swiftnet_18",
    "shelfnet_18",
    "sfnet_df1",
    "stdc2_seg75",
    "dmanet",
    "deeplab_v2",
    "refinenet",
    "pspnet",
    "bisenet_v1",
    "dfn",
    "hrnet_v2",
)
"""In the paper's order."""


def builder(slug: str) -> Callable[..., nn.Module]:
    """The function that builds a network, from ``num_classes`` and the options that its signature has."""
    build: Callable[..., nn.Module] = getattr(import_module(f"{__name__}.{slug}"), slug)
    return build
