"""Networks by name. None is imported before it is asked for, and torch neither."""

import inspect
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from mfaranet.errors import InputError
from mfaranet.models.comparators import SLUGS, network_class
from mfaranet.schema import Name

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[..., "nn.Module"]
"""Takes ``num_classes`` and, by name, options: a network's class, or a function."""

_OURS = {"mfaranet": ("mfaranet", "MFARANet"), "mfaranet_pruned": ("pruned", "mfaranet_pruned")}
_REGISTERED: dict[str, Builder] = {}


def list_models() -> list[str]:
    """The names that get_model takes, sorted."""
    return sorted([*_OURS, *SLUGS, *_REGISTERED])


def register_model(name: str, builder: Builder) -> None:
    """Give a network that is not of this package a name, in this process: all that take a network's name take it then.

    The stages of the pipeline are processes of their own, and record the code of this package alone. For them a network
    is a file in mfaranet/models/comparators/, whose name needs no registration.

    Args:
        name: lower-case letters, digits and underscores.
        builder: what get_model calls with ``num_classes`` and the options, which its signature names. Its networks do
            as get_model says. They may have ``facts`` (see mfaranet.models.facts).

    Raises:
        InputError: another network has this name, or it is none.
    """
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError:
        raise InputError(
            f"{name!r} is no name for a network: lower-case letters, digits and underscores, no underscore first"
        ) from None
    if name in list_models():
        raise InputError(f"there is a network called {name!r} already; take another name")
    _REGISTERED[name] = builder


def module_of(name: str) -> str:
    """The module that builds a network; it is not imported.

    Raises:
        InputError: no network has this name.
    """
    if name in _REGISTERED:
        return _REGISTERED[name].__module__
    if name in SLUGS:
        return f"{__name__}.comparators.{name}"
    if name in _OURS:
        return f"{__name__}.{_OURS[name][0]}"
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
    builder = _builder(name)
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


def _builder(name: str) -> Builder:
    if name in _REGISTERED:
        return _REGISTERED[name]
    if name in SLUGS:
        return network_class(name)
    module = import_module(module_of(name))
    builder: Builder = getattr(module, _OURS[name][1])
    return builder
