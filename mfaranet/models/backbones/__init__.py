"""Image encoders by name: images in, a list of feature maps at 1/4, 1/8, 1/16 and 1/32 out."""

from collections.abc import Callable, Sequence

from mfaranet.models.backbones.dfnet import dfnet1, dfnet2
from mfaranet.models.backbones.encoder import Encoder
from mfaranet.models.backbones.resnet import resnet18, resnet50
from mfaranet.models.backbones.stdc import stdc1, stdc2

BACKBONES: dict[str, Callable[[Sequence[float], bool], Encoder]] = {
    "resnet18": resnet18,
    "resnet50": resnet50,
    "stdc1": stdc1,
    "stdc2": stdc2,
    "dfnet1": dfnet1,
    "dfnet2": dfnet2,
}
"""Each takes five dropout rates (stem, layer1 to layer4) and whether to dilate."""
