"""Rethinking BiSeNet For Real-time Semantic Segmentation, 2021 (arXiv 2104.13188): STDC2-Seg75.

Implementation followed: MichaelFan01/STDC-Seg (official, MIT). Against the paper's figure, a strided block of the
encoder has a depthwise convolution of stride 2 before its second convolution. The training-only head for details at
1/8 scores no classes and is left out. 75 stands for images at 0.75 of the size, which is the caller's affair.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.stdc import stdc2
from mfaranet.models.comparators.base import Comparator
from mfaranet.models.comparators.blocks import ChannelGate, score_head
from mfaranet.models.layers import conv_bn_relu, resize_like

WIDTH = 128


class FeatureFusion(nn.Module):
    """Details (N, a, H, W) and context (N, b, H, W) to (N, channels, H, W), with channel attention; a + b channels."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = conv_bn_relu(in_channels, channels, 1)
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, channels // 4, 1, bias=False),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels // 4, channels, 1, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, details: Tensor, context: Tensor) -> Tensor:
        y: Tensor = self.conv(torch.cat([details, context], dim=1))
        weights: Tensor = self.attention(y)
        return y * weights + y


class STDCSeg(Comparator):
    """Context from 1/32 and 1/16 comes down to the encoder's features at 1/8, which stand in for a spatial path."""

    align_corners = True

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.backbone = stdc2(in_channels=in_channels)
        _, fine, middle, coarse = self.backbone.channels
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(coarse, WIDTH, 1))
        self.refinements = nn.ModuleList(
            nn.Sequential(conv_bn_relu(channels, WIDTH, 3), ChannelGate(WIDTH)) for channels in (coarse, middle)
        )
        self.convs = nn.ModuleList(conv_bn_relu(WIDTH, WIDTH, 3) for _ in range(2))
        self.fusion = FeatureFusion(fine + WIDTH, 256)
        self.head = score_head(256, 256, num_classes, bias=False)
        self.auxiliary_heads = nn.ModuleList(score_head(WIDTH, 64, num_classes, bias=False) for _ in range(2))

    def scores(self, images: Tensor) -> list[Tensor]:
        _, fine, middle, coarse = self.backbone(images)
        middle_context = self._down(0, coarse, self.mean(coarse), middle)
        context = self._down(1, middle, middle_context, fine)
        maps = [resize_like(self.head(self.fusion(fine, context)), images)]
        if self.training:
            maps += [head(x) for head, x in zip(self.auxiliary_heads, (context, middle_context), strict=True)]
        return maps

    def _down(self, step: int, features: Tensor, context: Tensor, finer: Tensor) -> Tensor:
        """The refined features and the context so far, at the size of the finer features."""
        x = self.refinements[step](features) + context
        x = F.interpolate(x, (finer.shape[-2], finer.shape[-1]), mode="nearest")
        y: Tensor = self.convs[step](x)
        return y


def stdc2_seg75(num_classes: int = 19, in_channels: int = 3) -> STDCSeg:
    """STDC-Seg with STDC V2 (1446)."""
    return STDCSeg(num_classes, in_channels)
