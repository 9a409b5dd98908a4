"""The networks that the paper's Table XI compares with: one module each, with one function of its own name."""

import pkgutil

SLUGS = tuple(module.name for module in pkgutil.iter_modules(__path__))
"""By name. Nothing here names one: a new network leaves the code of the others as it is."""
