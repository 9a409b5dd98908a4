"""STDC (short-term dense concatenate) networks."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mfaranet.models.backbones.encoder import Encoder
from mfaranet.models.backbones.resnet import NO_DROPOUT
from mfaranet.models.layers import conv_bn_relu


class STDCBlock(nn.Module):
    """Four convolutions in a row, whose outputs side by side are the block's: (N, C, H, W) to (N, channels, h, w)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        widths = (channels // 2, channels // 4, channels // 8, channels // 8)
        self.convs = nn.ModuleList([conv_bn_relu(in_channels, widths[0], 1)])
        self.convs.extend(conv_bn_relu(a, b, 3) for a, b in pairwise(widths))
        self.down = nn.Sequential()
        self.pool = nn.Sequential()
        if stride == 2:
            first = widths[0]
            self.down.append(nn.Conv2d(first, first, 3, stride=2, padding=1, groups=first, bias=False))
            self.down.append(nn.BatchNorm2d(first))
            self.pool.append(nn.AvgPool2d(3, stride=2, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        first = self.convs[0](x)
        outputs = [self.pool(first)]
        x = self.down(first)
        for conv in self.convs[1:]:
            x = conv(x)
            outputs.append(x)
        return torch.cat(outputs, dim=1)


class STDC(Encoder):
    """STDC with the given numbers of blocks in layer2, layer3 and layer4; the first block of each has stride 2.

    Args:
        blocks: number of blocks.
        dropout: rates of whole channels, after the stem and each of the four layers.
        in_channels: of the images.
    """

    def __init__(
        self, blocks: tuple[int, int, int], dropout: Sequence[float] = NO_DROPOUT, in_channels: int = 3
    ) -> None:
        stem = nn.Sequential(conv_bn_relu(in_channels, 32, 3, stride=2), nn.Dropout2d(dropout[0]))
        layers = [nn.Sequential(conv_bn_relu(32, 64, 3, stride=2), nn.Dropout2d(dropout[1]))]
        channels = (64, 256, 512, 1024)
        for count, previous, width, rate in zip(blocks, channels[:-1], channels[1:], dropout[2:], strict=True):
            layers.append(
                nn.Sequential(
                    STDCBlock(previous, width, stride=2),
                    *(STDCBlock(width, width, stride=1) for _ in range(count - 1)),
                    nn.Dropout2d(rate),
                )
            )
        super().__init__(stem, layers, channels)


def stdc1(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> STDC:
    """STDC V1 (813). ``dilated`` changes nothing: the official code dilates ResNets only."""
    return STDC((2, 2, 2), dropout)


def stdc2(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True, in_channels: int = 3) -> STDC:
    """STDC V2 (1446). ``dilated`` changes nothing: the official code dilates ResNets only."""
    return STDC((4, 5, 3), dropout, in_channels)
