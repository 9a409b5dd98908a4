"""HRNet-V2: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from functools import reduce
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import BasicBlock, Bottleneck, residual_stage
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, resized

MODULES = (1, 4, 3)
"""Of the stages with two, three and four branches."""


class Fusion(nn.Module):
    """One branch as the sum of all: features (N, widths[i], h_i, w_i) to (N, widths[target], h_target, w_target)."""

    def __init__(self, widths: list[int], target: int) -> None:
        super().__init__()
        self.target = target
        self.convs = nn.ModuleList(_to_branch(widths, target, source) for source in range(len(widths)))

    def forward(self, features: list[Tensor]) -> Tensor:
        size = (features[self.target].shape[-2], features[self.target].shape[-1])
        terms = [resized(conv(each), size) for conv, each in zip(self.convs, features, strict=True)]
        return F.relu(reduce(torch.add, terms))


class Exchange(nn.Module):
    """Residual blocks on each branch, then each becomes a sum of all: the shapes (N, widths[i], h_i, w_i) stay."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(residual_stage(BasicBlock, width, width, 4, stride=1) for width in widths)
        self.fusions = nn.ModuleList(Fusion(widths, target) for target in range(len(widths)))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        features = [branch(feature) for branch, feature in zip(self.branches, features, strict=True)]
        return [fusion(features) for fusion in self.fusions]


class HRNet(nn.Module):
    """Branches at 1/4 to 1/32 that exchange what they have: images (N, in_channels, H, W) to four features.

    Features are (N, channels[i], h_i, w_i), the finest first.
    """

    def __init__(self, width: int, in_channels: int) -> None:
        super().__init__()
        self.channels = [width * 2**i for i in range(4)]
        self.stem = nn.Sequential(
            conv_bn_relu(in_channels, 64, 3, stride=2),
            conv_bn_relu(64, 64, 3, stride=2),
            residual_stage(Bottleneck, 64, 64, 4, stride=1),
        )
        self.first_branch = conv_bn_relu(256, width, 3)
        # Each stage has one branch more, made from the coarsest one so far.
        self.new_branches = nn.ModuleList(
            conv_bn_relu(a, b, 3, stride=2) for a, b in pairwise((256, *self.channels[1:]))
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(Exchange(self.channels[: i + 2]) for _ in range(count))) for i, count in enumerate(MODULES)
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        coarsest = self.stem(images)
        features = [self.first_branch(coarsest)]
        for new_branch, stage in zip(self.new_branches, self.stages, strict=True):
            features = stage([*features, new_branch(coarsest)])
            coarsest = features[-1]
        return features


ENCODER_NAMES = (
    (r"^backbone\.stem\.0\.0\.", "conv1."),
    (r"^backbone\.stem\.0\.1\.", "bn1."),
    (r"^backbone\.stem\.1\.0\.", "conv2."),
    (r"^backbone\.stem\.1\.1\.", "bn2."),
    (r"^backbone\.stem\.2\.", "layer1."),
    (r"^backbone\.first_branch\.", "transition1.0."),
    *((rf"^backbone\.new_branches\.{i}\.", f"transition{i + 1}.{i + 1}.0.") for i in range(3)),
    *((rf"^backbone\.stages\.{i}\.", f"stage{i + 2}.") for i in range(3)),
    (r"\.fusions\.(\d)\.convs\.", r".fuse_layers.\1."),
)
"""To the linked implementation's, which its ImageNet classifier has too."""


class HRNetV2(Comparator):
    """HRNet, all of its features at 1/4 side by side, and two convolutions of size 1. Its scores are at 1/4.

    Args:
        width: channels of the finest branch.
    """

    facts = Facts(
        title="HRNet-V2",
        backbone="HRNetV2-W48",
        paper="High-Resolution Representations for Labeling Pixels and Regions",
        year=2019,
        link="https://arxiv.org/abs/1904.04514",
        implementation="HRNet/HRNet-Semantic-Segmentation",
        official=True,
        licence="MIT",
        deviation=(
            "The plain network, not its larger one with object-contextual representations (OCR). No deviation from the "
            "paper is known."
        ),
    )
    linked_names = (
        *ENCODER_NAMES,
        (r"^head\.0\.", "last_layer."),
        (r"^head\.1\.", "last_layer.3."),
    )
    left_out = ("loss.",)
    imagenet_names = ENCODER_NAMES

    def __init__(self, num_classes: int = 19, in_channels: int = 3, width: int = 48) -> None:
        super().__init__()
        self.backbone = HRNet(width, in_channels)
        channels = sum(self.backbone.channels)
        self.head = nn.Sequential(conv_bn_relu(channels, channels, 1, bias=True), nn.Conv2d(channels, num_classes, 1))

    def scores(self, images: Tensor) -> list[Tensor]:
        features = self.backbone(images)
        size = (features[0].shape[-2], features[0].shape[-1])
        return [self.head(torch.cat([resized(each, size) for each in features], dim=1))]


def _to_branch(widths: list[int], target: int, source: int) -> nn.Module:
    """From one branch to another one: a convolution of size 1 to a finer branch, strided ones to a coarser one."""
    if source == target:
        return nn.Identity()
    if source > target:
        return conv_bn(widths[source], widths[target], 1)
    convs = [conv_bn_relu(widths[source], widths[source], 3, stride=2) for _ in range(target - source - 1)]
    return nn.Sequential(*convs, conv_bn(widths[source], widths[target], 3, stride=2))
