"""MiniNet-V2: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from torch import Tensor, nn

from mfaranet.models.blocks import downsampling, upsampling
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn_relu, resize_like

DILATIONS = (1, 2, 1, 4, 1, 8, 1, 16, 1, 1, 1, 2, 1, 4, 1, 8)


class MiniNetV2(Comparator):
    """Separable blocks at 1/4 and 1/8, and two convolutions of the image for the detail."""

    facts = Facts(
        title="MiniNet-V2",
        paper="MiniNet: An Efficient Semantic Segmentation ConvNet for Real-Time Robotic Applications",
        year=2020,
        link="https://doi.org/10.1109/TRO.2020.2974099",
        implementation="zh320/realtime-semantic-segmentation-pytorch",
        licence="Apache-2.0",
        deviation=(
            "Against the authors' own code, its separable blocks have neither shortcut nor dropout, and a second "
            "depthwise path in seven of the deep blocks only; downsampling leaves pooled channels raw; normalisation "
            "and ReLU follow the last layer, so no logit is negative."
        ),
    )
    multiple = 8
    linked_names = (
        (r"^detail\.", "ref."),
        (r"^encoder\.([01])\.", r"d1_2.\1."),
        *((rf"^encoder\.{2 + i}\.", f"m1_10.{i}.") for i in range(10)),
        (r"^encoder\.12\.", "d3."),
        *((rf"^encoder\.{13 + i}\.", f"feature_extractor.{i}.") for i in range(16)),
        (r"^upsampling\.", "up1.up_conv."),
        (r"^decoder\.4\.", "output.up_conv."),
        (r"^decoder\.", "m26_29."),
        (r"\.depthwise\.", ".dw_conv."),
        (r"\.dilated\.", ".ddw_conv."),
        (r"\.pointwise\.", ".pw_conv."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.detail = nn.Sequential(downsampling(in_channels, 16), downsampling(16, 64))
        self.encoder = nn.Sequential(
            downsampling(in_channels, 16),
            downsampling(16, 64),
            *(SeparableBlock(64) for _ in range(10)),
            downsampling(64, 128),
            *(SeparableBlock(128, dilation) for dilation in DILATIONS),
        )
        self.upsampling = upsampling(128, 64)
        self.decoder = nn.Sequential(*(SeparableBlock(64) for _ in range(4)), upsampling(64, num_classes))

    def scores(self, images: Tensor) -> list[Tensor]:
        detail = self.detail(images)
        context = self.upsampling(self.encoder(images))
        return [resize_like(self.decoder(context + detail), images)]


class SeparableBlock(nn.Module):
    """Depthwise convolution, beside a dilated one if ``dilation`` is above 1, then a pointwise one; keeps the shape."""

    def __init__(self, channels: int, dilation: int = 1) -> None:
        super().__init__()
        self.depthwise = conv_bn_relu(channels, channels, 3, groups=channels)
        self.dilated = conv_bn_relu(channels, channels, 3, dilation=dilation, groups=channels) if dilation > 1 else None
        self.pointwise = conv_bn_relu(channels, channels, 1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.depthwise(x)
        if self.dilated is not None:
            y = y + self.dilated(x)
        y = self.pointwise(y)
        return y
