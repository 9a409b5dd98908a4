"""Where classes meet: the target of the boundary heads."""

import torch
import torch.nn.functional as F
from torch import Tensor


def boundary_target(labels: Tensor) -> Tensor:
    """Boundary map (N, 1, H, W), bool, of labels (N, H, W): where the 5x5 mean of their values differs from the centre.

    Ignored regions count as a value of their own, so their outlines are boundaries too.
    """
    values = labels.unsqueeze(1)
    # Whole numbers, so that the sums are exact; torch pads none by reflection.
    padded = F.pad(values.float(), (2, 2, 2, 2), mode="reflect").to(torch.int16)
    return _sums_of_five(_sums_of_five(padded, -2), -1) != 25 * values.to(torch.int16)


def _sums_of_five(values: Tensor, dim: int) -> Tensor:
    """Of each five neighbours along a dimension."""
    length = values.shape[dim] - 4
    total = values.narrow(dim, 0, length).clone()
    for shift in range(1, 5):
        total += values.narrow(dim, shift, length)
    return total
