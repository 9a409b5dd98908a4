"""MFARANet: multi-level feature aggregation and recursive alignment (arXiv 2402.02286), as the official code runs it.

Scales count from 1 (1/4 of the input size) to 4 (1/32), as in the paper; lists here hold scale 1 first.
"""

from collections.abc import Collection, Iterable, Sequence

import torch
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.models.backbones import BACKBONES
from mfaranet.models.facts import Facts
from mfaranet.models.layers import Outputs, Upsampling, Warp, conv_bn_relu, flow_positions, resize_like

SCALES = (1, 2, 3, 4)


class MFAM(nn.Module):
    """Multi-level feature aggregation: a top-down and a bottom-up path, parallel, fused per scale (the paper's MFAM).

    Four features (N, channels, h_i, w_i) in, four of the same shapes out. ``paths`` is ``both``, or for the ablation
    ``top_down`` or ``bottom_up``: one path alone, which then needs no fusion.
    """

    def __init__(self, channels: int, paths: str = "both", norm: bool = True) -> None:
        super().__init__()

        def convs(count: int) -> nn.ModuleList:
            return nn.ModuleList(conv_bn_relu(channels, channels, 3, norm=norm) for _ in range(count))

        self.paths = paths
        self.top_down = convs(0 if paths == "bottom_up" else 3)
        self.bottom_up = convs(0 if paths == "top_down" else 3)
        self.fusion = convs(2 if paths == "both" else 0)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        if self.paths == "top_down":
            return self._top_down(features)
        if self.paths == "bottom_up":
            return _path(features, self.bottom_up)
        down, up = self._top_down(features), _path(features, self.bottom_up)
        # The outermost scales have nothing to fuse: each is the end of one path.
        middle = [conv(a + b) for conv, a, b in zip(self.fusion, down[1:-1], up[1:-1], strict=True)]
        return [down[0], *middle, up[-1]]

    def _top_down(self, features: list[Tensor]) -> list[Tensor]:
        return _path(features[::-1], reversed(self.top_down))[::-1]


def _path(features: list[Tensor], convs: Iterable[nn.Module]) -> list[Tensor]:
    """Each feature with what came before it: conv(feature + the last result at its size)."""
    results = features[:1]
    for feature, conv in zip(features[1:], convs, strict=True):
        results.append(conv(resize_like(results[-1], feature) + feature))
    return results


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
        high = resize_like(self.reduce_high(high), low)
        flow: Tensor = self.flow(torch.cat([self.reduce_low(low), high], dim=1))
        # Half precision would move the samples. In double precision the base still is float32: the official
        # numbers hold its rounding.
        flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
        return torch.stack(flow_positions(flow, torch.float32), dim=-1)


class RAM(nn.Module):
    """Recursive alignment: every scale is warped step by step to the size of scale 1 (the paper's RAM).

    ``align_corners`` is that of the sampling alone; the grid always has aligned corners. False is what two of the
    official ablation networks have: there a flow of zero does not leave a feature as it is.
    """

    def __init__(self, channels: int, align_corners: bool = True) -> None:
        super().__init__()
        self.grids = nn.ModuleList(WarpGrid(channels) for _ in SCALES[1:])
        self.warp = Warp(align_corners)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four features (N, C, h_i, w_i) in, four (N, C, h_1, w_1) out."""
        # All grids come from features that are not aligned yet.
        grids = [grid(low, high) for grid, low, high in zip(self.grids, features, features[1:], strict=False)]
        aligned = []
        for scale, feature in enumerate(features):
            for grid in reversed(grids[:scale]):
                feature = self.warp(feature, grid)
            aligned.append(feature)
        return aligned


class BilinearAlignment(nn.Module):
    """For the ablation, in place of RAM: every scale is resized to scale 1 in one step, without learning."""

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Four features (N, C, h_i, w_i) in, four (N, C, h_1, w_1) out."""
        return [features[0], *(resize_like(feature, features[0]) for feature in features[1:])]


