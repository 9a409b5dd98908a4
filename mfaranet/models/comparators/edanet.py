"""EDANet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
from torch import Tensor, nn

from mfaranet.models.blocks import conv_pool_bn_relu
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, resize_like

GROWTH = 40
DILATIONS = ((1, 1, 1, 2, 2), (2, 2, 4, 4, 8, 8, 16, 16))


class DenseModule(nn.Module):
    """Two pairs of 1-D convolutions, the second dilated: (N, C, H, W) to (N, GROWTH + C, H, W), the new ones first."""

    def __init__(self, in_channels: int, dilation: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            conv_bn_relu(in_channels, GROWTH, 1, bias=True),
            *(_asymmetric_pair(GROWTH, each) for each in (1, dilation)),
            nn.Dropout2d(0.02),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.convs(x), x], dim=1)


class EDANet(Comparator):
    """Dense modules at 1/4 and 1/8 and a classifier; no decoder."""

    facts = Facts(
        title="EDANet",
        paper="EDANet: Efficient Dense Modules of Asymmetric Convolution for Real-Time Semantic Segmentation",
        year=2018,
        link="https://arxiv.org/abs/1809.06323",
        implementation="wpf535236337/pytorch_EDANet",
        deviation=(
            "No deviation from the paper is known. In evaluation mode both double their output, from a half-size image "
            "to the size of its labels; here it always has the image's size. The weights' initial distribution is "
            "PyTorch's, not theirs."
        ),
    )
    multiple = 8
    align_corners = True
    linked_names = (
        (r"^layers\.16\.", "project_layer."),
        (r"^(layers\.\d+)\.0\.(?:conv\.)?", r"\1.conv."),
        (r"^(layers\.\d+)\.1\.", r"\1.bn."),
        (r"\.convs\.0\.0\.", ".conv1x1."),
        (r"\.convs\.0\.1\.", ".bn0."),
        (r"\.convs\.(\d)\.0\.0\.", r".conv3x1_\1."),
        (r"\.convs\.(\d)\.1\.0\.", r".conv1x3_\1."),
        (r"\.convs\.(\d)\.1\.1\.", r".bn\1."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv_pool_bn_relu(in_channels, 15),
            conv_pool_bn_relu(15, 60),
            *(DenseModule(60 + i * GROWTH, dilation) for i, dilation in enumerate(DILATIONS[0])),
            conv_pool_bn_relu(260, 130),
            *(DenseModule(130 + i * GROWTH, dilation) for i, dilation in enumerate(DILATIONS[1])),
            nn.Conv2d(450, num_classes, 1),
        )

    def scores(self, images: Tensor) -> list[Tensor]:
        return [resize_like(self.layers(images), images)]


def _asymmetric_pair(channels: int, dilation: int) -> nn.Sequential:
    """Vertical, then horizontal convolution, with one normalisation and ReLU; keeps the shape (N, channels, H, W)."""
    return nn.Sequential(
        conv_bn(channels, channels, (3, 1), dilation=dilation, bias=True, norm=False),
        conv_bn_relu(channels, channels, (1, 3), dilation=dilation, bias=True),
    )
