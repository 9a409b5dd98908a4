"""ResNet with a deep stem: three 3x3 convolutions in place of one 7x7, as the official code has it."""

from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock

from mfaranet.models.layers import conv_bn_relu


class ResNet(nn.Module):
    """Encoder: images (N, 3, H, W) in, features of layer1 to layer4 at 1/4, 1/8, 1/16 and 1/32 of the size out.

    With ``dilated``, the second 3x3 convolution of each block has dilation 2 in layer3 and 4 in layer4 while the
    strides stay, as in the official code; it changes neither parameters nor MACs.
    """

    def __init__(self, blocks: tuple[int, int, int, int], dilated: bool = True) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *conv_bn_relu(3, 64, 3, stride=2),
            *conv_bn_relu(64, 64, 3),
            *conv_bn_relu(64, 128, 3),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.layer1 = _stage(128, 64, blocks[0], stride=1)
        self.layer2 = _stage(64, 128, blocks[1], stride=2)
        self.layer3 = _stage(128, 256, blocks[2], stride=2, dilation=2 if dilated else 1)
        self.layer4 = _stage(256, 512, blocks[3], stride=2, dilation=4 if dilated else 1)
        self.channels = (64, 128, 256, 512)

    def forward(self, images: Tensor) -> list[Tensor]:
        features = []
        x = self.stem(images)
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            features.append(x)
        return features


def resnet18(dilated: bool = True) -> ResNet:
    """ResNet-18 with the deep stem."""
    return ResNet((2, 2, 2, 2), dilated)


def _stage(in_channels: int, channels: int, blocks: int, stride: int, dilation: int = 1) -> nn.Sequential:
    downsample = nn.Sequential(
        nn.Conv2d(in_channels, channels, 1, stride, bias=False),
        nn.BatchNorm2d(channels),
    )
    stage = [BasicBlock(in_channels, channels, stride, downsample)]
    stage += [BasicBlock(channels, channels) for _ in range(blocks - 1)]
    # torchvision's BasicBlock refuses a dilation, and would dilate both convolutions.
    for block in stage:
        block.conv2.dilation = block.conv2.padding = (dilation, dilation)
    return nn.Sequential(*stage)
