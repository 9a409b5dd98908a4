"""MFARANet: multi-level feature aggregation and recursive alignment (arXiv 2402.02286), as the official code runs it.

Scales count from 1 (1/4 of the input size) to 4 (1/32), as in the paper; lists here hold scale 1 first.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.models.backbones import resnet
from mfaranet.models.layers import Outputs, conv_bn_relu, resize_like, resize_to

BACKBONES = {"resnet18": resnet.resnet18}


class MFAM(nn.Module):
    """Multi-level feature aggregation: a top-down and a bottom-up path, parallel, fused per scale (the paper's MFAM).

    Four features (N, channels, h_i, w_i) in, four of the same shapes out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.top_down = nn.ModuleList(conv_bn_relu(channels, channels, 3) for _ in range(3))
        self.bottom_up = nn.ModuleList(conv_bn_relu(channels, channels, 3) for _ in range(3))
        self.fusion = nn.ModuleList(conv_bn_relu(channels, channels, 3) for _ in range(2))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        down = [features[-1]]
        for feature, conv in zip(reversed(features[:-1]), reversed(self.top_down), strict=True):
            down.insert(0, conv(resize_like(down[0], feature) + feature))
        up = [features[0]]
        for feature, conv in zip(features[1:], self.bottom_up, strict=True):
            up.append(conv(resize_like(up[-1], feature) + feature))
        # The outermost scales have nothing to fuse: each is the end of one path.
        middle = [conv(a + b) for conv, a, b in zip(self.fusion, down[1:-1], up[1:-1], strict=True)]
        return [down[0], *middle, up[-1]]


class WarpGrid(nn.Module):
    """Sampling grid that aligns a feature with the next finer one (part of the paper's RAM).

    The flow is in pixels of the finer feature and is divided by its size only, as in the official code, which
    notes that the paper's equation 2 divides by two as well.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce_high = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.reduce_low = nn.Conv2d(channels, channels // 2, 1, bias=False)
        self.flow = nn.Conv2d(channels, 2, 3, padding=1, bias=False)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Grid (N, h, w, 2), last axis (x, y) in -1..1, of ``low`` (N, C, h, w) and the coarser ``high``."""
        height, width = low.shape[-2:]
        high = resize_like(self.reduce_high(high), low)
        flow: Tensor = self.flow(torch.cat([self.reduce_low(low), high], dim=1))
        # Half precision would move the samples. In double precision the base still is float32: the official
        # numbers hold its rounding.
        flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
        x = torch.linspace(-1, 1, width, dtype=torch.float32, device=low.device) + flow[:, 0] / width
        y = torch.linspace(-1, 1, height, dtype=torch.float32, device=low.device)[:, None] + flow[:, 1] / height
        return torch.stack([x, y], dim=-1)


class RAM(nn.Module):
    """Recursive alignment: every scale is warped step by step to the size of scale 1 (the paper's RAM)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.grids = nn.ModuleList(WarpGrid(channels) for _ in range(3))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four features (N, C, h_i, w_i) in, four (N, C, h_1, w_1) out."""
        # All grids come from features that are not aligned yet.
        grids = [grid(low, high) for grid, low, high in zip(self.grids, features, features[1:], strict=False)]
        aligned = []
        for scale, feature in enumerate(features):
            for grid in reversed(grids[:scale]):
                feature = F.grid_sample(feature.to(grid.dtype), grid, align_corners=True).to(feature.dtype)
            aligned.append(feature)
        return aligned


class ASFM(nn.Module):
    """Adaptive scores fusion: an attention map per class and scale weights the scores (the paper's ASFM)."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            nn.Sequential(
                *conv_bn_relu(channels, channels // 2, 3),
                nn.Dropout(0.5),
                nn.Conv2d(channels // 2, num_classes, 1, bias=False),
                nn.Sigmoid(),
            )
            for _ in range(4)
        )

    def forward(self, features: list[Tensor], scores: list[Tensor]) -> Tensor:
        """Aligned features (N, C, h, w) and scores (N, classes, h, w) of four scales in, one score map out."""
        fused = torch.zeros_like(scores[0])
        for feature, score, attention in zip(features, scores, self.attentions, strict=True):
            fused = fused + score * attention(feature)
        return fused


class MFARANet(nn.Module):
    """The whole network.

    Args:
        num_classes: number of classes, 19 on Cityscapes.
        backbone: encoder, one of BACKBONES.
        boundary_heads: add the training-only boundary score of each scale.

    In evaluation mode, images (N, 3, H, W), RGB, normalised with the ImageNet mean and deviation, give logits
    (N, num_classes, H, W). In training mode the result is a dictionary: ``out`` are those logits, ``scores`` the
    aligned scores of the four scales (N, num_classes, H/4, W/4), ``boundaries`` their boundary logits
    (N, 1, H/4, W/4), an empty list without boundary heads.

    Raises:
        InputError: an unknown backbone.
    """

    channels = 128

    def __init__(self, num_classes: int = 19, *, backbone: str = "resnet18", boundary_heads: bool = True) -> None:
        super().__init__()
        if backbone not in BACKBONES:
            raise InputError(f"unknown backbone {backbone!r}; there are: {', '.join(BACKBONES)}")
        self.backbone = BACKBONES[backbone]()
        self.reduction = nn.ModuleList(conv_bn_relu(width, self.channels, 1) for width in self.backbone.channels)
        self.mfam = MFAM(self.channels)
        self.ram = RAM(self.channels)
        self.score_heads = nn.ModuleList(nn.Conv2d(self.channels, num_classes, 1) for _ in range(4))
        self.asfm = ASFM(self.channels, num_classes)
        heads = 4 if boundary_heads else 0
        self.boundary_heads = nn.ModuleList(nn.Conv2d(self.channels, 1, 1) for _ in range(heads))

    def forward(self, images: Tensor) -> Tensor | Outputs:
        features = [reduce(x) for reduce, x in zip(self.reduction, self.backbone(images), strict=True)]
        aligned = self.ram(self.mfam(features))
        scores = [head(feature) for head, feature in zip(self.score_heads, aligned, strict=True)]
        logits = resize_to(self.asfm(aligned, scores), (images.shape[-2], images.shape[-1]))
        if not self.training:
            return logits
        boundaries = [head(feature) for head, feature in zip(self.boundary_heads, aligned, strict=False)]
        return {"out": logits, "scores": scores, "boundaries": boundaries}
