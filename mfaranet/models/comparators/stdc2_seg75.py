"""STDC2-Seg75: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.stdc import stdc2
from mfaranet.models.blocks import ChannelGate, score_head
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
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

    facts = Facts(
        title="STDC2-Seg75",
        backbone="STDC2",
        paper="Rethinking BiSeNet For Real-time Semantic Segmentation",
        year=2021,
        link="https://arxiv.org/abs/2104.13188",
        implementation="MichaelFan01/STDC-Seg",
        official=True,
        licence="MIT",
        deviation=(
            "Against the paper's figure, a strided block of the encoder has a depthwise convolution of stride 2 before "
            "its second convolution. The training-only head for details at 1/8 scores no classes and is left out. 75 "
            "stands for images at 0.75 of the size, which is the caller's affair."
        ),
    )
    align_corners = True
    linked_names = (
        (r"^backbone\.stem\.0\.", "cp.backbone.features.0."),
        (r"^backbone\.layer1\.0\.", "cp.backbone.features.1."),
        *(
            (rf"^backbone\.layer{layer}\.{i}\.", f"cp.backbone.features.{first + i}.")
            for layer, first in ((2, 2), (3, 6), (4, 11))
            for i in range(5)
        ),
        (r"\.down\.", ".avd_layer."),
        (r"^mean\.1\.", "cp.conv_avg."),
        (r"^refinements\.0\.", "cp.arm32."),
        (r"^refinements\.1\.", "cp.arm16."),
        (r"(arm\d\d)\.0\.", r"\1.conv."),
        (r"\.1\.weights\.1\.0\.", ".conv_atten."),
        (r"\.1\.weights\.1\.1\.", ".bn_atten."),
        (r"^convs\.0\.", "cp.conv_head32."),
        (r"^convs\.1\.", "cp.conv_head16."),
        (r"\.convs\.", ".conv_list."),
        (r"^fusion\.conv\.", "ffm.convblk."),
        (r"^fusion\.attention\.1\.", "ffm.conv1."),
        (r"^fusion\.attention\.3\.", "ffm.conv2."),
        (r"^head\.", "conv_out."),
        (r"^auxiliary_heads\.0\.", "conv_out16."),
        (r"^auxiliary_heads\.1\.", "conv_out32."),
        (r"^(conv_out\d*)\.1\.", r"\1.conv_out."),
        (r"^(conv_out\d*)\.0\.", r"\1.conv."),
        (r"(?<!avd_layer)\.0\.(?=\w+$)", ".conv."),
        (r"(?<!avd_layer)\.1\.(?=\w+$)", ".bn."),
    )
    left_out = (
        *(f"cp.backbone.x{stride}." for stride in (2, 4, 8, 16, 32)),  # other names of what is in features
        *(f"cp.backbone.{part}." for part in ("conv_last", "fc", "bn", "linear")),
        "conv_out_sp",
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
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

    def from_linked(self, name: str, value: Tensor) -> Tensor:
        """There all normalisation but the encoder's is in place, which scales by the weight's absolute value."""
        in_place = value.dim() == 1 and name.endswith(".weight") and not name.startswith("backbone.")
        return value.abs() + 1e-5 if in_place else value

    def _down(self, step: int, features: Tensor, context: Tensor, finer: Tensor) -> Tensor:
        """The refined features and the context so far, at the size of the finer features."""
        x = self.refinements[step](features) + context
        x = F.interpolate(x, (finer.shape[-2], finer.shape[-1]), mode="nearest")
        y: Tensor = self.convs[step](x)
        return y
