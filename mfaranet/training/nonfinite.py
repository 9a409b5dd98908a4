"""A loss that is no longer a number: where in an epoch that was, found without waiting for the device at every step."""

from collections.abc import Mapping
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.utils.data import DataLoader

from mfaranet.data.loading import batch_images

_NEVER = 2**62


class FirstNonFinite:
    """The first part of an epoch, counted over its batches, in which each term of the loss was no number.

    Args:
        accumulate: parts of a batch.
    """

    def __init__(self, accumulate: int) -> None:
        self._accumulate = accumulate
        self._names: tuple[str, ...] = ()
        self._parts = 0
        self._first: Tensor | None = None

    def look(self, terms: Mapping[str, Tensor]) -> None:
        """Look at the terms of the next part. The answer stays on the device."""
        values = torch.stack([value.detach() for value in terms.values()])
        if self._first is None:
            self._names = tuple(terms)
            self._first = torch.full(values.shape, _NEVER, device=values.device)
        self._first = torch.where(values.isfinite(), self._first, self._first.clamp(max=self._parts))
        self._parts += 1

    def describe(self, loader: "DataLoader[Any]", epoch: int, fabric: Fabric) -> str | None:
        """What happened first in any process, the same in all of them; None where nothing did."""
        if self._first is None:
            return None
        gathered = fabric.all_gather(self._first)
        assert isinstance(gathered, Tensor)
        first = gathered.view(fabric.world_size, -1).tolist()
        part = min(map(min, first))
        if part == _NEVER:
            return None
        step, of_step = divmod(part, self._accumulate)
        said = []
        for rank, row in enumerate(first):
            terms = ", ".join(name for name, at in zip(self._names, row, strict=True) if at == part)
            images = ", ".join(batch_images(loader, epoch, step, rank)[of_step :: self._accumulate])
            if terms:
                said.append(f"process {rank} of {fabric.world_size}: {terms}, with the images {images}")
        if (epoch, step) == (1, 0):
            advice = "No step was made before: look at these images, their labels and the initial weights."
        else:
            advice = "Look at these images and their labels, or lower train.base_lr in params.yaml."
        where = f"epoch {epoch}, step {step + 1} of {len(loader)}"
        return f"the loss is no longer a number in {where} ({'; '.join(said)}). {advice}"
