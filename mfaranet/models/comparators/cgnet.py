"""CGNet (M3N21): its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mfaranet.models.blocks import channel_weights, conv_norm_prelu, norm_prelu
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn


class ContextGuidedBlock(nn.Module):
    """Local and dilated depthwise convolutions side by side, their channels weighted.

    (N, channels, H, W) in and out, with a shortcut; or, downsampling, (N, in_channels, H, W) to
    (N, channels, H/2, W/2), without one.

    Args:
        in_channels: of the block that downsamples; None makes one that keeps the shape.
        dilation: of the surrounding context.
        reduction: of the weights' hidden layer.
    """

    def __init__(self, channels: int, dilation: int, reduction: int, in_channels: int | None = None) -> None:
        super().__init__()
        self.shortcut = in_channels is None
        width = channels // 2 if in_channels is None else channels
        if in_channels is None:
            self.reduce = conv_norm_prelu(channels, width, 1)
        else:
            self.reduce = conv_norm_prelu(in_channels, width, 3, stride=2)
        self.local = conv_bn(width, width, 3, groups=width, norm=False)
        self.surrounding = conv_bn(width, width, 3, dilation=dilation, groups=width, norm=False)
        self.join = norm_prelu(2 * width)
        if in_channels is not None:
            self.join.append(nn.Conv2d(2 * width, channels, 1, bias=False))
        self.weights = channel_weights(channels, reduction)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        y = self.join(torch.cat([self.local(y), self.surrounding(y)], dim=1))
        weighted: Tensor = y * self.weights(y)
        return x + weighted if self.shortcut else weighted


class CGNet(Comparator):
    """Context guided blocks at 1/4 and 1/8, to which the image itself comes again twice; no decoder.

    Args:
        blocks: of the two stages, the downsampling ones included.
    """

    facts = Facts(
        title="CGNet (M3N21)",
        paper="CGNet: A Light-weight Context Guided Network for Semantic Segmentation",
        year=2018,
        link="https://arxiv.org/abs/1811.08201",
        implementation="wutianyiRosun/CGNet",
        official=True,
        licence="MIT",
        deviation="With 3 and 21 blocks (M3N21). No deviation from the paper is known.",
    )
    linked_names = (
        (r"\.reduce\.", ".conv1x1."),
        (r"^down(\d)\.join\.2\.", r"level\1_0.reduce.conv."),
        (r"^down(\d)\.(?:join\.)?", r"level\1_0."),
        (r"^stage(\d)\.", r"level\1."),
        (r"^stem\.", "level1_"),
        (r"\.local\.0\.", ".F_loc.conv."),
        (r"\.surrounding\.0\.", ".F_sur.conv."),
        (r"\.weights\.2\.", ".F_glo.fc.0."),
        (r"\.weights\.4\.", ".F_glo.fc.2."),
        (r"\.join\.", ".bn_prelu."),
        (r"^join1\.", "b1."),
        (r"^join2\.", "bn_prelu_2."),
        (r"^classifier\.2\.", "classifier.0.conv."),
        (r"^classifier\.(\d\.\w+)$", r"bn_prelu_3.\1"),
        (r"(conv1x1|level1_\d)\.0\.", r"\1.conv."),
        (r"(conv1x1|level1_\d)\.1\.", r"\1.bn."),
        (r"(conv1x1|level1_\d)\.2\.", r"\1.act."),
        (r"(level\d_0|bn_prelu|bn_prelu_\d|b1)\.0\.", r"\1.bn."),
        (r"(level\d_0|bn_prelu|bn_prelu_\d|b1)\.1\.", r"\1.act."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3, blocks: Sequence[int] = (3, 21)) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv_norm_prelu(in_channels, 32, 3, stride=2), conv_norm_prelu(32, 32, 3), conv_norm_prelu(32, 32, 3)
        )
        self.pool = nn.AvgPool2d(3, stride=2, padding=1)
        self.join1 = norm_prelu(32 + in_channels)
        self.down2 = ContextGuidedBlock(64, dilation=2, reduction=8, in_channels=32 + in_channels)
        self.stage2 = nn.Sequential(*(ContextGuidedBlock(64, 2, 8) for _ in range(blocks[0] - 1)))
        self.join2 = norm_prelu(128 + in_channels)
        self.down3 = ContextGuidedBlock(128, dilation=4, reduction=16, in_channels=128 + in_channels)
        self.stage3 = nn.Sequential(*(ContextGuidedBlock(128, 4, 16) for _ in range(blocks[1] - 1)))
        self.classifier = norm_prelu(256).append(nn.Conv2d(256, num_classes, 1, bias=False))

    def scores(self, images: Tensor) -> list[Tensor]:
        half = self.pool(images)
        first = self.down2(self.join1(torch.cat([self.stem(images), half], dim=1)))
        joined = self.join2(torch.cat([self.stage2(first), first, self.pool(half)], dim=1))
        first = self.down3(joined)
        return [self.classifier(torch.cat([first, self.stage3(first)], dim=1))]
