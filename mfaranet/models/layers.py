"""Building blocks that several networks share."""

from typing import NotRequired, TypedDict

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Outputs(TypedDict):
    """What a network gives in training mode: logits (N, C, H, W) at input size, and what else is supervised."""

    out: Tensor
    scores: NotRequired[list[Tensor]]
    """Scores (N, C, h, w) that the joint loss supervises, of any size."""
    boundaries: NotRequired[list[Tensor]]
    """Boundary logits (N, 1, h, w), one for each of ``scores``, or none at all."""
    auxiliary: NotRequired[list[Tensor]]
    """Logits (N, C, h, w) of auxiliary heads, of any size."""
    out_is_score: NotRequired[bool]
    """True where ``out`` is one of ``scores`` at input size, and so is supervised already."""


def conv_bn(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    *,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    norm: bool = True,
) -> nn.Sequential:
    """Convolution that keeps the size at stride 1 (odd kernels), and batch normalisation unless ``norm`` is false."""
    kernel = (kernel_size, kernel_size) if isinstance(kernel_size, int) else kernel_size
    padding = (dilation * (kernel[0] - 1) // 2, dilation * (kernel[1] - 1) // 2)
    layers: list[nn.Module] = [
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias=bias)
    ]
    if norm:
        layers.append(nn.BatchNorm2d(out_channels))
    return nn.Sequential(*layers)


def conv_bn_relu(
    in_channels: int,
    out_channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    *,
    dilation: int = 1,
    groups: int = 1,
    bias: bool = False,
    norm: bool = True,
) -> nn.Sequential:
    """conv_bn, then ReLU."""
    layers = conv_bn(
        in_channels, out_channels, kernel_size, stride, dilation=dilation, groups=groups, bias=bias, norm=norm
    )
    return layers.append(nn.ReLU(inplace=True))


def resize_to(features: Tensor, size: tuple[int, int], align_corners: bool = True) -> Tensor:
    """Resize (N, C, h, w) bilinearly to a (height, width), up or down, without antialiasing."""
    return F.interpolate(features, size, mode="bilinear", align_corners=align_corners)


def resize_like(features: Tensor, reference: Tensor) -> Tensor:
    """Resize (N, C, h, w) to the height and width of ``reference``; see resize_to."""
    return resize_to(features, (reference.shape[-2], reference.shape[-1]))


def resized(features: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """resize_to, or the features themselves where they have that size."""
    # resize_to itself does not skip the work: it makes NaN of what is beside an infinity.
    return features if features.shape[-2:] == size else resize_to(features, size, align_corners)


class Upsampling(nn.Module):
    """The last step of every network: score maps (N, C, h, w) to logits of the image's size, (N, C, H, W)."""

    def __init__(self, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, scores: Tensor, size: tuple[int, int]) -> Tensor:
        return resized(scores, size, self.align_corners)


def flow_positions(flow: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """x and y, -1..1, (N, h, w) each, of every pixel moved by a flow (N, 2, h, w), which is divided by the size alone.

    ``dtype`` is that of the positions before they are moved.
    """
    height, width = flow.shape[-2:]
    x = spread(width, dtype, flow.device) + flow[:, 0] / width
    y = spread(height, dtype, flow.device)[:, None] + flow[:, 1] / height
    return x, y


class Warp(nn.Module):
    """Samples a feature at the places of a grid, bilinearly, zeros around it.

    ``align_corners``: -1 and 1 are the centres of the outermost pixels, not their outer edges.
    """

    def __init__(self, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners

    def forward(self, feature: Tensor, grid: Tensor) -> Tensor:
        """A feature (N, C, H, W) and a grid (N, h, w, 2) in, the feature (N, C, h, w) out."""
        return F.grid_sample(feature.to(grid.dtype), grid, align_corners=self.align_corners).to(feature.dtype)


def spread(steps: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """``steps`` numbers from -1 to 1 at equal distances, (steps,); a single one is -1."""
    if not torch.compiler.is_exporting():
        return torch.linspace(-1, 1, steps, dtype=dtype, device=device)
    # An exported program would hold linspace's number of steps. The last bits of these are others.
    numbers = torch.arange(steps, dtype=dtype, device=device)
    return numbers / numbers[-1:].clamp(min=1) * 2 - 1


def grid_mean(features: Tensor, rows: int, columns: int) -> Tensor:
    """Means of (N, C, H, W) over cells, (N, C, rows, columns): adaptive average pooling.

    Exported, a single row or column is there twice, which resizing does not change.
    """
    if not torch.compiler.is_exporting():
        return F.adaptive_avg_pool2d(features, (rows, columns))
    # An exported program would hold the cells' limits.
    height, width = features.shape[-2:]
    return _cells(height, rows, features) @ features @ _cells(width, columns, features).T


def _cells(length: int, count: int, like: Tensor) -> Tensor:
    """The share of each of ``length`` positions in the mean of each cell, (count, length); a single cell twice."""
    # That there is one or are more is held as well.
    cell = torch.arange(torch.sym_max(count, 2), device=like.device).clamp(max=count - 1)[:, None]
    position = torch.arange(length, device=like.device)
    inside = (position >= cell * length // count) & (position < ((cell + 1) * length + count - 1) // count)
    share = inside.to(like.dtype)
    return share / share.sum(1, keepdim=True)
