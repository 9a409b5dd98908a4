"""SGCPNet2: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu

STAGES = (  # blocks to 1/8, 1/16 and 1/32: kernel, expanded and output channels, activation, gate, stride
    ((3, 16, 16, nn.ReLU, True, 2), (3, 72, 24, nn.ReLU, False, 2), (3, 88, 24, nn.ReLU, False, 1)),
    (
        (5, 96, 40, nn.Hardswish, True, 2),
        (5, 240, 40, nn.Hardswish, True, 1),
        (5, 240, 40, nn.Hardswish, True, 1),
        (5, 120, 48, nn.Hardswish, True, 1),
        (5, 144, 48, nn.Hardswish, True, 1),
    ),
    (
        (5, 288, 96, nn.Hardswish, True, 2),
        (5, 576, 96, nn.Hardswish, True, 1),
        (5, 576, 96, nn.Hardswish, True, 1),
    ),
)
# Nodes of the pyramid: of the fused ones the number of inputs, of the others the channels.
FUSIONS = {"t6": 2, "t5": 2, "t4": 2, "o3": 2, "o4": 3, "o5": 3, "o6": 3, "o7": 2, "u6": 2, "u5": 2, "u4": 2, "u3": 2}
LATERALS = {"a6": 320, "a3": 40, "a4": 112, "a5": 320, "b4": 112, "b5": 320}
CHANNELS = 64
PATHS = "sgcp.td_bu.unit.0"
"""The linked implementation's name of the pyramid but for its second way down."""


