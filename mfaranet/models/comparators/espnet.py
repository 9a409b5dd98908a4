"""ESPNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from itertools import accumulate

import torch
from torch import Tensor, nn

from mfaranet.models.blocks import conv_norm_prelu, norm_prelu
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn

DILATIONS = (2, 4, 8, 16)


class PyramidBlock(nn.Module):
    """Convolutions of five dilations on fewer channels, all but the first summed up on the way and joined.

    (N, in_channels, H, W) to (N, channels, H/stride, W/stride), with a shortcut where the shape stays. Fewer than five
    channels have as many dilations.
    """

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        width = max(channels // 5, 1)
        dilations = DILATIONS[: channels - 1]
        self.reduce = conv_bn(in_channels, width, 1 if stride == 1 else 3, stride, norm=False)
        self.plain = conv_bn(width, channels - len(dilations) * width, 3, norm=False)
        self.dilated = nn.ModuleList(conv_bn(width, width, 3, dilation=d, norm=False) for d in dilations)
        self.norm = norm_prelu(channels)
        self.shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        joined = torch.cat([self.plain(y), *accumulate(conv(y) for conv in self.dilated)], dim=1)
        z: Tensor = self.norm(x + joined if self.shortcut else joined)
        return z


class ESPNet(Comparator):
    """Pyramid blocks at 1/4 and 1/8, to which the image itself comes again twice, and a decoder of class scores."""

    facts = Facts(
        title="ESPNet",
        paper="ESPNet: Efficient Spatial Pyramid of Dilated Convolutions for Semantic Segmentation",
        year=2018,
        link="https://arxiv.org/abs/1803.06815",
        implementation="sacmehta/ESPNet",
        official=True,
        licence="MIT",
        deviation=(
            "With its decoder and with 2 and 8 blocks (p = 2, q = 8). No deviation from the paper is known. That code "
            "has two variants: the one for training, followed here, joins to the last scores the normalised 1/2 "
            "features with the image beside them; the one for testing, which the released weights fit, joins the "
            "stem's output alone, which makes 362 949 parameters instead of 363 462: none of them can be loaded here."
        ),
    )
    multiple = 8

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        half, quarter = 16 + in_channels, 128 + in_channels
        self.stem = conv_norm_prelu(in_channels, 16, 3, stride=2)
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.join1 = norm_prelu(half)
        self.down2 = PyramidBlock(half, 64, stride=2)
        self.stage2 = nn.Sequential(*(PyramidBlock(64, 64) for _ in range(2)))
        self.join2 = norm_prelu(quarter)
        self.down3 = PyramidBlock(quarter, 128, stride=2)
        self.stage3 = nn.Sequential(*(PyramidBlock(128, 128) for _ in range(8)))
        self.scores3 = norm_prelu(256).append(nn.Conv2d(256, num_classes, 1, bias=False))
        self.up3 = nn.Sequential(nn.BatchNorm2d(num_classes, eps=1e-3), _doubling(num_classes))
        self.scores2 = nn.Conv2d(quarter, num_classes, 1, bias=False)
        self.up2 = nn.Sequential(
            norm_prelu(2 * num_classes),
            PyramidBlock(2 * num_classes, num_classes),
            _doubling(num_classes),
            norm_prelu(num_classes),
        )
        self.up1 = nn.Sequential(conv_norm_prelu(num_classes + half, num_classes, 3), _doubling(num_classes))

    def scores(self, images: Tensor) -> list[Tensor]:
        image = self.pool(images)
        half = self.join1(torch.cat([self.stem(images), image], dim=1))
        first = self.down2(half)
        quarter = self.join2(torch.cat([self.stage2(first), first, self.pool(image)], dim=1))
        first = self.down3(quarter)
        x = self.up3(self.scores3(torch.cat([first, self.stage3(first)], dim=1)))
        x = self.up2(torch.cat([self.scores2(quarter), x], dim=1))
        return [self.up1(torch.cat([x, half], dim=1))]


def _doubling(channels: int) -> nn.ConvTranspose2d:
    """(N, channels, H, W) to (N, channels, 2H, 2W)."""
    return nn.ConvTranspose2d(channels, channels, 2, stride=2, bias=False)
