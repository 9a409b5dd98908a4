"""DMA-Net: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import plain_resnet18
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, resize_like

WIDTH = 128


class DMANet(Comparator):
    """ResNet-18; three branches, to which pooled features of 1/4 add detail; and the way from 1/32 up to 1/8."""

    facts = Facts(
        title="DMA-Net",
        backbone="ResNet-18",
        paper="Deep Multi-Branch Aggregation Network for Real-Time Semantic Segmentation in Street Scenes",
        year=2022,
        link="https://arxiv.org/abs/2203.04037",
        implementation="haritsahm/pytorch-DMANet",
        licence="Apache-2.0",
        deviation=(
            "It comes without trained results. It computes the two weights of a lattice, and of a transformation "
            "block, by one shared layer, so they are equal and evaluated once here. Its auxiliary losses act on "
            "features of 128 channels as if these were scores; here, as the paper's figure suggests, a 1x1 convolution "
            "makes scores of them, in training only; no file of that code could fill it."
        ),
    )
    multiple = 32
    align_corners = True

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        half = WIDTH // 2
        self.backbone = plain_resnet18(in_channels)
        self.reduce = nn.ModuleList(
            nn.Sequential(conv_bn_relu(channels, channels // 2, 3), conv_bn_relu(channels // 2, half, 3))
            for channels in self.backbone.channels[1:]
        )
        self.pools = nn.ModuleList(nn.MaxPool2d(kernel, stride) for kernel, stride in ((2, 2), (3, 4), (7, 8)))
        self.branches = nn.ModuleList(LatticeEnhancedBlock(half) for _ in self.pools)
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(self.backbone.channels[-1], WIDTH, 3))
        self.transform32 = FeatureTransformation(WIDTH)
        self.transform16 = nn.Sequential(conv_bn_relu(WIDTH, WIDTH, 3), FeatureTransformation(WIDTH))
        self.classifier = conv_bn(WIDTH, num_classes, 3)
        self.auxiliary_heads = nn.ModuleList(nn.Conv2d(WIDTH, num_classes, 1) for _ in range(2))

    def scores(self, images: Tensor) -> list[Tensor]:
        detail, *features = self.backbone(images)
        low, middle, high = (
            branch(reduce(x), pool(detail))
            for branch, reduce, pool, x in zip(self.branches, self.reduce, self.pools, features, strict=True)
        )
        top32 = self.transform32(self.context(features[-1]) + high)
        top16 = self.transform16(resize_like(top32, middle) + middle)
        maps = [self.classifier(resize_like(top16, low) + low)]
        if self.training:
            maps += [head(x) for head, x in zip(self.auxiliary_heads, (top16, top32), strict=True)]
        return maps


class Lattice(nn.Module):
    """Two crossing residual paths, weighted per position: (N, channels, H, W) to the same shape.

    Args:
        residual: makes its summand of the features and, where given, others beside them.
    """

    def __init__(self, channels: int, residual: nn.Module) -> None:
        super().__init__()
        self.weight = nn.Conv2d(channels, 1, 1)
        self.residual = residual

    def forward(self, x: Tensor, *beside: Tensor) -> Tensor:
        weight = torch.sigmoid(self.weight(x))
        residual = self.residual(torch.cat([x, *beside], dim=1))
        return F.relu(x + weight * residual) + F.relu(weight * x + residual)


class LatticeEnhancedBlock(nn.Module):
    """Context by dilation, then detail from a second input: twice (N, channels, H, W) to (N, 2 * channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        dilated = (conv_bn(channels, channels, 3, dilation=dilation, bias=True) for dilation in (2, 4))
        self.contextual = Lattice(channels, nn.Sequential(*dilated))
        self.spatial = Lattice(channels, conv_bn(2 * channels, channels, 3, bias=True))

    def forward(self, x: Tensor, detail: Tensor) -> Tensor:
        context = self.contextual(x)
        return torch.cat([context, self.spatial(context, detail)], dim=1)


class FeatureTransformation(nn.Module):
    """Gates features by position and by channel: (N, channels, H, W) to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(channels, channels, 3)
        self.weight = nn.Linear(1, 1)
        self.spatial = nn.Sequential(nn.Conv2d(channels, 1, 1), nn.LeakyReLU(0.01))
        self.channel = nn.Sequential(conv_bn_relu(channels, channels, 1, bias=True), nn.Linear(1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        pooled = F.adaptive_avg_pool2d(x, 1)
        weight = self.weight(pooled).softmax(dim=1)
        return torch.sigmoid((self.spatial(x) + self.channel(pooled)) * weight) * x