class SGCPNet(Comparator):
    """A backbone like MobileNetV3's, and a weighted pyramid that takes context down, up and down again.

    The pyramid's levels 3 to 7 are at 1/8 to 1/128. Nodes a and b are projected features; t, o and u are fused ones, of
    the first way down, the way up and the second way down.
    """

    facts = Facts(
        title="SGCPNet2",
        backbone="MobileNetV3-small",
        paper="Real-Time Semantic Segmentation via Spatial-Detail Guided Context Propagation",
        year=2022,
        link="https://arxiv.org/abs/2005.11034",
        implementation="zhouyuan888888/SGCPNet",
        official=True,
        deviation=(
            "It has one network only: that the 2 means images of 1024x2048 is inferred. There the scores are at 1/8 "
            "and resized outside: bilinear in training, bicubic in testing, while here both are bilinear. It "
            "starts from scratch here: torchvision's MobileNetV3-small has its gates before the projection, and the "
            "names in the ImageNet file of that code are not known."
        ),
    )
    linked_names = (
        (r"^backbone\.stem\.0\.", "l1."),
        (r"^backbone\.stages\.0\.0\.", "l2."),
        (r"^backbone\.stages\.0\.1\.", "l3.0."),
        (r"^backbone\.stages\.0\.2\.", "l3.1."),
        (r"^backbone\.stages\.1\.", "l4."),
        (r"^backbone\.stages\.2\.", "l5."),
        *((rf"\.convs\.{2 * i}\.0\.", f".conv{i + 1}.") for i in range(3)),
        *((rf"\.convs\.{2 * i}\.1\.", f".bn{i + 1}.") for i in range(3)),
        *((rf"\.gate\.{1 + i // 2}\.{i % 2}\.", f".se.se.{(1, 2, 4, 5)[i]}.") for i in range(4)),
        *((rf"^adapters\.{i}\.", f"conv{i + 3}.") for i in range(3)),
        (r"^laterals\.(\w+)\.0\.", r"laterals.\1.0.conv."),
        (r"^laterals\.a6\.", f"{PATHS}.p5_to_p6."),
        (r"^laterals\.a(\d)\.", rf"{PATHS}.p\1_down_channel."),
        (r"^laterals\.b(\d)\.", rf"{PATHS}.p\1_down_channel_2."),
        (r"^fusions\.(\w+)\.conv\.1\.", r"fusions.\1.depthwise_conv.conv."),
        (r"^fusions\.(\w+)\.conv\.2\.", r"fusions.\1.pointwise_conv.conv."),
        (r"^fusions\.(\w+)\.conv\.3\.", r"fusions.\1.bn."),
        (r"^fusions\.u(\d)\.weight$", r"sgcp.td.p\1_w1"),
        (r"^fusions\.u(\d)\.", r"sgcp.td.conv\1_up."),
        (r"^fusions\.(?:t(\d)|o(3))\.weight$", rf"{PATHS}.p\1\2_w1"),
        (r"^fusions\.(?:t(\d)|o(3))\.", rf"{PATHS}.conv\1\2_up."),
        (r"^fusions\.o(\d)\.weight$", rf"{PATHS}.p\1_w2"),
        (r"^fusions\.o(\d)\.", rf"{PATHS}.conv\1_down."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.backbone = Backbone(in_channels)
        self.adapters = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in ((24, 40), (48, 112), (96, 320)))
        self.laterals = nn.ModuleDict(
            {node: nn.Sequential(nn.Conv2d(width, CHANNELS, 1), pyramid_norm()) for node, width in LATERALS.items()}
        )
        self.fusions = nn.ModuleDict({node: Fusion(count) for node, count in FUSIONS.items()})
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.classifier = nn.Conv2d(CHANNELS, num_classes, 1)

    def scores(self, images: Tensor) -> list[Tensor]:
        features = self.backbone(images)
        p3, p4, p5 = (adapt(feature) for adapt, feature in zip(self.adapters, features, strict=True))
        lateral, fuse, pool = self.laterals, self.fusions, self.pool

        a6 = pool(lateral["a6"](p5))
        a7 = pool(a6)
        a3, a4, a5 = lateral["a3"](p3), lateral["a4"](p4), lateral["a5"](p5)
        t6 = fuse["t6"](a6, a7)
        t5 = fuse["t5"](a5, t6)
        t4 = fuse["t4"](a4, t5)
        o3 = fuse["o3"](a3, t4)

        b4, b5 = lateral["b4"](p4), lateral["b5"](p5)
        o4 = fuse["o4"](b4, t4, pool(o3))
        o5 = fuse["o5"](b5, t5, pool(o4))
        o6 = fuse["o6"](a6, t6, pool(o5))
        o7 = fuse["o7"](a7, pool(o6))

        u6 = fuse["u6"](o6, o7)
        u5 = fuse["u5"](o5, u6)
        u4 = fuse["u4"](o4, u5)
        u3 = fuse["u3"](o3, u4)
        return [self.classifier(u3)]


class Backbone(nn.Module):
    """Images (N, in_channels, H, W) to features of 24, 48 and 96 channels at 1/8, 1/16 and 1/32 of the size."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv_bn(in_channels, 16, 3, stride=2), nn.Hardswish(inplace=True))
        self.stages = nn.ModuleList()
        width = 16
        for blocks in STAGES:
            stage = nn.Sequential()
            for kernel, expanded, channels, activation, gate, stride in blocks:
                stage.append(Block(kernel, width, expanded, channels, activation, gate, stride))
                width = channels
            self.stages.append(stage)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = [self.stem(images)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        return features[1:]


class Block(nn.Module):
    """MobileNetV3's block, but gated after the projection: to (N, channels, H/stride, W/stride)."""

    def __init__(
        self,
        kernel: int,
        in_channels: int,
        expanded: int,
        channels: int,
        activation: Callable[[], nn.Module],
        gate: bool,
        stride: int,
    ) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            conv_bn(in_channels, expanded, 1),
            activation(),
            conv_bn(expanded, expanded, kernel, stride, groups=expanded),
            activation(),
            conv_bn(expanded, channels, 1),
        )
        self.gate = None
        if gate:
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                conv_bn_relu(channels, channels // 4, 1),
                conv_bn(channels // 4, channels, 1),
                nn.Hardsigmoid(),
            )
        self.shortcut: nn.Module | None = None
        if stride == 1:
            self.shortcut = nn.Identity() if in_channels == channels else conv_bn(in_channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs(x)
        if self.gate is not None:
            y = y * self.gate(y)
        return y if self.shortcut is None else y + self.shortcut(x)


class Fusion(nn.Module):
    """Weighted mean of ``count`` maps (N, 64, h_i, w_i) at the size of the first, then a separable convolution."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(count))
        self.conv = nn.Sequential(
            nn.SiLU(),
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, groups=CHANNELS, bias=False),
            nn.Conv2d(CHANNELS, CHANNELS, 1),
            pyramid_norm(),
        )

    def forward(self, *maps: Tensor) -> Tensor:
        size = (maps[0].shape[-2], maps[0].shape[-1])
        weight = F.relu(self.weight)
        weight = weight / (weight.sum() + 1e-4)
        fused: Tensor = weight[0] * maps[0]
        for share, each in zip(weight[1:], maps[1:], strict=True):
            fused = fused + share * F.interpolate(each, size, mode="nearest")
        fused = self.conv(fused)
        return fused


def pyramid_norm() -> nn.BatchNorm2d:
    """Normalisation with the pyramid's constants, which are not PyTorch's defaults."""
    return nn.BatchNorm2d(CHANNELS, eps=1e-3, momentum=0.01)