class ASFM(nn.Module):
    """Adaptive scores fusion: an attention map per class and scale weights the scores (the paper's ASFM)."""

    def __init__(self, channels: int, num_classes: int, scales: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            nn.Sequential(
                *conv_bn_relu(channels, channels // 2, 3, norm=norm),
                nn.Dropout(0.5),
                nn.Conv2d(channels // 2, num_classes, 1, bias=False),
                nn.Sigmoid(),
            )
            for _ in range(scales)
        )

    def forward(self, features: list[Tensor], scores: list[Tensor]) -> Tensor:
        """Aligned features (N, C, h, w) and scores (N, classes, h, w) of the scales in, one score map out."""
        attentions = (attention(feature) for attention, feature in zip(self.attentions, features, strict=True))
        return torch.stack([score * weight for score, weight in zip(scores, attentions, strict=True)]).sum(0)


class ScoreSum(nn.Module):
    """For the ablation, in place of ASFM: the plain sum of the scores; with one scale, that score."""

    def forward(self, features: list[Tensor], scores: list[Tensor]) -> Tensor:
        """As ASFM; the features are not looked at."""
        return torch.stack(scores).sum(0)


class ConcatHead(nn.Module):
    """For the ablation, in place of ASFM: a score from the features of all scales side by side."""

    def __init__(self, channels: int, num_classes: int, scales: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.head = nn.Sequential(
            *conv_bn_relu(scales * channels, channels, 3, norm=norm), nn.Conv2d(channels, num_classes, 1)
        )

    def forward(self, features: list[Tensor], scores: list[Tensor]) -> Tensor:
        """As ASFM; the scores are not looked at."""
        fused: Tensor = self.head(torch.cat(features, dim=1))
        return fused


class MFARANet(nn.Module):
    """The whole network, and what its ablations change.

    Args:
        num_classes: number of classes, 19 on Cityscapes.
        backbone: encoder, one of BACKBONES.
        dilated: dilate the last two layers of a ResNet.
        backbone_dropout: rates at which whole channels of the encoder are dropped: in its stem, after each layer.
        branches: the scales whose scores make the output. All four are computed and supervised all the same.
        aggregation: ``both`` paths of MFAM, ``top_down`` or ``bottom_up`` alone, or ``none`` (no MFAM).
        alignment: ``ram``, or ``bilinear`` resizing.
        warp_align_corners: align_corners of RAM's sampling; see RAM.
        fusion: ``asfm``, ``sum`` of the scores, or ``concat`` of the features.
        decoder_norm: batch normalisation in the decoder. The official network for speed has none.
        boundary_heads: add the training-only boundary score of each scale.
        auxiliary_head: add a training-only score of layer3.

    In evaluation mode, images (N, 3, H, W) of any size, RGB, normalised with the ImageNet mean and deviation, give
    logits (N, num_classes, H, W). In training mode the result is a dictionary: ``out`` are those logits, ``scores`` the
    aligned scores of the four scales (N, num_classes, H/4, W/4), ``boundaries`` their boundary logits
    (N, 1, H/4, W/4), an empty list without boundary heads, ``auxiliary`` the auxiliary head's logits, none or one.
    ``out_is_score`` says that the output is one scale's score, as with a single branch.

    Raises:
        InputError: an option has a value that is not among these.
    """

    facts = Facts(
        title="MFARANet",
        backbone="ResNet-18",
        paper=(
            "Multi-Level Feature Aggregation and Recursive Alignment Network for Real-Time Semantic Segmentation"
            " (version 3: Multi-Level Aggregation and Recursive Alignment Architecture for Efficient Parallel Inference"
            " Segmentation Network)"
        ),
        year=2024,
        link="https://arxiv.org/abs/2402.02286",
        implementation="Yanhua-Zhang/MFARANet",
        official=True,
        deviation=(
            "Where that code leaves the paper, the code is followed: its flow is divided by the size only, where "
            "equation 2 divides by two as well."
        ),
    )
    channels = 128

    def __init__(
        self,
        num_classes: int = 19,
        *,
        backbone: str = "resnet18",
        dilated: bool = True,
        backbone_dropout: Sequence[float] = (0.0, 0.0, 0.0, 0.0, 0.0),
        branches: Sequence[int] = SCALES,
        aggregation: str = "both",
        alignment: str = "ram",
        warp_align_corners: bool = True,
        fusion: str = "asfm",
        decoder_norm: bool = True,
        boundary_heads: bool = True,
        auxiliary_head: bool = False,
    ) -> None:
        super().__init__()
        _choose("backbone", backbone, BACKBONES)
        _choose("aggregation", aggregation, ("both", "top_down", "bottom_up", "none"))
        _choose("alignment", alignment, ("ram", "bilinear"))
        _choose("fusion", fusion, ("asfm", "sum", "concat"))
        if not branches or list(branches) != sorted(set(branches) & set(SCALES)):
            raise InputError(f"branches must be some of 1, 2, 3, 4 in this order, not {list(branches)}")
        if len(backbone_dropout) != 5 or not all(0 <= rate < 1 for rate in backbone_dropout):
            raise InputError(f"backbone_dropout must be five rates from 0 to below 1, not {list(backbone_dropout)}")

        self.branches = tuple(branches)
        self.backbone = BACKBONES[backbone](backbone_dropout, dilated)
        self.reduction = nn.ModuleList(
            conv_bn_relu(width, self.channels, 1, norm=decoder_norm) for width in self.backbone.channels
        )
        self.aggregation = (
            nn.Identity() if aggregation == "none" else MFAM(self.channels, aggregation, norm=decoder_norm)
        )
        self.alignment = RAM(self.channels, warp_align_corners) if alignment == "ram" else BilinearAlignment()
        self.score_heads = nn.ModuleList(nn.Conv2d(self.channels, num_classes, 1) for _ in SCALES)
        self.fusion = self._fusion(fusion, num_classes, decoder_norm)
        self.final_upsampling = Upsampling(align_corners=True)
        heads = SCALES if boundary_heads else ()
        self.boundary_heads = nn.ModuleList(nn.Conv2d(self.channels, 1, 1) for _ in heads)
        self.auxiliary_heads = nn.ModuleList()
        if auxiliary_head:
            self.auxiliary_heads.append(_auxiliary_head(self.backbone.channels[2], num_classes, norm=decoder_norm))

    def forward(self, images: Tensor) -> Tensor | Outputs:
        features = self.backbone(images)
        reduced = [reduce(feature) for reduce, feature in zip(self.reduction, features, strict=True)]
        aligned = self.alignment(self.aggregation(reduced))
        scores = []
        # The concatenating head needs no scores: there they are for training only.
        if self.training or not isinstance(self.fusion, ConcatHead):
            scores = [head(feature) for head, feature in zip(self.score_heads, aligned, strict=True)]
        fused = self.fusion(self._chosen(aligned), self._chosen(scores))
        logits: Tensor = self.final_upsampling(fused, (images.shape[-2], images.shape[-1]))
        if not self.training:
            return logits
        return {
            "out": logits,
            "scores": scores,
            "boundaries": [head(feature) for head, feature in zip(self.boundary_heads, aligned, strict=False)],
            "auxiliary": [head(features[2]) for head in self.auxiliary_heads],
            "out_is_score": len(self.branches) == 1 and isinstance(self.fusion, ScoreSum),
        }

    def _fusion(self, name: str, num_classes: int, norm: bool) -> nn.Module:
        if name == "concat":
            return ConcatHead(self.channels, num_classes, len(self.branches), norm)
        if name == "sum" or len(self.branches) == 1:
            return ScoreSum()
        return ASFM(self.channels, num_classes, len(self.branches), norm)

    def _chosen(self, maps: list[Tensor]) -> list[Tensor]:
        return [maps[scale - 1] for scale in self.branches] if maps else []


def _auxiliary_head(channels: int, num_classes: int, norm: bool) -> nn.Sequential:
    return nn.Sequential(
        *conv_bn_relu(channels, channels // 2, 3, norm=norm),
        nn.Dropout2d(0.1),
        nn.Conv2d(channels // 2, num_classes, 1),
    )


def _choose(option: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise InputError(f"unknown {option} {value!r}; there are: {', '.join(known)}")
