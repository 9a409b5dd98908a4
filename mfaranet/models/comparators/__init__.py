"""The networks that the paper's Table XI compares with.

One module each, of the name that the network has here, with one class that has ``facts`` (see mfaranet.models.facts),
a Comparator: its constructor takes ``num_classes`` and, by name, the network's options. Nothing here names a network,
so that a new file adds one and leaves the code of the others as it is.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

from mfaranet.errors import InputError

if TYPE_CHECKING:
    from torch import nn

SLUGS = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""The networks' names."""


def network_class(slug: str) -> "type[nn.Module]":
    """The class of a network; imports its module.

    Raises:
        InputError: the module has no class with facts of its own, or several.
    """
    module = import_module(f"{__name__}.{slug}")
    classes = [each for each in vars(module).values() if isinstance(each, type) and each.__module__ == module.__name__]
    networks = [each for each in classes if "facts" in vars(each)]
    if len(networks) != 1:
        raise InputError(f"{module.__file__} has {len(networks)} classes with facts; it must have one, the network")
    return networks[0]
