"""BiSeNet-V1: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import plain_resnet18
from mfaranet.models.blocks import ChannelGate, score_head
from mfaranet.models.comparator import Comparator, plain_resnet_names
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn_relu

WIDTH = 128


class BiSeNetV1(Comparator):
    """A deep context path and a shallow spatial path, fused at 1/8. Both steps of the former have an auxiliary head."""

    facts = Facts(
        title="BiSeNet-V1",
        backbone="ResNet-18",
        paper="BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation",
        year=2018,
        link="https://arxiv.org/abs/1808.00897",
        implementation="CoinCheung/BiSeNet",
        licence="MIT",
        deviation=(
            "Its V1 with ResNet-18. Against the paper, the spatial path has a 7x7, two 3x3 and a 1x1 convolution "
            "instead of three of stride 2, the gate of the fusion is one convolution with normalisation instead of two "
            "with a ReLU between, and the context path refines each feature by a 3x3 convolution before its gate and "
            "after its (nearest neighbour) upsampling."
        ),
    )
    multiple = 32
    linked_names = (
        *plain_resnet_names("cp.resnet."),
        (r"^context\.1\.", "cp.conv_avg."),
        (r"^refine(\d\d)\.0\.", r"cp.arm\1.conv."),
        (r"^refine(\d\d)\.1\.weights\.1\.0\.", r"cp.arm\1.conv_atten."),
        (r"^refine(\d\d)\.1\.weights\.1\.1\.", r"cp.arm\1.bn_atten."),
        (r"^up(\d\d)\.1\.", r"cp.conv_head\1."),
        *((rf"^spatial\.{i}\.", f"sp.conv{i + 1}.") for i in range(3)),
        (r"^spatial\.3\.", "sp.conv_out."),
        (r"^fuse\.", "ffm.convblk."),
        (r"^gate\.weights\.1\.", "ffm."),
        (r"^head\.", "conv_out."),
        (r"^auxiliary_heads\.0\.", "conv_out16."),
        (r"^auxiliary_heads\.1\.", "conv_out32."),
        (r"^(conv_out\d*)\.1\.", r"\1.conv_out."),
        (r"^(conv_out\d*)\.0\.", r"\1.conv."),
        (r"(?<!downsample)\.0\.(?=\w+$)", ".conv."),
        (r"(?<!downsample)\.1\.(?=\w+$)", ".bn."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.backbone = plain_resnet18(in_channels)
        *_, channels16, channels32 = self.backbone.channels
        self.context = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn_relu(channels32, WIDTH, 1))
        self.refine32 = nn.Sequential(conv_bn_relu(channels32, WIDTH, 3), ChannelGate(WIDTH))
        self.up32 = nn.Sequential(nn.Upsample(scale_factor=2), conv_bn_relu(WIDTH, WIDTH, 3))
        self.refine16 = nn.Sequential(conv_bn_relu(channels16, WIDTH, 3), ChannelGate(WIDTH))
        self.up16 = nn.Sequential(nn.Upsample(scale_factor=2), conv_bn_relu(WIDTH, WIDTH, 3))
        self.spatial = nn.Sequential(
            conv_bn_relu(in_channels, 64, 7, stride=2),
            conv_bn_relu(64, 64, 3, stride=2),
            conv_bn_relu(64, 64, 3, stride=2),
            conv_bn_relu(64, WIDTH, 1),
        )
        self.fuse = conv_bn_relu(2 * WIDTH, 2 * WIDTH, 1)
        self.gate = ChannelGate(2 * WIDTH)
        self.head = score_head(2 * WIDTH, 256, num_classes)
        self.auxiliary_heads = nn.ModuleList(score_head(WIDTH, 64, num_classes) for _ in range(2))

    def scores(self, images: Tensor) -> list[Tensor]:
        *_, feature16, feature32 = self.backbone(images)
        context16 = self.up32(self.context(feature32) + self.refine32(feature32))
        context8 = self.up16(self.refine16(feature16) + context16)
        fused = self.fuse(torch.cat([self.spatial(images), context8], dim=1))
        maps = [self.head(fused + self.gate(fused))]
        if self.training:
            maps += [head(x) for head, x in zip(self.auxiliary_heads, (context8, context16), strict=True)]
        return maps
