"""SFNet (DF1): its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
from torch import Tensor, nn

from mfaranet.models.backbones.dfnet import dfnet1
from mfaranet.models.blocks import score_head
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import Warp, conv_bn, conv_bn_relu, flow_positions, grid_mean, resize_like

WIDTH = 64
BINS = (1, 2, 3, 6)


class GridMean(nn.Module):
    """Means over a grid of ``size`` rows and columns: (N, C, H, W) to (N, C, size, size)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return grid_mean(x, self.size, self.size)


class PyramidPooling(nn.Module):
    """Means over coarse grids beside the features: (N, in_channels, H, W) to (N, WIDTH, H, W)."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(GridMean(size), conv_bn(in_channels, WIDTH, 1)) for size in BINS)
        self.fusion = nn.Sequential(conv_bn_relu(in_channels + len(BINS) * WIDTH, WIDTH, 1), nn.Dropout2d(0.1))

    def forward(self, x: Tensor) -> Tensor:
        pooled = [resize_like(branch(x), x) for branch in self.branches]
        fused: Tensor = self.fusion(torch.cat([*pooled, x], dim=1))
        return fused


class FlowAlignment(nn.Module):
    """Warps ``high`` (N, WIDTH, h, w) by a learned flow to the place and size of ``low`` (N, WIDTH, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce_low = nn.Conv2d(WIDTH, WIDTH // 2, 1, bias=False)
        self.reduce_high = nn.Conv2d(WIDTH, WIDTH // 2, 1, bias=False)
        self.flow = nn.Conv2d(WIDTH, 2, 3, padding=1, bias=False)
        self.warp = Warp(align_corners=True)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        reduced = self.reduce_low(low)
        flow: Tensor = self.flow(torch.cat([resize_like(self.reduce_high(high), low), reduced], dim=1))
        # Half precision would move the samples.
        flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
        warped: Tensor = self.warp(high, torch.stack(flow_positions(flow, flow.dtype), dim=-1))
        return warped


class SFNet(Comparator):
    """A feature pyramid on DFNet V1 whose way down is warped; its scores are at 1/16 before they are resized.

    Args:
        deep_supervision: score each level of the way down as well, in training.
    """

    facts = Facts(
        title="SFNet (DF1)",
        backbone="DFNet V1",
        paper="Semantic Flow for Fast and Accurate Scene Parsing",
        year=2020,
        link="https://arxiv.org/abs/2002.10120",
        implementation="lxtGH/SFSegNets",
        official=True,
        licence="MIT by its readme",
        deviation=(
            "It is the first author's second implementation. Against the paper, the last fusion resizes the levels of "
            "the pyramid bilinearly instead of aligning them by flow, and the pyramid has three levels (1/16 and twice "
            "1/32) where the paper's figure has four from 1/4 on."
        ),
    )
    align_corners = True
    linked_names = (
        (r"^backbone\.stem\.", "backbone.stage1."),
        (r"^backbone\.layer1\.1\.", "backbone.stage1.3."),
        (r"^backbone\.layer1\.2\.", "backbone.stage1.4."),
        (r"^backbone\.layer4\.1\.", "backbone.stage5."),
        (r"^backbone\.layer(\d)\.0\.", r"backbone.stage\1."),
        (r"^pooling\.branches\.(\d)\.1\.0\.", r"head.ppm.stages.\1.1."),
        (r"^pooling\.branches\.(\d)\.1\.1\.", r"head.ppm.stages.\1.2."),
        (r"^pooling\.fusion\.0\.", "head.ppm.bottleneck."),
        (r"^classifier\.", "head.conv_last."),
        # There the levels are counted from the finest one.
        *((rf"^laterals\.{i}\.", f"head.fpn_in.{1 - i}.") for i in range(2)),
        *((rf"^alignments\.{i}\.", f"head.fpn_out_align.{1 - i}.") for i in range(2)),
        *((rf"^outputs\.{i}\.", f"head.fpn_out.{1 - i}.0.") for i in range(2)),
        *((rf"^auxiliary_heads\.{i}\.0\.", f"head.dsn.{1 - i}.") for i in range(2)),
        *((rf"^auxiliary_heads\.{i}\.2\.", f"head.dsn.{1 - i}.4.") for i in range(2)),
        (r"\.reduce_low\.", ".down_l."),
        (r"\.reduce_high\.", ".down_h."),
        (r"\.flow\.", ".flow_make."),
    )
    left_out = ("criterion.", "head.dsn.")

    def __init__(self, num_classes: int = 19, in_channels: int = 3, deep_supervision: bool = True) -> None:
        super().__init__()
        self.backbone = dfnet1(in_channels=in_channels, uncut=True)
        self.pooling = PyramidPooling(512)
        levels = (256, 128)
        self.laterals = nn.ModuleList(conv_bn_relu(channels, WIDTH, 1, bias=True) for channels in levels)
        self.alignments = nn.ModuleList(FlowAlignment() for _ in levels)
        self.outputs = nn.ModuleList(conv_bn_relu(WIDTH, WIDTH, 3) for _ in levels)
        self.classifier = score_head(3 * WIDTH, WIDTH, num_classes)
        self.auxiliary_heads = nn.ModuleList(
            nn.Sequential(conv_bn_relu(WIDTH, WIDTH, 3, bias=True), nn.Dropout2d(0.1), nn.Conv2d(WIDTH, num_classes, 1))
            for _ in (levels if deep_supervision else ())
        )

    def scores(self, images: Tensor) -> list[Tensor]:
        encoder = self.backbone
        middle = encoder.layer3(encoder.layer2(encoder.layer1(encoder.stem(images))))
        late = encoder.layer4[0](middle)
        x = self.pooling(encoder.layer4[1](late))
        outputs, sums = [x], []
        for feature, lateral, align, output in zip(
            (late, middle), self.laterals, self.alignments, self.outputs, strict=True
        ):
            low = lateral(feature)
            x = low + align(low, x)
            sums.append(x)
            outputs.append(output(x))
        fused = torch.cat([resize_like(each, x) for each in reversed(outputs)], dim=1)
        maps = [self.classifier(fused)]
        if self.training:
            maps += [head(each) for head, each in zip(self.auxiliary_heads, sums, strict=False)]
        return maps
