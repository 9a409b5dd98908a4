"""The networks that the paper's Table XI compares with.

One module each, of the name that the network has here, with one subclass of Comparator: its constructor takes
``num_classes`` and, by name, the network's options, and its ``facts`` say what it is. Nothing here names a network, so
that a new file adds one and leaves the code of the others as it is.
"""

import pkgutil
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mfaranet.models.comparator import Comparator

SLUGS = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""The networks' names."""


def network_class(slug: str) -> "type[Comparator]":
    """The class of a network; imports its module."""
    from mfaranet.models.comparator import Comparator  # torch, which takes seconds to import

    module = import_module(f"{__name__}.{slug}")
    own = [each for each in vars(module).values() if getattr(each, "__module__", None) == module.__name__]
    (found,) = (each for each in own if isinstance(each, type) and issubclass(each, Comparator))
    return found
