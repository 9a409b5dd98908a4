"""AGLNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.blocks import channel_shuffle, downsampling, upsampling
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn_relu, resize_like

DILATIONS = (1, 2, 5, 9, 2, 5, 9, 17)


class SplitBlock(nn.Module):
    """Each half of the channels through 1-D convolutions, a shortcut, and a shuffle; keeps the shape (N, C, H, W)."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        vertical, horizontal = (3, 1), (1, 3)
        self.left = _branch(channels // 2, vertical, horizontal, dilation)
        self.right = _branch(channels // 2, horizontal, vertical, dilation)

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, dim=1)
        y = torch.cat([self.left(left), self.right(right)], dim=1)
        return channel_shuffle(F.relu(x + y), 2)


class AttentionPyramid(nn.Module):
    """Weights features by a map from a pyramid of 1-D convolutions and adds their means; keeps (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        self.level = nn.ModuleList()
        for in_channels, size in ((channels, 7), (1, 5), (1, 3)):
            self.down.append(conv_bn_relu(in_channels, 1, (1, size), stride=2))
            self.level.append(conv_bn_relu(1, 1, (size, 1)))
        self.expand = nn.Conv2d(1, channels, 1, bias=False)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        levels = []
        for down, level in zip(self.down, self.level, strict=True):
            y = down(y)
            levels.append(level(y))
        attention = levels.pop()
        for finer in reversed(levels):
            attention = resize_like(attention, finer) + finer
        weights: Tensor = self.expand(resize_like(attention, x))
        mean: Tensor = self.mean(x)
        return x * weights + mean


class AttentionUpsampling(nn.Module):
    """Features (N, in_channels, H/2, W/2) and a skip (N, channels, H, W), with attention, to (N, channels, H, W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.spatial = nn.Sequential(nn.Conv2d(channels, 1, 1, bias=False), nn.Sigmoid())
        self.upsampling = upsampling(in_channels, channels)
        self.channel = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels, 1, bias=False), nn.Sigmoid()
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        skip = skip * self.spatial(skip)
        upsampled: Tensor = self.upsampling(x)
        product = upsampled * skip
        weights: Tensor = self.channel(product)
        return product * weights * product + upsampled


class AGLNet(Comparator):
    """A LEDNet-like encoder to 1/8, an attention pyramid, and two decoder steps with attention to 1/2."""

    facts = Facts(
        title="AGLNet",
        paper=(
            "AGLNet: Towards real-time semantic segmentation of self-driving images via attention-guided lightweight "
            "network"
        ),
        year=2020,
        link="https://doi.org/10.1016/j.asoc.2020.106682",
        implementation="zh320/realtime-semantic-segmentation-pytorch",
        licence="Apache-2.0",
        deviation=(
            "Against the paper, it has 1.02 M parameters instead of 1.12 M. Against LEDNet, whose encoder it has, "
            "blocks end in ReLU without dropout, downsampling leaves the pooled channels raw, and the pyramid's "
            "convolutions are not in pairs. The product with the skip enters each decoder step twice, and so squared."
        ),
    )
    multiple = 8
    align_corners = True
    linked_names = (
        (r"\.(left|right)\.0\.0\.", r".\1_branch.0."),
        (r"\.(left|right)\.1\.", r".\1_branch.2."),
        (r"\.(left|right)\.2\.0\.", r".\1_branch.3."),
        (r"\.(left|right)\.3\.", r".\1_branch.5."),
        (r"^stage1\.0\.", "layer1."),
        (r"^stage2\.0\.", "layer5."),
        (r"^stage3\.0\.", "layer8."),
        *((rf"^stage1\.{i + 1}\.", f"layer2_4.{i}.") for i in range(3)),
        *((rf"^stage2\.{i + 1}\.", f"layer6_7.{i}.") for i in range(2)),
        *((rf"^stage3\.{i + 1}\.", f"layer9_16.{i}.") for i in range(8)),
        *((rf"^pyramid\.down\.{i}\.", f"layer17.pfa.conv{i + 1}1.") for i in range(3)),
        *((rf"^pyramid\.level\.{i}\.", f"layer17.pfa.conv{i + 1}2.") for i in range(3)),
        (r"^pyramid\.expand\.", "layer17.conv."),
        (r"^pyramid\.mean\.1\.", "layer17.gp.1."),
        (r"\.upsampling\.", ".up_conv."),
        (r"\.spatial\.0\.", ".sab.conv."),
        (r"\.channel\.1\.", ".cab.conv."),
        (r"^upsampling2\.", "layer18."),
        (r"^upsampling1\.", "layer19."),
        (r"^classifier\.", "layer20."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(downsampling(in_channels, 32), *(SplitBlock(32) for _ in range(3)))
        self.stage2 = nn.Sequential(downsampling(32, 64), *(SplitBlock(64) for _ in range(2)))
        self.stage3 = nn.Sequential(downsampling(64, 128), *(SplitBlock(128, dilation) for dilation in DILATIONS))
        self.pyramid = AttentionPyramid(128)
        self.upsampling2 = AttentionUpsampling(128, 64)
        self.upsampling1 = AttentionUpsampling(64, 32)
        self.classifier = nn.Conv2d(32, num_classes, 1, bias=False)

    def scores(self, images: Tensor) -> list[Tensor]:
        half = self.stage1(images)
        quarter = self.stage2(half)
        x = self.pyramid(self.stage3(quarter))
        x = self.upsampling1(self.upsampling2(x, quarter), half)
        return [resize_like(self.classifier(x), images)]


def _branch(channels: int, first: tuple[int, int], second: tuple[int, int], dilation: int) -> nn.Sequential:
    """Four 1-D convolutions of two directions in turn, the last two dilated; keeps the shape (N, channels, H, W)."""
    return nn.Sequential(
        conv_bn_relu(channels, channels, first, bias=True, norm=False),
        conv_bn_relu(channels, channels, second),
        conv_bn_relu(channels, channels, first, dilation=dilation, bias=True, norm=False),
        conv_bn_relu(channels, channels, second, dilation=dilation),
    )
