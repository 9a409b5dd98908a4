"""ICNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import DILATION, STRIDES_TO_8, Bottleneck, ResNet, deep_stem
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, grid_mean, resize_like, resize_to


class CascadeFeatureFusion(nn.Module):
    """A coarse feature at the size of a finer one, and their fusion: each (N, 128, H, W)."""

    channels = 128

    def __init__(self, coarse_channels: int, fine_channels: int) -> None:
        super().__init__()
        self.coarse = conv_bn(coarse_channels, self.channels, 3, dilation=2)
        self.fine = conv_bn(fine_channels, self.channels, 1)

    def forward(self, coarse: Tensor, fine: Tensor) -> tuple[Tensor, Tensor]:
        """Take (N, coarse_channels, h, w) and (N, fine_channels, H, W)."""
        coarse = self.coarse(resize_like(coarse, fine))
        return coarse, F.relu(coarse + self.fine(fine))


class ICNet(Comparator):
    """Three sizes of the image, each coarser one through more layers. Training adds scores at 1/8 and 1/16."""

    facts = Facts(
        title="ICNet",
        backbone="ResNet-50",
        paper="ICNet for Real-Time Semantic Segmentation on High-Resolution Images",
        year=2018,
        link="https://arxiv.org/abs/1704.08545",
        implementation="liminn/ICNet-pytorch",
        licence="MIT",
        deviation=(
            "Against the authors' network: the ResNet-50 has its full width instead of half; it runs once on the half- "
            "size and once on the quarter-size image instead of sharing features; the half-size branch ends after "
            "stage 2 instead of after its first block; no convolution follows the pyramid pooling. Changed here: "
            "stages 3 and 4, which that code runs on the half-size image too and discards, run on the quarter-size "
            "image only."
        ),
    )
    multiple = 8
    align_corners = True
    linked_names = (
        (r"^head\.", "head.conv_cls."),
        (r"^auxiliary_heads\.0\.", "head.cff_12.conv_low_cls."),
        (r"^auxiliary_heads\.1\.", "head.cff_24.conv_low_cls."),
        (r"^fusion_quarter\.", "head.cff_24."),
        (r"^fusion_half\.", "head.cff_12."),
        (r"\.coarse\.", ".conv_low."),
        (r"\.fine\.", ".conv_high."),
        (r"^full\.(\d)\.0\.", r"conv_sub1.\1.conv."),
        (r"^full\.(\d)\.1\.", r"conv_sub1.\1.bn."),
        (r"^backbone\.stem\.7\.", "pretrained.bn1."),
        (r"^backbone\.stem\.", "pretrained.conv1."),
        (r"^backbone\.", "pretrained."),
    )
    left_out = ("pretrained.fc.",)

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.full = nn.Sequential(
            conv_bn_relu(in_channels, 32, 3, stride=2),
            conv_bn_relu(32, 32, 3, stride=2),
            conv_bn_relu(32, 64, 3, stride=2),
        )
        self.backbone = ResNet(
            Bottleneck,
            (3, 4, 6, 3),
            strides=STRIDES_TO_8,
            dilations=DILATION,
            first_dilations=(1, 1, 1, 2),
            stem=deep_stem(in_channels),
        )
        self.fusion_quarter = CascadeFeatureFusion(2048, 512)
        self.fusion_half = CascadeFeatureFusion(CascadeFeatureFusion.channels, 64)
        self.head, *auxiliary = (nn.Conv2d(CascadeFeatureFusion.channels, num_classes, 1, bias=False) for _ in range(3))
        self.auxiliary_heads = nn.ModuleList(auxiliary)

    def scores(self, images: Tensor) -> list[Tensor]:
        """Scores (N, num_classes, H, W), in training mode also those at 1/8 and 1/16."""
        height, width = images.shape[-2:]
        full = self.full(images)
        encoder = self.backbone
        half = encoder.layer2(encoder.layer1(encoder.stem(resize_to(images, (height // 2, width // 2)))))
        quarter = _pyramid_sum(encoder(resize_to(images, (height // 4, width // 4)))[-1])
        coarse_quarter, fused = self.fusion_quarter(quarter, half)
        coarse_half, fused = self.fusion_half(fused, full)
        out = self.head(resize_to(fused, (height // 4, width // 4)))
        maps = [resize_like(out, images)]
        if self.training:
            maps += [head(x) for head, x in zip(self.auxiliary_heads, (coarse_half, coarse_quarter), strict=True)]
        return maps


def _pyramid_sum(x: Tensor) -> Tensor:
    """The input plus its averages over grids of four sizes."""
    for pooled in [grid_mean(x, size, size) for size in (1, 2, 3, 6)]:
        x = x + resize_like(pooled, x)
    return x
