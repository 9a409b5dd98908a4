"""Fast-SCNN: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.blocks import PyramidPooling, inverted_residuals
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, resize_like


class FastSCNN(Comparator):
    """A stem to 1/8, a deep path to 1/32 with pyramid pooling, and their sum.

    Args:
        auxiliary_head: add a training-only score of the stem's features. The linked code offers it, off by default.
    """

    facts = Facts(
        title="Fast-SCNN",
        paper="Fast-SCNN: Fast Semantic Segmentation Network",
        year=2019,
        link="https://arxiv.org/abs/1902.04502",
        implementation="Tramac/Fast-SCNN-pytorch",
        licence="Apache-2.0",
        deviation=(
            "Against the paper, its first convolution is not padded, the fusion's depthwise convolution not dilated, "
            "and there is at most one auxiliary head instead of two."
        ),
    )
    multiple = 32
    linked_names = (
        (r"^stem\.([01])\.", r"learning_to_downsample.conv.conv.\1."),
        (r"^stem\.3\.", "learning_to_downsample.dsconv1."),
        (r"^stem\.4\.", "learning_to_downsample.dsconv2."),
        (r"^classifier\.0\.", "classifier.dsconv1."),
        (r"^classifier\.1\.", "classifier.dsconv2."),
        (r"^classifier\.3\.", "classifier.conv.1."),
        (r"(dsconv\d)\.0\.", r"\1.conv."),
        (r"(dsconv\d)\.1\.0\.", r"\1.conv.3."),
        (r"(dsconv\d)\.1\.1\.", r"\1.conv.4."),
        *((rf"^deep\.{i}\.", f"global_feature_extractor.bottleneck{i + 1}.") for i in range(3)),
        (r"(bottleneck\d\.\d)\.convs\.([01])\.", r"\1.block.\2.conv."),
        (r"(bottleneck\d\.\d)\.convs\.2\.0\.", r"\1.block.2."),
        (r"(bottleneck\d\.\d)\.convs\.2\.1\.", r"\1.block.3."),
        *((rf"^deep\.3\.convs\.{i}\.", f"global_feature_extractor.ppm.conv{i + 1}.conv.") for i in range(4)),
        (r"^deep\.4\.", "global_feature_extractor.ppm.out.conv."),
        (r"^fusion_deep\.0\.", "feature_fusion.dwconv.conv."),
        (r"^fusion_deep\.1\.", "feature_fusion.conv_lower_res."),
        (r"^fusion_stem\.", "feature_fusion.conv_higher_res."),
        (r"^auxiliary_heads\.0\.0\.", "auxlayer."),
        (r"^auxiliary_heads\.0\.2\.", "auxlayer.4."),
    )
    left_out = ("auxlayer.",)

    def __init__(self, num_classes: int = 19, in_channels: int = 3, auxiliary_head: bool = False) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, stride=2, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            separable_conv(32, 48, stride=2),
            separable_conv(48, 64, stride=2),
        )
        self.deep = nn.Sequential(
            inverted_residuals(64, 64, stride=2, expansion=6, blocks=3),
            inverted_residuals(64, 96, stride=2, expansion=6, blocks=3),
            inverted_residuals(96, 128, stride=1, expansion=6, blocks=3),
            PyramidPooling(128),
            conv_bn_relu(256, 128, 1),
        )
        self.fusion_deep = nn.Sequential(conv_bn_relu(128, 128, 3, groups=128), conv_bn(128, 128, 1, bias=True))
        self.fusion_stem = conv_bn(64, 128, 1, bias=True)
        self.classifier = nn.Sequential(
            separable_conv(128, 128),
            separable_conv(128, 128),
            nn.Dropout(0.1),
            nn.Conv2d(128, num_classes, 1),
        )
        self.auxiliary_heads = nn.ModuleList()
        if auxiliary_head:
            head = nn.Sequential(conv_bn_relu(64, 32, 3), nn.Dropout(0.1), nn.Conv2d(32, num_classes, 1))
            self.auxiliary_heads.append(head)

    def scores(self, images: Tensor) -> list[Tensor]:
        stem = self.stem(images)
        deep = self.fusion_deep(resize_like(self.deep(stem), stem))
        logits = [self.classifier(F.relu(deep + self.fusion_stem(stem), inplace=True))]
        if self.training:
            logits += [head(stem) for head in self.auxiliary_heads]
        return [resize_like(each, images) for each in logits]


def separable_conv(in_channels: int, channels: int, stride: int = 1) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolution, both with normalisation, ReLU: to (N, channels, H/stride, W/stride)."""
    return nn.Sequential(
        conv_bn_relu(in_channels, in_channels, 3, stride, groups=in_channels), conv_bn_relu(in_channels, channels, 1)
    )
