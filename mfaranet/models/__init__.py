"""Networks by name. None is imported before it is asked for, and torch neither."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mfaranet.errors import InputError
from mfaranet.models.comparators import SLUGS

if TYPE_CHECKING:
    from torch import nn

_OURS = {"mfaranet": ("mfaranet", "MFARANet"), "mfaranet_pruned": ("pruned", "mfaranet_pruned")}


def list_models() -> list[str]:
    """The names that get_model takes, sorted."""
    return sorted([*_OURS, *SLUGS])


def home(name: str) -> tuple[str, str]:
    """The module that builds a network, and the name of its class or function there.

    Raises:
        InputError: no network has this name.
    """
    if name in SLUGS:
        return f"{__name__}.comparators.{name}", name
    if name in _OURS:
        module, builder = _OURS[name]
        return f"{__name__}.{module}", builder
    raise InputError(f"no network is called {name!r}; there are: {', '.join(list_models())}")


def get_model(name: str, num_classes: int = 19, **options: Any) -> "nn.Module":
    """Build a network with its default initialisation.

    Every network takes images (N, 3, H, W), of one pixel and more, and gives logits (N, num_classes, H, W) in
    evaluation mode; in training mode, where batch normalisation needs more than one value of each channel, it gives a
    dictionary with those logits as ``out`` and its auxiliary outputs. mfaranet_pruned is not trained and gives logits
    in both.

    Raises:
        InputError: an unknown name or option, or an impossible value.
    """
    module, attribute = home(name)
    builder: Callable[..., nn.Module] = getattr(import_module(module), attribute)
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
    import torch

    try:
        with torch.device("meta"):
            get_model(name, **options)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{where}: {error}") from None
