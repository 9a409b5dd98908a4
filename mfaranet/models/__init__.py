"""Networks by name."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from mfaranet.errors import InputError
from mfaranet.models import comparators
from mfaranet.models.mfaranet import MFARANet
from mfaranet.models.pruned import mfaranet_pruned

_BUILDERS: dict[str, Callable[..., nn.Module]] = {
    "mfaranet": MFARANet,
    "mfaranet_pruned": mfaranet_pruned,
}
NAMES = (*_BUILDERS, *comparators.SLUGS)


def list_models() -> list[str]:
    """The names that get_model takes, sorted."""
    return sorted(NAMES)


def get_model(name: str, num_classes: int = 19, **options: Any) -> nn.Module:
    """Build a network with its default initialisation.

    Every network takes images (N, 3, H, W), of one pixel and more, and gives logits (N, num_classes, H, W) in
    evaluation mode; in training mode, where batch normalisation needs more than one value of each channel, it gives a
    dictionary with those logits as ``out`` and its auxiliary outputs. mfaranet_pruned is not trained and gives logits
    in both.

    Raises:
        InputError: an unknown name or option, or an impossible value.
    """
    if name not in NAMES:
        raise InputError(f"no network is called {name!r}; there are: {', '.join(list_models())}")
    # One that is not asked for is not imported.
    builder = _BUILDERS.get(name) or comparators.builder(name)
    known = [parameter for parameter in inspect.signature(builder).parameters if parameter != "num_classes"]
    for option in options:
        if option not in known:
            raise InputError(f"{name} has no option {option!r}; it has: {', '.join(known)}")
    return builder(num_classes, **options)


def check_options(name: str, options: Mapping[str, Any], where: str) -> None:
    """Refuse what get_model would refuse, without memory or time for weights.

    Raises:
        InputError: naming ``where`` the name or option stands.
    """
    try:
        with torch.device("meta"):
            get_model(name, **options)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None
