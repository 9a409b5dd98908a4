"""From decoded images and labels (uint8) to what the network takes, with the paper's augmentation."""

from typing import Any

import torch
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from mfaranet.conventions import IGNORE_INDEX, MEAN, STD
from mfaranet.params import AugmentationSettings

# What lies outside an image after rotation or padding: the mean colour, and no label.
_FILL: dict[type, Any] = {tv_tensors.Image: [round(255 * mean) for mean in MEAN], tv_tensors.Mask: IGNORE_INDEX}


class RandomScale(v2.Transform):  # type: ignore[misc]
    """Resize an image and its label by one factor, uniform between two.

    Not v2.ScaleJitter: that one takes its target size for (width, height), and so halves an image of 1:2.
    """

    def __init__(self, smallest: float, largest: float) -> None:
        super().__init__()
        self.range = (smallest, largest)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        factor = float(torch.empty(1).uniform_(*self.range))
        return {"size": [round(factor * length) for length in F.get_size(flat_inputs[0])]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return F.resize(inpt, params["size"], antialias=False)


class PadTo(nn.Module):
    """Pad an image and its label to at least ``size`` (height, width), the image in the middle."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, image: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        rows, columns = (max(0, want - have) for want, have in zip(self.size, image.shape[-2:], strict=True))
        left, top = columns // 2, rows // 2
        padding = [left, top, columns - left, rows - top]
        return (
            F.pad(image, padding, fill=_FILL[tv_tensors.Image]),
            F.pad(label, padding, fill=_FILL[tv_tensors.Mask]),
        )


def training_transform(
    size: tuple[int, int], crop: tuple[int, int], augmentation: AugmentationSettings
) -> v2.Transform:
    """Resize, then scale, rotate, flip and crop at random.

    Takes an image (3, H, W) and its label (H, W), both uint8 tv_tensors, and gives the same of the size ``crop``
    (height, width). Nothing is antialiased, as in the official code.
    """
    return v2.Compose(
        [
            v2.Resize(size, antialias=False),
            RandomScale(*augmentation.scale),
            v2.RandomApply(
                [v2.RandomRotation(augmentation.rotation, v2.InterpolationMode.BILINEAR, fill=_FILL)],
                augmentation.rotation_probability,
            ),
            v2.RandomHorizontalFlip(augmentation.flip_probability),
            PadTo(crop),
            v2.RandomCrop(crop),
        ]
    )


def normalise(images: Tensor) -> Tensor:
    """Images (..., 3, H, W) from uint8 0..255 to float32 with the ImageNet mean and deviation taken out."""
    normalised: Tensor = F.normalize(F.to_dtype(images, torch.float32, scale=True), list(MEAN), list(STD))
    return normalised
