"""What the compared networks have in common: any image size in, logits of that size out."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.facts import Facts
from mfaranet.models.layers import Outputs, Upsampling

Names = tuple[tuple[str, str], ...]
"""Rules (pattern, replacement) that are applied in turn, each to what the one before made of a name."""


class Comparator(nn.Module):
    """A network of the paper's Table XI. Subclasses have layers and ``scores``, and say what sizes these take.

    In evaluation mode, images (N, in_channels, H, W) of any size give logits (N, num_classes, H, W). In training mode
    the result is a dictionary: ``out`` are those logits, ``auxiliary`` the auxiliary ones at the same size, if any.
    """

    facts: Facts
    multiple = 1
    remainder = 0
    least = 1
    """``scores`` takes heights and widths of ``least`` pixels and more that leave this remainder when divided by
    ``multiple``; others are padded below and at the right with zeros (the mean colour), and the logits cropped."""
    align_corners = False
    """How score maps are resized to the input size."""
    linked_names: Names = ()
    """Our names to the linked implementation's, see weights.official; none if they do not map one to one."""
    left_out: tuple[str, ...] = ()
    """How entries begin that the linked implementation's files have beside what this network has a place for."""

    imagenet_names: Names = ()
    """Our names of a ``backbone`` to those of an ImageNet classifier's file, see weights.imagenet; none where it is one
    of models.backbones, whose files have the usual names, or where no file is known that fits."""

    def __init__(self) -> None:
        super().__init__()
        self.final_upsampling = Upsampling(self.align_corners)

    def scores(self, images: Tensor) -> list[Tensor]:
        """Score maps (N, num_classes, h, w) of any size: the prediction's, then in training mode the auxiliary ones."""
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor | Outputs:
        height, width = images.shape[-2:]
        padded = F.pad(images, (0, self._lacking(width), 0, self._lacking(height)))
        size = (padded.shape[-2], padded.shape[-1])
        maps = [cropped(self.final_upsampling(each, size), height, width) for each in self.scores(padded)]
        return {"out": maps[0], "auxiliary": maps[1:]} if self.training else maps[0]

    def from_linked(self, name: str, value: Tensor) -> Tensor:
        """What the parameter or buffer ``name`` (ours) has to be where the linked implementation's is ``value``."""
        return value

    def _lacking(self, length: int) -> int:
        if length < self.least:
            return self.least - length
        more = length - self.remainder
        # Not the shorter -more % multiple: with a quotient, an exported program's sizes are simple.
        return (more + self.multiple - 1) // self.multiple * self.multiple - more


def cropped(scores: Tensor, height: int, width: int) -> Tensor:
    """The first rows and columns of (N, C, H, W)."""
    if not torch.compiler.is_exporting():
        return scores[..., :height, :width]
    # An exported program would hold whether a slice is all there is.
    return F.pad(scores, (0, width - scores.shape[-1], 0, height - scores.shape[-2]))


def plain_resnet_names(prefix: str) -> Names:
    """Of a ``backbone`` with the plain stem, where the linked implementation has torchvision's names, and a prefix."""
    return (
        (r"^backbone\.stem\.0\.", f"{prefix}conv1."),
        (r"^backbone\.stem\.1\.", f"{prefix}bn1."),
        (r"^backbone\.", prefix),
    )
