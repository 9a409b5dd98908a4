"""SwiftNet-18: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import BasicBlock, ResNet, plain_stem
from mfaranet.models.comparator import Comparator, plain_resnet_names
from mfaranet.models.facts import Facts
from mfaranet.models.layers import grid_mean, resize_to, resized

WIDTH = 128


class SwiftNet(Comparator):
    """ResNet-18, pyramid pooling at 1/32, and three steps up to 1/4 that add what the encoder has there."""

    facts = Facts(
        title="SwiftNet-18",
        backbone="ResNet-18",
        paper=(
            "In Defense of Pre-trained ImageNet Architectures for Real-time Semantic Segmentation of Road-driving "
            "Images"
        ),
        year=2019,
        link="https://arxiv.org/abs/1903.08469",
        implementation="orsic/swiftnet",
        official=True,
        licence="GPL-3.0",
        deviation=(
            "Its single-scale SwiftNetRN-18. Against the paper, the decoder takes the encoder's sums after their ReLU, "
            "which works in place there, instead of before it. The mean and deviation that that network applies to its "
            "input itself are left to the caller."
        ),
    )
    linked_names = (
        *plain_resnet_names("backbone."),
        (r"^pooling\.reduce\.", "backbone.spp.spp.spp_bn."),
        (r"^pooling\.levels\.", "backbone.spp.spp.spp"),
        (r"^pooling\.merge\.", "backbone.spp.spp.spp_fuse."),
        (r"^laterals\.(\d)\.", r"backbone.upsample.\1.bottleneck."),
        (r"^blends\.(\d)\.", r"backbone.upsample.\1.blend_conv."),
        (r"^classifier\.", "logits."),
        (r"(spp|upsample|logits)(.*)\.0\.(?=\w+$)", r"\1\2.norm."),
        (r"(spp|upsample|logits)(.*)\.2\.(?=\w+$)", r"\1\2.conv."),
    )
    left_out = ("backbone.img_",)

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.backbone = ResNet(ShortcutFirstBlock, (2, 2, 2, 2), stem=plain_stem(in_channels), stem_channels=64)
        *lateral_channels, channels = self.backbone.channels
        self.pooling = SpatialPyramidPooling(channels, WIDTH)
        self.laterals = nn.ModuleList(bn_relu_conv(each, WIDTH, 1) for each in reversed(lateral_channels))
        self.blends = nn.ModuleList(bn_relu_conv(WIDTH, WIDTH, 3) for _ in lateral_channels)
        self.classifier = bn_relu_conv(WIDTH, num_classes, 1, bias=True)

    def scores(self, images: Tensor) -> list[Tensor]:
        *features, x = self.backbone(images)
        x = self.pooling(x)
        for feature, lateral, blend in zip(reversed(features), self.laterals, self.blends, strict=True):
            side = lateral(feature)
            x = blend(resized(x, (side.shape[-2], side.shape[-1])) + side)
        return [self.classifier(x)]


class ShortcutFirstBlock(BasicBlock):
    """BasicBlock with the linked implementation's order of execution."""

    def forward(self, x: Tensor) -> Tensor:
        shortcut = self.downsample(x)
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + shortcut, inplace=True)


class SpatialPyramidPooling(nn.Module):
    """Averages over grids of 8, 4 and 2 rows, of square cells: (N, in_channels, H, W) to (N, channels, H, W)."""

    rows = (8, 4, 2)
    momentum = 0.005

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        level = channels // len(self.rows)
        self.reduce = bn_relu_conv(in_channels, channels, 1, momentum=self.momentum)
        self.levels = nn.ModuleList(bn_relu_conv(channels, level, 1, momentum=self.momentum) for _ in self.rows)
        self.merge = bn_relu_conv(channels + len(self.rows) * level, channels, 1, momentum=self.momentum)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        height, width = x.shape[-2:]
        maps = [x]
        for rows, conv in zip(self.rows, self.levels, strict=True):
            columns = max(1, rounded_ratio(rows * width, height))
            level = conv(grid_mean(x, rows, columns))
            maps.append(resize_to(level, (height, width), align_corners=False))
        merged: Tensor = self.merge(torch.cat(maps, dim=1))
        return merged


def rounded_ratio(a: int, b: int) -> int:
    """round(a / b), halves to the even one, of positive numbers that may be symbols of torch.export."""
    rest = 2 * a + 3 * b
    is_half_above_even = 1 + rest // (4 * b) - (rest + 4 * b - 1) // (4 * b)
    return (2 * a + b) // (2 * b) - is_half_above_even


def bn_relu_conv(
    in_channels: int, channels: int, kernel_size: int, bias: bool = False, momentum: float = 0.1
) -> nn.Sequential:
    """Pre-activated convolution: (N, in_channels, H, W) to (N, channels, H, W)."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels, momentum=momentum),
        nn.ReLU(inplace=True),
        nn.Conv2d(in_channels, channels, kernel_size, padding=kernel_size // 2, bias=bias),
    )
