"""ResNet, with a deep stem (three 3x3 convolutions, as the official MFARANet has it) or the plain one (a 7x7)."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.encoder import Encoder
from mfaranet.models.layers import conv_bn_relu

NO_DROPOUT = (0.0, 0.0, 0.0, 0.0, 0.0)
NO_DILATION = (1, 1, 1, 1)
DILATION = (1, 1, 2, 4)
STRIDES_TO_32 = (1, 2, 2, 2)
STRIDES_TO_8 = (1, 2, 1, 1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: (N, in_channels, H, W) to (N, width, H/stride, W/stride).

    Args:
        projection: makes the shortcut where size or channels change.
        dilation: of the second convolution; the first has the stride.
    """

    expansion = 1

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, projection: nn.Module | None = None, dilation: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = projection or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y)) + self.downsample(x)
        return F.relu(y, inplace=True)


class Bottleneck(nn.Module):
    """A 3x3 convolution between two 1x1 ones, and a shortcut: to (N, 4 * width, H/stride, W/stride).

    Args as in BasicBlock; stride and dilation are those of the 3x3 convolution.
    """

    expansion = 4
    stride_first = False
    """The first 1x1 convolution has the stride."""

    def __init__(
        self, in_channels: int, width: int, stride: int = 1, projection: nn.Module | None = None, dilation: int = 1
    ) -> None:
        super().__init__()
        strides = (stride, 1) if self.stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, strides[0], bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, strides[1], padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, self.expansion * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(self.expansion * width)
        self.downsample = projection or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return F.relu(y, inplace=True)


class StrideFirstBottleneck(Bottleneck):
    """The bottleneck as it was first published (in Caffe): the first 1x1 convolution has the stride."""

    stride_first = True


class ResNet(Encoder):
    """ResNet of four layers with the given numbers of blocks.

    Args:
        block: BasicBlock or Bottleneck.
        blocks: number of blocks in each layer.
        dropout: rates of whole channels, in the stem (before its pooling) and after each of the four layers.
        strides: of the first block of each layer.
        dilations: of the second convolution of the blocks of each layer.
        first_dilations: of the first block of each layer, where they differ from ``dilations``.
        stem: what comes before the first layer, to 1/4 of the size; the deep stem by default.
        stem_channels: of its output.
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        blocks: tuple[int, int, int, int],
        dropout: Sequence[float] = NO_DROPOUT,
        *,
        strides: Sequence[int] = STRIDES_TO_32,
        dilations: Sequence[int] = NO_DILATION,
        first_dilations: Sequence[int] | None = None,
        stem: nn.Sequential | None = None,
        stem_channels: int = 128,
    ) -> None:
        stem = stem or deep_stem(3, dropout[0])
        widths = (64, 128, 256, 512)
        channels = [stem_channels, *(width * block.expansion for width in widths)]
        first = first_dilations or dilations
        layers = [
            nn.Sequential(
                *residual_stage(block, channels[i], widths[i], blocks[i], strides[i], dilations[i], first[i]),
                nn.Dropout2d(dropout[i + 1]),
            )
            for i in range(4)
        ]
        super().__init__(stem, layers, tuple(channels[1:]))


def deep_stem(in_channels: int, dropout: float = 0.0) -> nn.Sequential:
    """Three 3x3 convolutions and a pooling: (N, in_channels, H, W) to (N, 128, H/4, W/4)."""
    return nn.Sequential(
        *conv_bn_relu(in_channels, 64, 3, stride=2),
        *conv_bn_relu(64, 64, 3),
        *conv_bn_relu(64, 128, 3),
        nn.Dropout2d(dropout),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def plain_stem(in_channels: int, ceil_mode: bool = False) -> nn.Sequential:
    """One 7x7 convolution and a pooling, in ``ceil_mode`` to H/4 + 1: (N, in_channels, H, W) to (N, 64, H/4, W/4)."""
    pool = nn.MaxPool2d(3, stride=2, padding=1, ceil_mode=ceil_mode)
    return nn.Sequential(*conv_bn_relu(in_channels, 64, 7, stride=2), pool)


def plain_resnet18(in_channels: int = 3) -> ResNet:
    """ResNet-18 as it was published: the plain stem, no dilation."""
    return ResNet(BasicBlock, (2, 2, 2, 2), stem=plain_stem(in_channels), stem_channels=64)


def plain_resnet101(in_channels: int = 3) -> ResNet:
    """ResNet-101 with the plain stem and no dilation; the 3x3 convolutions have the strides."""
    return ResNet(Bottleneck, (3, 4, 23, 3), stem=plain_stem(in_channels), stem_channels=64)


def resnet18(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> ResNet:
    """ResNet-18 with the deep stem.

    ``dilated`` is as in the official code: the second convolutions of layer3 and layer4 are dilated while the strides
    stay, which changes neither parameters nor MACs.
    """
    return ResNet(BasicBlock, (2, 2, 2, 2), dropout, dilations=DILATION if dilated else NO_DILATION)


def resnet50(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> ResNet:
    """ResNet-50 with the deep stem; ``dilated`` as in resnet18."""
    return ResNet(Bottleneck, (3, 4, 6, 3), dropout, dilations=DILATION if dilated else NO_DILATION)


def residual_stage(
    block: type[BasicBlock | Bottleneck],
    in_channels: int,
    width: int,
    blocks: int,
    stride: int,
    dilation: int = 1,
    first_dilation: int | None = None,
) -> nn.Sequential:
    """Blocks of ``width * block.expansion`` channels; the first has the stride, and a projection where it needs one.

    The first has ``first_dilation``, by default the others' ``dilation``.
    """
    channels = width * block.expansion
    projection = None
    if stride != 1 or in_channels != channels:
        projection = nn.Sequential(
            nn.Conv2d(in_channels, channels, 1, stride, bias=False),
            nn.BatchNorm2d(channels),
        )
    first = block(in_channels, width, stride, projection, first_dilation or dilation)
    return nn.Sequential(first, *(block(channels, width, dilation=dilation) for _ in range(blocks - 1)))
