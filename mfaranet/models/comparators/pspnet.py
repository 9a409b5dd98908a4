"""PSPNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

from torch import Tensor, nn

from mfaranet.models.backbones.resnet import DILATION, STRIDES_TO_8, Bottleneck, ResNet, deep_stem
from mfaranet.models.blocks import PyramidPooling
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn_relu, resize_like

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


class PSPNet(Comparator):
    """A ResNet dilated to 1/8 of the size, pyramid pooling, a classifier. Training adds scores of layer3.

    Args:
        depth: of the ResNet, 101 or 50.
    """

    facts = Facts(
        title="PSPNet",
        backbone="ResNet-101",
        paper="Pyramid Scene Parsing Network",
        year=2017,
        link="https://arxiv.org/abs/1612.01105",
        implementation="hszhao/semseg",
        official=True,
        licence="MIT",
        deviation=(
            "The first author's PyTorch version; the paper's results come from Caffe. Changed here: sizes that are not "
            "8k + 1, which that code refuses, are padded to the next that is."
        ),
    )
    multiple = 8
    remainder = 1
    align_corners = True
    linked_names = (
        (r"^backbone\.stem\.", "layer0."),
        (r"^backbone\.", ""),
        (r"^pyramid\.convs\.(\d)\.0\.", r"ppm.features.\1.1."),
        (r"^pyramid\.convs\.(\d)\.1\.", r"ppm.features.\1.2."),
        (r"^head\.", "cls."),
        (r"^auxiliary_head\.", "aux."),
    )
    imagenet_names = (
        *((rf"^backbone\.stem\.{3 * i}\.", f"conv{i + 1}.") for i in range(3)),
        *((rf"^backbone\.stem\.{3 * i + 1}\.", f"bn{i + 1}.") for i in range(3)),
        (r"^backbone\.", ""),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3, depth: int = 101) -> None:
        super().__init__()
        self.backbone = ResNet(
            Bottleneck, BLOCKS[depth], strides=STRIDES_TO_8, dilations=DILATION, stem=deep_stem(in_channels)
        )
        self.pyramid = PyramidPooling(2048)
        self.head = _head(4096, 512, num_classes)
        self.auxiliary_head = _head(1024, 256, num_classes)

    def scores(self, images: Tensor) -> list[Tensor]:
        """Scores (N, num_classes, H, W), in training mode also layer3's (N, num_classes, ceil(H/8), ceil(W/8))."""
        *_, third, fourth = self.backbone(images)
        out = resize_like(self.head(self.pyramid(fourth)), images)
        return [out, self.auxiliary_head(third)] if self.training else [out]


def _head(in_channels: int, channels: int, num_classes: int) -> nn.Sequential:
    conv = conv_bn_relu(in_channels, channels, 3)
    return nn.Sequential(*conv, nn.Dropout2d(0.1), nn.Conv2d(channels, num_classes, 1))
