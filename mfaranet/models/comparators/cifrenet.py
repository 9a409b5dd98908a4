"""CIFReNet: its paper, what is followed, and where that leaves the paper stand in its ``facts``."""

import torch
from torch import Tensor, nn

from mfaranet.models.blocks import channel_shuffle, channel_weights, inverted_residuals
from mfaranet.models.comparator import Comparator
from mfaranet.models.facts import Facts
from mfaranet.models.layers import conv_bn

GROUPS = (  # channels, stride, expansion, blocks, dilation
    (16, 1, 1, 1, 1),
    (24, 2, 6, 2, 1),
    (32, 2, 6, 3, 1),
    (64, 1, 6, 4, 2),
    (96, 1, 6, 3, 3),
    (160, 1, 6, 3, 5),
    (320, 1, 6, 1, 7),
)
PYRAMIDS = ((1, 2, 3, 5), (7, 9, 11, 13), (17, 19, 21, 23))


class DilatedPyramid(nn.Module):
    """Depthwise convolutions of several dilations, and the mean, beside each other: (N, C, H, W) to the same shape."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        width = channels // (len(dilations) + 1)
        self.reduce = conv_bn(channels, width, 1, groups=4).append(nn.PReLU(width))
        self.branches = nn.ModuleList(
            nn.Sequential(
                conv_bn(width, width, 3, dilation=dilation, groups=width),
                nn.PReLU(width),
                conv_bn(width, width, 1),
            )
            for dilation in dilations
        )
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn(width, width, 1, bias=True))
        self.activation = nn.PReLU(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(x)
        branches = [branch(y) for branch in self.branches]
        joined = torch.cat([*branches, self.mean(y).expand_as(y)], dim=1)
        z: Tensor = self.activation(x + channel_shuffle(joined, 4))
        return z


class CIFReNet(Comparator):
    """A MobileNetV2 dilated to 1/8, a long skip inside it that its deep features weight, and a cascade of pyramids."""

    facts = Facts(
        title="CIFReNet",
        backbone="MobileNetV2",
        paper="Context-Integrated and Feature-Refined Network for Lightweight Object Parsing",
        year=2020,
        link="https://arxiv.org/abs/1907.11474",
        implementation="WxTu/CIFReNet",
        official=True,
        licence="Apache-2.0",
        deviation=(
            'It has 1.95 M parameters, the paper "less than 1.9 M". Written for PyTorch 0.3, where resizing had '
            "aligned corners, it has not with today's defaults, which are used here. Here it starts from scratch: "
            "torchvision's MobileNetV2 lacks the first block's expansion, and the names in the ImageNet file of that "
            "code are not known."
        ),
    )
    linked_names = (
        *((rf"\.convs\.{i}\.0\.", f".conv.{3 * i}.") for i in range(3)),
        *((rf"\.convs\.{i}\.1\.", f".conv.{3 * i + 1}.") for i in range(3)),
        (r"^backbone\.0\.0\.", "mod1."),
        (r"^backbone\.0\.1\.0\.", "mod2."),
        (r"^backbone\.0\.2\.", "mod3."),
        (r"^backbone\.0\.3\.", "mod4."),
        *((rf"^backbone\.1\.{i}\.", f"mod{5 + i}.") for i in range(3)),
        (r"^backbone\.2\.0\.0\.", "mod8."),
        *((rf"^skip\.{i}\.0\.", f"LRM.{i}.") for i in (0, 2)),
        *((rf"^skip\.{i}\.1\.", f"LRM.{i + 1}.bn.") for i in (0, 2)),
        *((rf"^skip\.{i}\.", f"LRM.{i}.act.") for i in (1, 3)),
        (r"^skip_weights\.2\.", "attention.channel_excitation.0."),
        (r"^skip_weights\.4\.", "attention.channel_excitation.2."),
        *((rf"^pyramids\.{i}\.", f"multi_scale.conv_{size}.") for i, size in enumerate(("small", "middle", "larger"))),
        (r"^mean\.", "multi_scale.mean."),
        (r"\.mean\.1\.0\.", ".pool.1."),
        (r"\.mean\.1\.1\.", ".pool.2."),
        (r"\.reduce\.0\.", ".down.0."),
        (r"\.reduce\.1\.", ".down.1.bn."),
        (r"\.reduce\.2\.", ".down.1.act."),
        *((rf"\.branches\.{i}\.", f".branch_{i + 1}.") for i in range(4)),
        (r"(branch_\d)\.1\.", r"\1.1.act."),
        (r"(branch_\d)\.0\.0\.", r"\1.0."),
        (r"(branch_\d)\.0\.1\.", r"\1.1.bn."),
        (r"(branch_\d)\.2\.1\.", r"\1.3."),
        (r"(branch_\d)\.2\.0\.", r"\1.2."),
        (r"\.activation\.", ".module_act."),
        (r"^projection\.", "final.0."),
        (r"^classifier\.0\.", "final.2."),
        (r"^classifier\.3\.", "final.5."),
    )

    def __init__(self, num_classes: int = 19, in_channels: int = 3) -> None:
        super().__init__()
        stem = conv_bn(in_channels, 32, 3, stride=2).append(nn.ReLU6(inplace=True))
        groups: list[nn.Module] = []
        width = 32
        for channels, stride, expansion, blocks, dilation in GROUPS:
            groups.append(
                inverted_residuals(width, channels, stride, expansion, blocks, dilation=dilation, activation=nn.ReLU6)
            )
            width = channels
        self.backbone = nn.ModuleList(
            [nn.Sequential(stem, *groups[:3]), nn.Sequential(*groups[3:6]), nn.Sequential(*groups[6:])]
        )
        self.skip = nn.Sequential(
            conv_bn(32, 32, 3, groups=32, bias=True), nn.PReLU(32), conv_bn(32, 160, 1, bias=True), nn.PReLU(160)
        )
        self.skip_weights = channel_weights(160, 16)
        self.pyramids = nn.ModuleList(DilatedPyramid(320, dilations) for dilations in PYRAMIDS)
        self.mean = nn.Sequential(nn.AdaptiveAvgPool2d(1), conv_bn(320, 80, 1, bias=True), nn.LeakyReLU(0.1))
        self.projection = nn.Conv2d(400, 256, 1, groups=16)
        self.classifier = nn.Sequential(
            nn.BatchNorm2d(256), nn.LeakyReLU(0.1), nn.Dropout(0.2), nn.Conv2d(256, num_classes, 1)
        )

    def scores(self, images: Tensor) -> list[Tensor]:
        shallow, middle, deep = self.backbone
        x = shallow(images)
        skip = self.skip(x)
        x = middle(x)
        x = deep(self.skip_weights(x) * skip + x)
        context = x
        pyramids = []
        for pyramid in self.pyramids:
            context = pyramid(context)
            pyramids.append(context)
        mean = self.mean(x).expand(-1, -1, *x.shape[-2:])
        joined = torch.cat([torch.stack(pyramids).sum(0), mean], dim=1)
        return [self.classifier(channel_shuffle(self.projection(joined), 16))]
