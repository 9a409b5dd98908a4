"""DFNet V1 and V2, by default cut as the official MFARANet cuts them."""

from collections.abc import Sequence

from torch import nn

from mfaranet.models.backbones.encoder import Encoder
from mfaranet.models.backbones.resnet import NO_DROPOUT, BasicBlock, residual_stage


class DFNet(Encoder):
    """DFNet with stages of BasicBlocks.

    Args:
        layers: for layer2 to layer4 the stages as (channels, blocks); the first one of each has stride 2.
        dropout: rates of whole channels, after the stem and each of the four layers.
        in_channels: of the images.
        uncut: keep the batch normalisation and ReLU that follow the second convolution in the classifier. The official
            code leaves them out: its features of scale 1 are the bare output of that convolution.
    """

    def __init__(
        self,
        layers: Sequence[Sequence[tuple[int, int]]],
        dropout: Sequence[float] = NO_DROPOUT,
        in_channels: int = 3,
        uncut: bool = False,
    ) -> None:
        stem = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.Dropout2d(dropout[0]),
        )
        layer1 = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
            *((nn.BatchNorm2d(64), nn.ReLU(inplace=True)) if uncut else ()),
            nn.Dropout2d(dropout[1]),
        )
        channels = [64]
        built = [layer1]
        for stages, rate in zip(layers, dropout[2:], strict=True):
            layer = nn.Sequential()
            previous = channels[-1]
            for i, (width, blocks) in enumerate(stages):
                layer.append(residual_stage(BasicBlock, previous, width, blocks, stride=2 if i == 0 else 1))
                previous = width
            built.append(layer.append(nn.Dropout2d(rate)))
            channels.append(previous)
        super().__init__(stem, built, tuple(channels))


def dfnet1(
    dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True, in_channels: int = 3, uncut: bool = False
) -> DFNet:
    """DFNet V1. ``dilated`` changes nothing: the official code dilates ResNets only."""
    return DFNet([[(64, 3)], [(128, 3)], [(256, 3), (512, 1)]], dropout, in_channels, uncut)


def dfnet2(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> DFNet:
    """DFNet V2. ``dilated`` changes nothing: the official code dilates ResNets only."""
    return DFNet([[(64, 2), (128, 1)], [(128, 10), (256, 1)], [(256, 4), (512, 2)]], dropout)
