"""DFN: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import plain_resnet101
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn_relu, resize_like


class RefinementResidualBlock(nn.Module):
    """A 1x1 convolution and a residual branch on its output: (N, in_channels, H, W) to (N, channels, H, W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.unify = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.branch = nn.Sequential(
            *conv_bn_relu(channels, channels, 3), nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.unify(x)
        y: Tensor = x + self.branch(x)
        return y


class ChannelAttention(nn.Module):
    """A stage's feature, its channels weighted, plus the coarser one's: twice (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.ReLU(inplace=True), nn.Linear(channels, channels), nn.Sigmoid()
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        gate = self.gate(torch.cat([low, high], dim=1).mean((2, 3)))
        attended: Tensor = low * gate[..., None, None] + high
        return attended


class Stage(nn.Module):
    """A stage of the smooth network: (N, in_channels, H, W) and the coarser (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.refine_low = RefinementResidualBlock(in_channels, channels)
        self.attention = ChannelAttention(channels)
        self.refine = RefinementResidualBlock(channels, channels)

    def forward(self, feature: Tensor, high: Tensor) -> Tensor:
        low = F.relu(self.refine_low(feature))
        return F.relu(self.refine(self.attention(low, high)))


class DFN(Comparator):
    """A ResNet-101 and the smooth network, from coarse to fine. Training adds scores of the three coarse stages."""

    facts = Facts(
        title="DFN",
        backbone="ResNet-101",
        paper="Learning a Discriminative Feature Network for Semantic Segmentation",
        year=2018,
        link="https://arxiv.org/abs/1804.09337",
        implementation="lingtengqiu/Deeperlab-pytorch",
        deviation=(
            "Changed here: the paper's border network, whose class-free boundaries serve training only, is left out, "
            "and so is the final log-softmax; the coarse scores, which that code always computes, are computed in "
            "training mode only. That code comes without trained weights, and none are loaded here."
        ),
    )
    multiple = 32
    align_corners = True
    channels = 512

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.backbone = plain_resnet101(in_channels)
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_bn_relu(2048, self.channels, 1))
        self.stages = nn.ModuleList(Stage(width, self.channels) for width in reversed(self.backbone.channels))
        self.heads = nn.ModuleList(
            nn.Sequential(
                RefinementResidualBlock(self.channels, 9 * num_classes), nn.Conv2d(9 * num_classes, num_classes, 1)
            )
            for _ in self.stages
        )

    def scores(self, images: Tensor) -> list[Tensor]:
        """Scores (N, num_classes, H, W), in training mode also those at 1/32, 1/16 and 1/8 of the size."""
        features = self.backbone(images)[::-1]
        x = self.context(features[0])
        refined: list[Tensor] = []
        for stage, feature in zip(self.stages, features, strict=True):
            x = stage(feature, resize_like(x, feature))
            refined.append(x)
        maps = [resize_like(self.heads[-1](x), images)]
        if self.training:
            maps += [head(x) for head, x in zip(self.heads[:-1], refined[:-1], strict=True)]
        return maps
