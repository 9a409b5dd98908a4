"""Building blocks that several of the compared networks share."""

import torch
from torch import Tensor, nn

from mfaranet.models.layers import conv_bn, conv_bn_relu, grid_mean, resize_like


def norm_prelu(channels: int) -> nn.Sequential:
    """Batch normalisation and PReLU: keeps the shape (N, channels, H, W)."""
    return nn.Sequential(nn.BatchNorm2d(channels, eps=1e-3), nn.PReLU(channels))


def conv_norm_prelu(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation and PReLU: (N, in_channels, H, W) to (N, channels, H/stride, W/stride)."""
    return nn.Sequential(*conv_bn(in_channels, channels, kernel_size, stride, norm=False), *norm_prelu(channels))


class InvertedResidual(nn.Module):
    """MobileNetV2's block: to (N, channels, H/stride, W/stride), with a shortcut where the shape stays.

    Args:
        expansion: the depthwise convolution has this times ``in_channels``.
        bias: of the first convolution.
        dilation: of the depthwise convolution.
        activation: kind of the two activations.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        expansion: int,
        bias: bool = False,
        dilation: int = 1,
        activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU,
    ) -> None:
        super().__init__()
        width = expansion * in_channels
        self.convs = nn.Sequential(
            conv_bn(in_channels, width, 1, bias=bias).append(activation(inplace=True)),
            conv_bn(width, width, 3, stride, dilation=dilation, groups=width).append(activation(inplace=True)),
            conv_bn(width, channels, 1),
        )
        self.shortcut = stride == 1 and in_channels == channels

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.convs(x)
        return x + y if self.shortcut else y


def inverted_residuals(
    in_channels: int,
    channels: int,
    stride: int,
    expansion: int,
    blocks: int,
    bias: bool = False,
    dilation: int = 1,
    activation: type[nn.ReLU | nn.ReLU6] = nn.ReLU,
) -> nn.Sequential:
    """InvertedResiduals in a row; the first has the stride and changes the channels."""
    return nn.Sequential(
        InvertedResidual(in_channels, channels, stride, expansion, bias, dilation, activation),
        *(InvertedResidual(channels, channels, 1, expansion, bias, dilation, activation) for _ in range(blocks - 1)),
    )


class ConvBesidePool(nn.Module):
    """A convolution of stride 2 beside a pooling: (N, in_channels, H, W) to (N, channels, H/2, W/2), pooled ones last.

    Args:
        conv: with what follows it, to ``channels - in_channels`` channels.
        pool_size: 2, or 3 with padding.
    """

    def __init__(self, conv: nn.Module, pool_size: int) -> None:
        super().__init__()
        self.conv = conv
        self.pool = nn.MaxPool2d(pool_size, stride=2, padding=(pool_size - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x), self.pool(x)], dim=1)


def downsampling(in_channels: int, channels: int) -> ConvBesidePool:
    """ConvBesidePool whose convolution alone has normalisation and ReLU."""
    return ConvBesidePool(conv_bn_relu(in_channels, channels - in_channels, 3, stride=2), pool_size=3)


def conv_pool_bn_relu(in_channels: int, channels: int) -> nn.Sequential:
    """ConvBesidePool, or a convolution where channels shrink, then normalisation and ReLU; halves even sizes."""
    if in_channels >= channels:
        return conv_bn_relu(in_channels, channels, 3, stride=2, bias=True)
    conv = nn.Conv2d(in_channels, channels - in_channels, 3, stride=2, padding=1)
    return nn.Sequential(ConvBesidePool(conv, pool_size=2), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def upsampling(in_channels: int, channels: int) -> nn.Sequential:
    """Transposed convolution: (N, in_channels, H, W) to (N, channels, 2H, 2W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(in_channels, channels, 3, stride=2, padding=1, output_padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


class PyramidPooling(nn.Module):
    """The input and its averages over grids of several sizes, side by side: (N, C, H, W) to (N, 2 * C, H, W)."""

    bins = (1, 2, 3, 6)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(conv_bn_relu(channels, channels // len(self.bins), 1) for _ in self.bins)

    def forward(self, x: Tensor) -> Tensor:
        pooled = [conv(grid_mean(x, size, size)) for size, conv in zip(self.bins, self.convs, strict=True)]
        return torch.cat([x, *(resize_like(each, x) for each in pooled)], dim=1)


def channel_weights(channels: int, reduction: int) -> nn.Sequential:
    """Squeeze and excitation, without the multiplication: (N, channels, H, W) to (N, channels, 1, 1) in 0..1."""
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, channels // reduction),
        nn.ReLU(inplace=True),
        nn.Linear(channels // reduction, channels),
        nn.Sigmoid(),
        nn.Unflatten(1, (channels, 1, 1)),
    )


class ChannelGate(nn.Module):
    """Weight each channel by what its mean says (as BiSeNet's attention does): (N, channels, H, W), same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn(channels, channels, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        weights: Tensor = self.weights(x)
        return x * weights


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Take the channels of (N, C, H, W) in turn from each of the groups that they form."""
    count, channels, height, width = x.shape
    grouped = x.reshape(count, groups, channels // groups, height, width)
    return grouped.transpose(1, 2).reshape(count, channels, height, width)


def score_head(in_channels: int, width: int, num_classes: int, bias: bool = True) -> nn.Sequential:
    """3x3 and 1x1 convolution, the latter with ``bias``: (N, in_channels, H, W) to (N, num_classes, H, W)."""
    return nn.Sequential(conv_bn_relu(in_channels, width, 3), nn.Conv2d(width, num_classes, 1, bias=bias))
