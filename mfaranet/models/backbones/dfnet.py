"""DFNet V1 and V2, cut as the official MFARANet cuts them."""

from collections.abc import Sequence

from torch import nn

from mfaranet.models.backbones.encoder import Encoder
from mfaranet.models.backbones.resnet import NO_DROPOUT, BasicBlock, residual_stage


class DFNet(Encoder):
    """DFNet with stages of BasicBlocks.

    The features of scale 1 are the bare output of the second convolution: the official code leaves out the batch
    normalisation and ReLU that follow it in the classifier.

    Args:
        layers: for layer2 to layer4 the stages as (channels, blocks); the first one of each has stride 2.
        dropout: rates of whole channels, after the stem and each of the four layers.
    """

    def __init__(self, layers: Sequence[Sequence[tuple[int, int]]], dropout: Sequence[float] = NO_DROPOUT) -> None:
        stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.Dropout2d(dropout[0]),
        )
        layer1 = nn.Sequential(
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3, stride=2, padding=1, bias=False),
            nn.Dropout2d(dropout[1]),
        )
        channels = [64]
        built = [layer1]
        for stages, rate in zip(layers, dropout[2:], strict=True):
            layer = nn.Sequential()
            in_channels = channels[-1]
            for i, (width, blocks) in enumerate(stages):
                layer.append(residual_stage(BasicBlock, in_channels, width, blocks, stride=2 if i == 0 else 1))
                in_channels = width
            built.append(layer.append(nn.Dropout2d(rate)))
            channels.append(in_channels)
        super().__init__(stem, built, tuple(channels))


def dfnet1(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> DFNet:
    """DFNet V1. ``dilated`` changes nothing: the official code dilates ResNets only."""
    return DFNet([[(64, 3)], [(128, 3)], [(256, 3), (512, 1)]], dropout)


def dfnet2(dropout: Sequence[float] = NO_DROPOUT, dilated: bool = True) -> DFNet:
    """DFNet V2. ``dilated`` changes nothing: the official code dilates ResNets only."""
    return DFNet([[(64, 2), (128, 1)], [(128, 10), (256, 1)], [(256, 4), (512, 2)]], dropout)
