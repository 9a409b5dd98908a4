"""ENet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.blocks import ConvBesidePool
from mfaranet.models.comparator import Comparator, cropped
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn

DILATIONS = (1, 2, None, 4, 1, 8, None, 16)
KINDS = ("regular", "dilated", "asymmetric", "dilated")
"""In the linked implementation's names."""


class Bottleneck(nn.Module):
    """A convolution at a quarter of the channels, with a shortcut; keeps the shape (N, channels, H, W).

    Args:
        dilation: of a 3x3 convolution; None makes a 5x1 and a 1x5 one instead.
    """

    def __init__(
        self,
        channels: int,
        dropout: float,
        dilation: int | None = 1,
        activation: type[nn.PReLU | nn.ReLU] = nn.PReLU,
    ) -> None:
        super().__init__()
        width = channels // 4
        self.convs = conv_norm(channels, width, 1, activation=activation)
        if dilation is None:
            self.convs.extend(conv_norm(width, width, (5, 1), activation=activation))
            self.convs.extend(conv_norm(width, width, (1, 5), activation=activation))
        else:
            self.convs.extend(conv_norm(width, width, 3, dilation=dilation, activation=activation))
        self.convs.extend(conv_norm(width, channels, 1, activation=activation)).append(nn.Dropout2d(dropout))
        self.activation = activation()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x + self.convs(x))
        return y


