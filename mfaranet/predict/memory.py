"""What torch says when memory is short, said as a sentence."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor

from mfaranet.errors import InputError

_SHORT = re.compile("out of memory|allocate memory", re.IGNORECASE)
"""What torch says of a GPU and of a CPU."""


@contextmanager
def memory_for(images: Sequence[Tensor]) -> Iterator[None]:
    """Around work on images (3, H, W) of one size.

    Raises:
        InputError: memory is too small for them.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _SHORT.search(str(error)):
            raise
        height, width = images[0].shape[1:]
        smaller = "a smaller --batch, or " if len(images) > 1 else ""
        raise InputError(
            f"{len(images)} x {height}x{width} pixels do not fit into memory; take {smaller}windows: "
            "--protocol single_scale"
        ) from None
