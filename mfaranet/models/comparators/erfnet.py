"""ERFNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.models.blocks import conv_pool_bn_relu, upsampling
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts

DILATIONS = (2, 4, 8, 16, 2, 4, 8, 16)


class FactorisedBlock(nn.Module):
    """Two 3x3 convolutions as pairs of 1-D ones, and a shortcut: keeps the shape (N, channels, H, W).

    Args:
        dilation: of the second pair.
        dropout: the share of channels dropped in training, before the shortcut.
    """

    def __init__(self, channels: int, dilation: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            _factorised_conv(channels, 1),
            nn.ReLU(inplace=True),
            _factorised_conv(channels, dilation),
            nn.Dropout2d(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.convs(x))


class ERFNet(Comparator):
    """Factorised blocks one after the other: an encoder to 1/8, and a decoder without skips that ends at full size."""

    facts = Facts(
        title="ERFNet",
        paper="ERFNet: Efficient Residual Factorized ConvNet for Real-time Semantic Segmentation",
        year=2017,
        link="https://doi.org/10.1109/TITS.2017.2750080",
        implementation="Eromera/erfnet_pytorch",
        official=True,
        licence="CC BY-NC 4.0",
        deviation=(
            "Its training definition, with dropout of 0.03 and 0.3. It is the authors' port of the Torch code that the "
            "paper used, and no deviation from the paper is known. Left out here: the head that serves to train the "
            "encoder alone, 2451 parameters for 19 classes, which inference never runs."
        ),
    )
    multiple = 8
    linked_names = (
        (r"^(..coder\.\d+)\.0\.(?:conv\.)?", r"\1.conv."),
        (r"^(..coder\.\d+)\.1\.", r"\1.bn."),
        (r"\.convs\.(\d)\.0\.", r".conv3x1_\1."),
        (r"\.convs\.(\d)\.2\.", r".conv1x3_\1."),
        (r"\.convs\.(\d)\.3\.", r".bn\1."),
        (r"(_|\.bn)0\.", r"\g<1>1."),
        (r"^decoder\.6\.", "decoder.output_conv."),
        (r"^decoder\.(\d)\.", r"decoder.layers.\1."),
        (r"^encoder\.0\.", "encoder.initial_block."),
        *((rf"^encoder\.{i}\.", f"encoder.layers.{i - 1}.") for i in range(1, 16)),
    )
    left_out = ("encoder.output_conv.",)

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            conv_pool_bn_relu(in_channels, 16),
            conv_pool_bn_relu(16, 64),
            *(FactorisedBlock(64, dropout=0.03) for _ in range(5)),
            conv_pool_bn_relu(64, 128),
            *(FactorisedBlock(128, dilation, dropout=0.3) for dilation in DILATIONS),
        )
        self.decoder = nn.Sequential(
            upsampling(128, 64),
            *(FactorisedBlock(64) for _ in range(2)),
            upsampling(64, 16),
            *(FactorisedBlock(16) for _ in range(2)),
            nn.ConvTranspose2d(16, num_classes, 2, stride=2),
        )
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = 1e-3

    def scores(self, images: Tensor) -> list[Tensor]:
        return [self.decoder(self.encoder(images))]


def _factorised_conv(channels: int, dilation: int) -> nn.Sequential:
    """A 3x1 and a 1x3 convolution, ReLU between them, normalised: keeps the shape (N, channels, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, (3, 1), padding=(dilation, 0), dilation=(dilation, 1)),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, (1, 3), padding=(0, dilation), dilation=(1, dilation)),
        nn.BatchNorm2d(channels),
    )
