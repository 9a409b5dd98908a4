"""ContextNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.blocks import inverted_residuals
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn, conv_bn_relu, resize_like, resize_to

CONTEXT_GROUPS = (  # channels, expansion, stride, blocks
    (32, 1, 1, 1),
    (32, 6, 1, 1),
    (48, 6, 2, 3),
    (64, 6, 2, 3),
    (96, 6, 1, 2),
    (128, 6, 1, 2),
)


class ContextNet(Comparator):
    """Detail from the image, context from the image at 1/4, added up.

    Args:
        strides: of the detail branch's three depthwise convolutions; 2, 2, 1 end at 1/8, as in the paper.
    """

    facts = Facts(
        title="ContextNet",
        paper="ContextNet: Exploring Context and Detail for Semantic Segmentation in Real-time",
        year=2018,
        link="https://arxiv.org/abs/1805.04554",
        implementation="zh320/realtime-semantic-segmentation-pytorch",
        licence="Apache-2.0",
        deviation=(
            "Against the paper, its full-resolution branch, and with it the fusion and the classifier, stays at 1/2 of "
            "the size instead of 1/8, which costs seven times the MACs; batch normalisation and ReLU follow the "
            "classifier; it has 1.01 M parameters instead of 0.85 M."
        ),
    )
    linked_names = (
        (r"^detail\.", "full_res_branch."),
        (r"^context\.0\.", "lower_res_branch.conv_init."),
        (r"^context\.7\.", "lower_res_branch.conv_last."),
        *(
            (rf"^context\.{group}\.{block}\.convs\.", f"lower_res_branch.bottlenecks.{first + block}.conv.")
            for group, first in enumerate((0, 1, 2, 5, 8, 10), 1)
            for block in range(3)
        ),
        (r"^detail_projection\.", "feature_fusion.branch_1_conv."),
        (r"^context_projection\.([01])\.", r"feature_fusion.branch_4_conv.0.\1."),
        (r"^context_projection\.2\.", "feature_fusion.branch_4_conv.1."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3, strides: tuple[int, int, int] = (1, 1, 1)) -> None:
        super().__init__()
        self.detail = nn.Sequential(conv_bn_relu(in_channels, 32, 3, stride=2))
        for width, channels, stride in zip((32, 64, 128), (64, 128, 128), strides, strict=True):
            self.detail.append(conv_bn(width, width, 3, stride, groups=width))
            self.detail.append(conv_bn_relu(width, channels, 1, bias=True))
        self.context = nn.Sequential(conv_bn_relu(in_channels, 32, 3, stride=2))
        width = 32
        for channels, expansion, stride, blocks in CONTEXT_GROUPS:
            self.context.append(inverted_residuals(width, channels, stride, expansion, blocks, bias=True))
            width = channels
        self.context.append(conv_bn_relu(128, 128, 3))
        self.detail_projection = nn.Conv2d(128, 128, 1, bias=False)
        self.context_projection = nn.Sequential(
            conv_bn(128, 128, 3, dilation=4, groups=128),
            conv_bn(128, 128, 1, bias=True),
            nn.Conv2d(128, 128, 1, bias=False),
        )
        self.classifier = conv_bn_relu(128, num_classes, 1)

    def scores(self, images: Tensor) -> list[Tensor]:
        height, width = images.shape[-2:]
        detail = self.detail(images)
        context = self.context(resize_to(images, (max(height // 4, 1), max(width // 4, 1))))
        detail = self.detail_projection(detail)
        context = self.context_projection(resize_like(context, detail))
        return [resize_like(self.classifier(F.relu(detail + context, inplace=True)), images)]
