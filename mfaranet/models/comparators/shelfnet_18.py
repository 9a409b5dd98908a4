"""ShelfNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import BasicBlock, ResNet
from mfaranet.models.blocks import ChannelGate
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn

WIDTHS = (64, 128, 256)
"""Channels at 1/8, 1/16 and 1/32, in every column after the backbone."""


class ShelfNet18(Comparator):
    """ResNet-18, then three columns on the scales 1/8 to 1/32: up, down and up again. Two auxiliary heads."""

    facts = Facts(
        title="ShelfNet",
        backbone="ResNet-18",
        paper="ShelfNet for Fast Semantic Segmentation",
        year=2019,
        link="https://arxiv.org/abs/1811.11254",
        implementation="juntang-zhuang/ShelfNet",
        official=True,
        deviation=(
            "Its lightweight ShelfNet18 for Cityscapes. Its in-place activated normalisation is an ordinary one here "
            "(its scale is the weight, not the weight's absolute value) and a leaky ReLU, and the block that it never "
            "executes does not exist. Its weights are not loaded here: the names in its encoder's file are not known. "
            "As there, the encoder starts from the ImageNet weights of a ResNet-18 whose activations do not leak."
        ),
    )
    multiple = 32
    align_corners = True

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        stem = conv_bn_leaky(in_channels, 64, 7, stride=2).append(nn.MaxPool2d(3, stride=2, padding=1))
        self.backbone = ResNet(LeakyBlock, (2, 2, 2, 2), stem=stem, stem_channels=64)
        self.laterals = nn.ModuleList(conv_bn_leaky(2 * width, width, 1) for width in WIDTHS)
        self.deepest = SharedBlock(WIDTHS[-1])
        self.first_up = nn.ModuleList(UpStep(width) for width in WIDTHS[-2::-1])
        self.entry = SharedBlock(WIDTHS[0])
        self.down_blocks = nn.ModuleList(SharedBlock(width) for width in WIDTHS)
        self.down_convs = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, 2 * width, 3, stride=2, padding=1), nn.ReLU(inplace=True))
            for width in WIDTHS[:-1]
        )
        self.second_up = nn.ModuleList(UpStep(width) for width in WIDTHS[-2::-1])
        self.head, *auxiliary_heads = (score_head(width, num_classes) for width in WIDTHS)
        self.auxiliary_heads = nn.ModuleList(auxiliary_heads)

    def scores(self, images: Tensor) -> list[Tensor]:
        features = [lateral(x) for lateral, x in zip(self.laterals, self.backbone(images)[1:], strict=True)]
        features[-1] = self.deepest(features[-1])
        features = climb(features, self.first_up)
        features = climb(self._descend(features), self.second_up)
        maps = [self.head(features[0])]
        if self.training:
            maps += [head(x) for head, x in zip(self.auxiliary_heads, features[1:], strict=True)]
        return maps

    def _descend(self, features: list[Tensor]) -> list[Tensor]:
        """The column from 1/8 to 1/32; the coarsest feature that it is given has no part in it."""
        x = self.entry(features[0])
        column = []
        for block, conv, feature in zip(self.down_blocks, self.down_convs, features, strict=False):
            column.append(block(x + feature))
            x = conv(column[-1])
        return [*column, self.down_blocks[-1](x)]


class LeakyBlock(BasicBlock):
    """BasicBlock whose first activation is leaky."""

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.bn1(self.conv1(x)), 0.01, inplace=True)
        y = self.bn2(self.conv2(y)) + self.downsample(x)
        return F.relu(y, inplace=True)


class SharedBlock(nn.Module):
    """A residual block that applies one 3x3 convolution twice: (N, channels, H, W) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout2d(0.1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = F.leaky_relu(self.bn1(self.conv(x)), 0.01, inplace=True)
        y = self.bn2(self.conv(self.dropout(y)))
        return F.relu(y + x, inplace=True)


class UpStep(nn.Module):
    """(N, 2 * channels, H, W) to a lateral's (N, channels, 2H, 2W), which is added."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            conv_bn_leaky(2 * channels, channels, 3), ChannelGate(channels), nn.Upsample(scale_factor=2)
        )
        self.merge = conv_bn_leaky(channels, channels, 3)

    def forward(self, x: Tensor, lateral: Tensor) -> Tensor:
        merged: Tensor = self.merge(self.up(x) + lateral)
        return merged


def climb(features: list[Tensor], steps: nn.ModuleList) -> list[Tensor]:
    """The column from the last and coarsest feature to the first; the same shapes, in the same order."""
    column = [features[-1]]
    for step, lateral in zip(steps, features[-2::-1], strict=True):
        column.append(step(column[-1], lateral))
    return column[::-1]


def conv_bn_leaky(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution, normalisation and leaky ReLU: to (N, channels, H/stride, W/stride)."""
    return conv_bn(in_channels, channels, kernel_size, stride).append(nn.LeakyReLU(0.01, inplace=True))


def score_head(in_channels: int, num_classes: int) -> nn.Sequential:
    """(N, in_channels, H, W) to (N, num_classes, H, W)."""
    return nn.Sequential(conv_bn_leaky(in_channels, 64, 3), nn.Conv2d(64, num_classes, 3, padding=1, bias=False))