class DownBottleneck(nn.Module):
    """(N, in_channels, H, W) to (N, channels, H/2, W/2), and the positions (N, in_channels, H/2, W/2) of the maxima."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        width = in_channels // 4
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.convs = nn.Sequential(
            *conv_norm(in_channels, width, 2, stride=2),
            *conv_norm(width, width, 3),
            *conv_norm(width, channels, 1),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        pooled, positions = self.pool(x)
        y = self.convs(x)
        pooled = F.pad(pooled, (0, 0, 0, 0, 0, y.shape[1] - pooled.shape[1]))
        return self.activation(pooled + y), positions


class UpBottleneck(nn.Module):
    """(N, in_channels, h, w) to (N, channels, H, W), given where the maxima of its like (N, channels, H, W) were."""

    def __init__(self, in_channels: int, channels: int, dropout: float) -> None:
        super().__init__()
        width = in_channels // 4
        self.shortcut = conv_bn(in_channels, channels, 1)
        self.reduce = conv_norm(in_channels, width, 1, activation=nn.ReLU)
        self.upsampling = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.expand = nn.Sequential(
            nn.BatchNorm2d(width), nn.ReLU(inplace=True), conv_bn(width, channels, 1), nn.Dropout2d(dropout)
        )

    def forward(self, x: Tensor, positions: Tensor, size: torch.Size) -> Tensor:
        shortcut = F.max_unpool2d(self.shortcut(x), positions, (2, 2), output_size=size)
        x = self.upsampling(self.reduce(x))
        x = F.pad(x, (0, size[1] - x.shape[-1], 0, size[0] - x.shape[-2]))  # the one more row and column of an odd size
        y: Tensor = self.expand(x)
        return F.relu(shortcut + y)


class ENet(Comparator):
    """Bottlenecks at 1/4 and 1/8; the decoder unpools to where the maxima were and ends at the image's size.

    Images of fewer than 7 rows or columns, of which the encoder would leave none, are padded to 7.
    """

    facts = Facts(
        title="ENet",
        paper="ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation",
        year=2016,
        link="https://arxiv.org/abs/1606.02147",
        implementation="davidtvs/PyTorch-ENet",
        licence="MIT",
        deviation=(
            "Against the authors' own code, the first pooling is 3x3 instead of 2x2; blocks that change the resolution "
            "narrow to a quarter of their input's channels, not their output's; an activation follows the expansion "
            "too; the asymmetric pair is vertical first, with normalisation and activation in between; a PReLU has one "
            "slope for all channels; no convolution has a bias; transposed convolutions are 2x2 and the last one 3x3 "
            "instead of the reverse; and the decoder has dropout."
        ),
    )
    least = 7
    linked_names = (
        *((rf"^stage([14])\.{i}\.", rf"regular\1_{i + 1}.") for i in range(4)),
        *((rf"^stage23\.{i}\.", f"{KINDS[i % 4]}{2 + i // 8}_{i % 8 + (i < 8)}.") for i in range(16)),
        (r"^stage5\.", "regular5_1."),
        (r"^down(\d)\.", r"downsample\1_0."),
        (r"^up(\d)\.", r"upsample\1_0."),
        (r"^(asymmetric.*)\.convs\.(9|10|11)\.", r"\1.ext_conv3.\2."),
        *((rf"^(asymmetric.*)\.convs\.{3 + i}\.", rf"\1.ext_conv2.{i}.") for i in range(6)),
        *((rf"\.convs\.{i}\.", f".ext_conv{1 + i // 3}.{i % 3}.") for i in range(9)),
        *((rf"\.ext_conv3\.{9 + i}\.", f".ext_conv3.{i}.") for i in range(3)),
        (r"\.activation\.", ".out_prelu."),
        (r"\.shortcut\.", ".main_conv1."),
        (r"\.reduce\.", ".ext_conv1."),
        (r"\.upsampling\.", ".ext_tconv1."),
        (r"\.expand\.0\.", ".ext_tconv1_bnorm."),
        (r"\.expand\.2\.", ".ext_conv2."),
        (r"^initial\.0\.conv\.", "initial_block.main_branch."),
        (r"^initial\.1\.", "initial_block.batch_norm."),
        (r"^initial\.2\.", "initial_block.out_prelu."),
        (r"^classifier\.", "transposed_conv."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        width = 13 + in_channels
        conv = nn.Conv2d(in_channels, 13, 3, stride=2, padding=1, bias=False)
        self.initial = nn.Sequential(ConvBesidePool(conv, pool_size=3), nn.BatchNorm2d(width), nn.PReLU())
        self.down1 = DownBottleneck(width, 64, dropout=0.01)
        self.stage1 = nn.Sequential(*(Bottleneck(64, 0.01) for _ in range(4)))
        self.down2 = DownBottleneck(64, 128, dropout=0.1)
        self.stage23 = nn.Sequential(*(Bottleneck(128, 0.1, dilation) for dilation in 2 * DILATIONS))
        self.up4 = UpBottleneck(128, 64, dropout=0.1)
        self.stage4 = nn.Sequential(*(Bottleneck(64, 0.1, activation=nn.ReLU) for _ in range(2)))
        self.up5 = UpBottleneck(64, width, dropout=0.1)
        self.stage5 = Bottleneck(width, 0.1, activation=nn.ReLU)
        self.classifier = nn.ConvTranspose2d(width, num_classes, 3, 2, padding=1, output_padding=1, bias=False)

    def scores(self, images: Tensor) -> list[Tensor]:
        half = self.initial(images)
        x, positions1 = self.down1(half)
        quarter = self.stage1(x)
        x, positions2 = self.down2(quarter)
        x = self.stage4(self.up4(self.stage23(x), positions2, quarter.shape[-2:]))
        x = self.stage5(self.up5(x, positions1, half.shape[-2:]))
        return [cropped(self.classifier(x), images.shape[-2], images.shape[-1])]


def conv_norm(
    in_channels: int,
    channels: int,
    kernel_size: int | tuple[int, int],
    stride: int = 1,
    dilation: int = 1,
    activation: type[nn.PReLU | nn.ReLU] = nn.PReLU,
) -> nn.Sequential:
    """Convolution, normalisation and activation: (N, in_channels, H, W) to (N, channels, H/stride, W/stride)."""
    return conv_bn(in_channels, channels, kernel_size, stride, dilation=dilation).append(activation())
