"""DeepLab-V2: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from collections.abc import Sequence
from functools import reduce

import torch
from torch import Tensor, nn

from mfaranet.models.backbones.resnet import DILATION, STRIDES_TO_8, ResNet, StrideFirstBottleneck, plain_stem
from mfaranet.models.comparator import Comparator, plain_resnet_names
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, resize_like, resize_to


class DeepLabV2(Comparator):
    """A ResNet-101 dilated to 1/8 of the size, then four dilated classifiers (atrous spatial pyramid pooling).

    Args:
        scales: of the image, beside the full one, (0.75, 0.5) in the linked code. The result is then the maximum of all
            scores; training adds those of each.
    """

    facts = Facts(
        title="DeepLab-V2",
        backbone="ResNet-101",
        paper=(
            "DeepLab: Semantic Image Segmentation with Deep Convolutional Nets, Atrous Convolution, and Fully "
            "Connected CRFs"
        ),
        year=2016,
        link="https://arxiv.org/abs/1606.00915",
        implementation="isht7/pytorch-deeplab-resnet",
        licence="MIT",
        deviation=(
            "Against the paper, there is no CRF. Changed here: one scale by default; other scales treat height and "
            "width apart, where that code takes square images only; the batch normalisation is trained, which it "
            "freezes. It starts from weights of Caffe, trained on COCO; here it starts from scratch, as torchvision's "
            "ResNet-101 has its strides in other convolutions."
        ),
    )
    align_corners = True
    linked_names = (
        *plain_resnet_names("Scale."),
        (r"^heads\.(\d)\.0\.", r"Scale.layer5.conv2d_list.\1."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3, scales: Sequence[float] = ()) -> None:
        super().__init__()
        self.scales = tuple(scales)
        self.backbone = ResNet(
            StrideFirstBottleneck,
            (3, 4, 23, 3),
            strides=STRIDES_TO_8,
            dilations=DILATION,
            stem=plain_stem(in_channels, ceil_mode=True),
            stem_channels=64,
        )
        self.heads = nn.ModuleList(
            conv_bn(2048, num_classes, 3, dilation=dilation, bias=True, norm=False) for dilation in (6, 12, 18, 24)
        )

    def scores(self, images: Tensor) -> list[Tensor]:
        """Scores (N, num_classes, about H/8, about W/8), in training mode with several scales also each one's."""
        height, width = images.shape[-2:]
        maps = [self._scores(images)]
        for scale in self.scales:
            maps.append(self._scores(resize_to(images, (int(scale * height) + 1, int(scale * width) + 1))))
        if len(maps) == 1:
            return maps
        fused = reduce(torch.maximum, (resize_like(each, maps[0]) for each in maps))
        return [fused, *maps] if self.training else [fused]

    def _scores(self, images: Tensor) -> Tensor:
        features = self.backbone(images)[-1]
        return torch.stack([head(features) for head in self.heads]).sum(0)
