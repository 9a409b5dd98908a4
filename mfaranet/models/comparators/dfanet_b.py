"""DFANet-B: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, resize_like

STEM_CHANNELS = 8
CONVS = (4, 6, 4)
IMAGENET_CLASSES = 1000


class SeparableBlock(nn.Module):
    """Separable convolutions and a shortcut: (N, in_channels, H, W) to (N, channels, H/stride, W/stride)."""

    def __init__(self, in_channels: int, channels: int, convs: int, stride: int = 1) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for i, width in enumerate([in_channels, *[channels] * (convs - 1)]):
            layers.append(nn.ReLU(inplace=i > 0))  # the first one's input is the shortcut's too
            layers.append(nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False))
            layers.extend(conv_bn(width, channels, 1))
        if stride == 2:
            layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        self.main = nn.Sequential(*layers)
        same = stride == 1 and in_channels == channels
        self.shortcut = nn.Identity() if same else conv_bn(in_channels, channels, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.main(x) + self.shortcut(x)
        return y


class Backbone(nn.Module):
    """Three stages and an attention of the last one's channels, without a sigmoid.

    Args:
        entries: what comes before each stage; see ``entries``.
        widths: output channels of the stages.
    """

    def __init__(self, entries: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.entries = nn.ModuleList(entries)
        self.stages = nn.ModuleList()
        for in_channels, width, convs in zip((STEM_CHANNELS, *widths), widths, CONVS, strict=False):
            inner = width // 4
            stage = nn.Sequential(
                SeparableBlock(in_channels, inner, convs),
                SeparableBlock(inner, inner, convs),
                SeparableBlock(inner, width, convs, stride=2),
            )
            self.stages.append(stage)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(widths[-1], IMAGENET_CLASSES),
            nn.Unflatten(1, (IMAGENET_CLASSES, 1, 1)),
            nn.Conv2d(IMAGENET_CLASSES, widths[-1], 1),
        )

    def forward(self, x: Tensor, previous: Sequence[Tensor] = ()) -> list[Tensor]:
        """The stages' outputs (N, widths[i], h_i, w_i), each half as large as the one before, and the attention's.

        Args:
            x: images, or the attention's output of the backbone before.
            previous: the stages' outputs of the backbone before, if there is one.
        """
        if previous:
            x = resize_like(x, previous[0])
        features = []
        for i, (entry, stage) in enumerate(zip(self.entries, self.stages, strict=True)):
            x = stage(entry(torch.cat([x, previous[i]], dim=1) if previous else x))
            features.append(x)
        return [*features, x * self.attention(x)]


class DFANet(Comparator):
    """Three backbones in a row, each fed with what the one before found, and a sum of projections of their features.

    Args:
        widths: output channels of each backbone's stages; (32, 64, 128) would be those of the paper's DFANet-B.
    """

    facts = Facts(
        title="DFANet-B",
        backbone="Xception",
        paper="DFANet: Deep Feature Aggregation for Real-Time Semantic Segmentation",
        year=2019,
        link="https://arxiv.org/abs/1904.02216",
        implementation="jandylin/DFANet_PyTorch",
        deviation=(
            "It is linked for DFANet-B though its stages have the widths of DFANet-A. Against the paper's A, a stage "
            "is three residual blocks of 4, 6 and 4 separable convolutions, all run before the stride: about a quarter "
            "of the parameters, four times the MACs. One classifier serves all three attention outputs. What that code "
            "builds but never executes is not here. It comes without trained weights, those of ImageNet included, and "
            "the names of its entries are not known here, so it starts from scratch."
        ),
    )
    multiple = 64
    align_corners = True

    def __init__(self, num_classes: int = 19, in_channels: int = 3, widths: Sequence[int] = (48, 96, 192)) -> None:
        super().__init__()
        stem = conv_bn(in_channels, STEM_CHANNELS, 3, stride=2)
        self.backbone = nn.ModuleList([Backbone([stem, nn.Identity(), nn.Identity()], widths)])
        self.backbone.extend(Backbone(reductions(widths), widths) for _ in range(2))
        self.detail_heads = nn.ModuleList(head(widths[0], 32) for _ in self.backbone)
        self.detail_classifier = head(32, num_classes)
        self.context_classifier = head(widths[-1], num_classes)

    def scores(self, images: Tensor) -> list[Tensor]:
        x = images
        stages: list[Tensor] = []
        details, contexts = [], []
        for backbone in self.backbone:
            *stages, x = backbone(x, stages)
            details.append(stages[0])
            contexts.append(x)
        projected = [project(detail) for project, detail in zip(self.detail_heads, details, strict=True)]
        logits = self.detail_classifier(_sum(projected, details[0]))
        logits = logits + _sum([self.context_classifier(context) for context in contexts], logits)
        return [resize_like(logits, images)]


def reductions(widths: Sequence[int]) -> list[nn.Module]:
    """What comes before the stages of a later backbone: projections of two features side by side."""
    before = (widths[-1], *widths[:-1])
    targets = (STEM_CHANNELS, *widths[:-1])
    return [nn.Conv2d(a + b, to, 1, bias=False) for a, b, to in zip(before, widths, targets, strict=True)]


def head(in_channels: int, channels: int) -> nn.Sequential:
    """Projection (N, in_channels, H, W) to (N, channels, H, W), normalised after it and activated before it."""
    return nn.Sequential(nn.ReLU(), *conv_bn(in_channels, channels, 1, bias=True))


def _sum(maps: Sequence[Tensor], reference: Tensor) -> Tensor:
    """The sum of maps (N, C, h_i, w_i) at the size of ``reference``."""
    return torch.stack([resize_like(each, reference) for each in maps]).sum(0)
