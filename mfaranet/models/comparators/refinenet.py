"""RefineNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import plain_resnet101
from mfaranet.models.comparator import Comparator, plain_resnet_names
from mfaranet.models.facts import Facts
from mfaranet.models.layers import resize_like


class ResidualUnit(nn.Module):
    """Two convolutions, each after a ReLU, and a shortcut: (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels, bias=True)
        self.conv2 = _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.conv2(F.relu(self.conv1(F.relu(x))))
        return y


class ChainedPooling(nn.Module):
    """The input plus what each step of a chain of poolings and convolutions gives: (N, C, H, W) to (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.steps = nn.ModuleList(
            nn.Sequential(nn.MaxPool2d(5, stride=1, padding=2), _conv(channels, channels)) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        total = x
        for step in self.steps:
            x = step(x)
            total = total + x
        return total


class RefineBlock(nn.Module):
    """Fuses an encoder's feature (N, in_channels, H, W) with the coarser block's result, to (N, 256, H, W).

    The coarsest block has nothing to fuse; the finest is the ``last``, with nothing to prepare its result for.
    """

    def __init__(self, in_channels: int, channels: int = 256, coarsest: bool = False, last: bool = False) -> None:
        super().__init__()
        self.adapt = nn.Sequential(_conv(in_channels, channels), ResidualUnit(channels), ResidualUnit(channels))
        if not coarsest:
            self.adapt.append(_conv(channels, channels))
        self.refine = nn.Sequential(ChainedPooling(channels), *(ResidualUnit(channels) for _ in range(3)))
        if not last:
            self.refine.append(_conv(channels, 256))

    def forward(self, feature: Tensor, coarser: Tensor | None) -> Tensor:
        x = self.adapt(feature)
        if coarser is not None:
            x = x + resize_like(coarser, x)
        refined: Tensor = self.refine(F.relu(x))
        return refined


class RefineNet(Comparator):
    """A ResNet-101, whose features four blocks fuse from coarse to fine."""

    facts = Facts(
        title="RefineNet",
        backbone="ResNet-101",
        paper="RefineNet: Multi-Path Refinement Networks for High-Resolution Semantic Segmentation",
        year=2017,
        link="https://arxiv.org/abs/1611.06612",
        implementation="DrSleep/refinenet-pytorch",
        licence="BSD text for non-commercial use",
        deviation=(
            "A port of the authors' MATLAB model; the 4-cascaded network for one scale. Against the paper (from "
            "memory): the chains have four poolings, the coarser path has no residual units of its own, and there is "
            "dropout. Changed here: the scores, which that code leaves at 1/4 of the size, are resized bilinearly."
        ),
    )
    align_corners = True
    linked_names = (
        *plain_resnet_names(""),
        *((rf"^blocks\.{i}\.", f"{i + 1}.") for i in range(4)),
        (r"^(\d)\.adapt\.0\.", r"p_ims1d2_outl\1_dimred."),
        (r"^(\d)\.adapt\.3\.", r"adapt_stage\1_b2_joint_varout_dimred."),
        (r"^(\d)\.adapt\.", r"adapt_stage\1_b.0."),
        *((rf"^(\d)\.refine\.0\.steps\.{i}\.1\.", rf"mflow_conv_g\1_pool.0.{i + 1}_outvar_dimred.") for i in range(4)),
        (r"^(\d)\.refine\.4\.", r"mflow_conv_g\1_b3_joint_varout_dimred."),
        (r"^(\d)\.refine\.", r"mflow_conv_g\1_b.0."),
        (r"_b\.0\.(\d)\.conv1\.", r"_b.0.\1_conv."),
        (r"_b\.0\.(\d)\.conv2\.", r"_b.0.\1_conv_relu_varout_dimred."),
        (r"^head\.", "clf_conv."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.backbone = plain_resnet101(in_channels)
        self.blocks = nn.ModuleList(
            [RefineBlock(2048, 512, coarsest=True), RefineBlock(1024), RefineBlock(512), RefineBlock(256, last=True)]
        )
        self.dropout = nn.Dropout(0.5)
        self.head = _conv(256, num_classes, bias=True)

    def scores(self, images: Tensor) -> list[Tensor]:
        """Scores (N, num_classes, H/4, W/4)."""
        first, second, third, fourth = self.backbone(images)
        x = None
        for block, feature in zip(self.blocks, (self.dropout(fourth), self.dropout(third), second, first), strict=True):
            x = block(feature, x)
        return [self.head(self.dropout(x))]


def _conv(in_channels: int, channels: int, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(in_channels, channels, 3, padding=1, bias=bias)
