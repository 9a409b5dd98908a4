"""The straightforward form of what we made faster: MFARANet (ResNet-18) and its loss as the official code has them.

Written anew from the specification. In plain PyTorch: nothing folded, shared or cached, memory in the default layout.
Parameters have the names of ``mfaranet.models.mfaranet``, so that one state dict fits both. Ratios of ``benchmarks``
are to this; ``tests/test_baseline.py`` shows that both compute the same.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORED = 255
OHEM_THRESHOLD = 0.7
OHEM_MIN_KEPT = 100_000
BOUNDARY_WEIGHT = 0.3
ATTENTION_WEIGHT = 0.1
ATTENTION_THRESHOLD = 0.8


def resize(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Bilinear, corners aligned, to (height, width)."""
    return F.interpolate(maps, tuple(size), mode="bilinear", align_corners=True)


def conv(in_channels: int, out_channels: int, kernel: int, stride: int = 1, dilation: int = 1) -> nn.Conv2d:
    """Without bias, keeping the size at stride 1."""
    padding = dilation * (kernel // 2)
    return nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, bias=False)


def conv_bn_relu(in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """The unit of the stem and of the decoder."""
    return nn.Sequential(
        conv(in_channels, out_channels, kernel, stride), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)
    )


class Block(nn.Module):
    """Of ResNet-18; the second convolution is dilated."""

    def __init__(self, in_channels: int, channels: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = conv(in_channels, channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = conv(channels, channels, 3, dilation=dilation)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != channels:
            self.downsample = nn.Sequential(conv(in_channels, channels, 1, stride), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.bn2(self.conv2(x))
        x += shortcut
        return self.relu(x)


class Backbone(nn.Module):
    """ResNet-18 with the deep stem; layers 3 and 4 are dilated, and keep their strides."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv_bn_relu(3, 64, 3, stride=2),
            *conv_bn_relu(64, 64, 3),
            *conv_bn_relu(64, 128, 3),
            nn.Identity(),  # dropout of rate 0
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.layer1 = nn.Sequential(Block(128, 64, 1, 1), Block(64, 64, 1, 1))
        self.layer2 = nn.Sequential(Block(64, 128, 2, 1), Block(128, 128, 1, 1))
        self.layer3 = nn.Sequential(Block(128, 256, 2, 2), Block(256, 256, 1, 2))
        self.layer4 = nn.Sequential(Block(256, 512, 2, 4), Block(512, 512, 1, 4))

    def forward(self, images: Tensor) -> list[Tensor]:
        c1 = self.layer1(self.stem(images))
        c2 = self.layer2(c1)
        c3 = self.layer3(c2)
        return [c1, c2, c3, self.layer4(c3)]


class Aggregation(nn.Module):
    """A top-down and a bottom-up path, fused at scales 2 and 3."""

    def __init__(self) -> None:
        super().__init__()
        self.top_down = nn.ModuleList(conv_bn_relu(128, 128, 3) for _ in range(3))
        self.bottom_up = nn.ModuleList(conv_bn_relu(128, 128, 3) for _ in range(3))
        self.fusion = nn.ModuleList(conv_bn_relu(128, 128, 3) for _ in range(2))

    def forward(self, r: list[Tensor]) -> list[Tensor]:
        u = [*r]
        for i in (2, 1, 0):
            u[i] = self.top_down[i](resize(u[i + 1], r[i].shape[2:]) + r[i])
        d = [*r]
        for i in (1, 2, 3):
            d[i] = self.bottom_up[i - 1](resize(d[i - 1], r[i].shape[2:]) + r[i])
        return [u[0], self.fusion[0](u[1] + d[1]), self.fusion[1](u[2] + d[2]), d[3]]


class Grid(nn.Module):
    """Where a coarser feature is sampled, from it and the next finer one."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_high = conv(128, 64, 1)
        self.reduce_low = conv(128, 64, 1)
        self.flow = conv(128, 2, 3)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        height, width = low.shape[2:]
        high = resize(self.reduce_high(high), (height, width))
        flow = self.flow(torch.cat([self.reduce_low(low), high], 1)).permute(0, 2, 3, 1)
        y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
        base = torch.stack([x, y], 2).repeat(len(low), 1, 1, 1).to(flow)
        return base + flow / torch.tensor([width, height]).to(flow)


class Alignment(nn.Module):
    """Every scale is warped step by step to the size of scale 1."""

    def __init__(self) -> None:
        super().__init__()
        self.grids = nn.ModuleList(Grid() for _ in range(3))

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        grids = [grid(features[k], features[k + 1]) for k, grid in enumerate(self.grids)]
        aligned = []
        for scale, feature in enumerate(features):
            for k in range(scale - 1, -1, -1):
                feature = F.grid_sample(feature, grids[k], align_corners=True)
            aligned.append(feature)
        return aligned


class Fusion(nn.Module):
    """The sum of the scores, each weighted by an attention map of its scale."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            nn.Sequential(*conv_bn_relu(128, 64, 3), nn.Dropout(0.5), conv(64, classes, 1), nn.Sigmoid())
            for _ in range(4)
        )

    def forward(self, features: list[Tensor], scores: list[Tensor]) -> Tensor:
        fused = scores[0] * self.attentions[0](features[0])
        for attention, feature, score in zip(self.attentions[1:], features[1:], scores[1:], strict=True):
            fused = fused + score * attention(feature)
        return fused


class Baseline(nn.Module):
    """Normalised images (N, 3, H, W) to logits (N, classes, H, W); in training mode a dict of what is supervised."""

    def __init__(self, classes: int = 19) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.reduction = nn.ModuleList(conv_bn_relu(channels, 128, 1) for channels in (64, 128, 256, 512))
        self.aggregation = Aggregation()
        self.alignment = Alignment()
        self.score_heads = nn.ModuleList(nn.Conv2d(128, classes, 1) for _ in range(4))
        self.fusion = Fusion(classes)
        self.boundary_heads = nn.ModuleList(nn.Conv2d(128, 1, 1) for _ in range(4))

    def forward(self, images: Tensor) -> Tensor | dict[str, Tensor | list[Tensor]]:
        reduced = [reduce(c) for reduce, c in zip(self.reduction, self.backbone(images), strict=True)]
        aligned = self.alignment(self.aggregation(reduced))
        scores = [head(feature) for head, feature in zip(self.score_heads, aligned, strict=True)]
        out = resize(self.fusion(aligned, scores), images.shape[2:])
        if not self.training:
            return out
        boundaries = [head(feature) for head, feature in zip(self.boundary_heads, aligned, strict=True)]
        return {"out": out, "scores": scores, "boundaries": boundaries}


def loss(outputs: Mapping[str, Tensor | list[Tensor]], labels: Tensor, boundaries: Tensor) -> Tensor:
    """The paper's loss, of a network's outputs in training mode, labels (N, H, W), int64, and boundary targets."""
    size = labels.shape[1:]
    total = F.cross_entropy(outputs["out"], labels, ignore_index=IGNORED)
    for score, edge in zip(outputs["scores"], outputs["boundaries"], strict=True):
        score, edge = resize(score, size), resize(edge, size)
        total = total + ohem(score, labels)
        total = total + BOUNDARY_WEIGHT * boundary_cross_entropy(edge, boundaries)
        total = total + ATTENTION_WEIGHT * attention(score, labels, edge)
    return total


def ohem(score: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of the pixels whose true class is improbable, or of the least probable ones."""
    valid = labels != IGNORED
    if valid.sum() < OHEM_MIN_KEPT:
        return F.cross_entropy(score, labels, ignore_index=IGNORED)
    probability = F.softmax(score.detach(), 1).gather(1, labels.where(valid, 0)[:, None])[:, 0]
    probability = probability.where(valid, 1)
    ordered = probability.flatten().sort().values
    limit = max(OHEM_THRESHOLD, ordered[min(len(ordered), OHEM_MIN_KEPT) - 1].item())
    return F.cross_entropy(score, labels.where(probability <= limit, IGNORED), ignore_index=IGNORED)


def image_weighted_cross_entropy(score: Tensor, labels: Tensor) -> Tensor:
    """Summed over the images, each with weights by the histogram of its own label."""
    classes = score.shape[1]
    total = score.new_zeros(())
    for image, label in zip(score, labels, strict=True):
        counts = np.histogram(label.cpu().numpy(), np.arange(classes + 1) - 0.5)[0]
        share = counts.astype(np.float32) / np.float32(max(counts.sum(), 1))
        weights = torch.from_numpy((1 - share) + 1).to(score)
        # The official code gives NaN, and no gradient, for an image without a pixel.
        if counts.any():
            total = total + F.nll_loss(F.log_softmax(image[None], 1), label[None], weights, ignore_index=IGNORED)
    return total


def boundary_cross_entropy(edge: Tensor, target: Tensor) -> Tensor:
    """Over all pixels of the batch; boundary and other pixels weigh the share of the others."""
    is_boundary = target.cpu().numpy() == 1
    share = np.float32(is_boundary.mean())
    weights = np.where(is_boundary, 1 - share, share).astype(np.float32)
    return F.binary_cross_entropy_with_logits(edge, target, torch.from_numpy(weights).to(edge.device))


def attention(score: Tensor, labels: Tensor, edge: Tensor) -> Tensor:
    """Image-weighted cross entropy where the boundary logit is high."""
    return image_weighted_cross_entropy(score, labels.where(edge.detach().amax(1) > ATTENTION_THRESHOLD, IGNORED))


def boundary_target(label: Tensor) -> Tensor:
    """Of one image's label (H, W): (1, H, W), 1 where the 5x5 mean of the label values differs from the centre."""
    values = label.numpy().astype(np.float32)
    mean = cv2.filter2D(values, -1, np.full((5, 5), 1 / 25, np.float32))
    return torch.from_numpy((np.abs(mean - values) > 0.005).astype(np.float32))[None]


def make_optimizer(model: Baseline) -> torch.optim.SGD:
    """SGD as the official code sets it up: a group for each part, ten times the rate for those of the decoder."""
    parts = [*model.backbone.children(), *(part for name, part in model.named_children() if name != "backbone")]
    rates = [0.005] * 5 + [0.05] * (len(parts) - 5)
    groups = [{"params": list(part.parameters()), "lr": lr} for part, lr in zip(parts, rates, strict=True)]
    return torch.optim.SGD(groups, lr=0.005, momentum=0.9, weight_decay=0.0005)
