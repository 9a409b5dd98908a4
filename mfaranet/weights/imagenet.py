"""ImageNet weights of encoders: the files of classifiers, in their names and ours."""

from pathlib import Path

import torch
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.models.backbones.dfnet import DFNet
from mfaranet.models.backbones.resnet import ResNet, StrideFirstBottleneck
from mfaranet.models.backbones.stdc import STDC
from mfaranet.models.comparator import Comparator
from mfaranet.weights.foreign import entries_of, not_finite, read_tensors, refuse, renamed

# What classifiers have after the encoder; of DFNet also what MFARANet cuts off.
_CLASSIFIERS = (
    *("fc.", "stage1.4."),
    *("conv_last.", "bn.", "linear."),  # STDC
    *("incre_modules.", "downsamp_modules.", "final_layer.", "classifier."),  # HRNet
)


def convert_imagenet(path: Path, network: nn.Module) -> tuple[dict[str, Tensor], list[str]]:
    """Parameters and buffers of ``network.backbone``, in its names, from the file of an ImageNet classifier.

    Returns:
        They, and the entries of the file that are the classifier's alone.

    Raises:
        InputError: no such file fits the network; the file is missing, corrupt or holds more than tensors; an entry is
            unknown, missing, of another shape or not finite.
    """
    names = imagenet_names(network)
    own = network.get_submodule("backbone").state_dict()
    entries = entries_of(read_tensors(path), str(path))
    used = {key: tensor for key, tensor in entries.items() if key in names}
    left_out = [key for key in entries if key not in names and key.startswith(_CLASSIFIERS)]
    refuse(str(path), "has no place in this encoder", [key for key in entries if key not in {*used, *left_out}])
    # Files from before PyTorch 0.4.1 do not count batches; nothing here uses the count.
    needed = [key for key in names if not key.endswith("num_batches_tracked")]
    refuse(str(path), "is missing", [key for key in needed if key not in used])
    misshapen = [key for key, tensor in used.items() if tensor.shape != own[names[key]].shape]
    refuse(str(path), "has another shape than in this encoder", misshapen)
    refuse(str(path), "has values that are no numbers", not_finite(used))
    counts = {name: torch.zeros((), dtype=torch.int64) for name in own if name.endswith("num_batches_tracked")}
    return counts | {names[key]: tensor.detach().contiguous() for key, tensor in used.items()}, left_out


def imagenet_names(network: nn.Module) -> dict[str, str]:
    """From each name in the file of an ImageNet classifier to ours in ``network.backbone``.

    Raises:
        InputError: no file is known that fits.
    """
    backbone = getattr(network, "backbone", None)
    if isinstance(network, Comparator) and network.imagenet_names:
        names = network.get_submodule("backbone").state_dict()
        return {renamed(f"backbone.{name}", network.imagenet_names): name for name in names}
    # Torchvision's files have the shapes of these, but belong to a network with the strides elsewhere.
    stride_first = any(isinstance(module, StrideFirstBottleneck) for module in network.modules())
    if not isinstance(backbone, ResNet | DFNet | STDC) or stride_first:
        raise InputError(
            f"no file with ImageNet weights is known to fit the encoder of {type(network).__name__}: docs/fidelity.md "
            "says why; take it out of networks in the section weights of params.yaml"
        )
    return {classifier_name(name, backbone): name for name in backbone.state_dict()}


def classifier_name(name: str, backbone: ResNet | DFNet | STDC) -> str:
    """What the ImageNet classifier calls a parameter or buffer of its encoder.

    With the plain stem this is torchvision's ResNet, with the deep one that of MFARANet's authors.
    """
    if isinstance(backbone, ResNet):
        if isinstance(backbone.stem[3], nn.Conv2d):
            return renamed(name, ((r"^stem\.7\.", "bn1."), (r"^stem\.", "conv1.")))
        return renamed(name, ((r"^stem\.0\.", "conv1."), (r"^stem\.1\.", "bn1.")))
    if isinstance(backbone, DFNet):
        return _dfnet_name(name, backbone)
    return _stdc_name(name, backbone)


def _dfnet_name(name: str, backbone: DFNet) -> str:
    if name.startswith(("stem.", "layer1.")):
        # The classifier counts what is in our layer1 from 2 on, in its first stage.
        return renamed(name, ((r"^stem\.", "stage1."), (r"^layer1\.1\.", "stage1.3."), (r"^layer1\.2\.", "stage1.4.")))
    if isinstance(backbone.layer2[1], nn.Sequential):  # version 2
        return renamed(name, ((r"^layer(\d)\.0\.", r"stage\1_1."), (r"^layer(\d)\.1\.", r"stage\1_2.")))
    return renamed(name, ((r"^layer4\.1\.", "stage5."), (r"^layer(\d)\.0\.", r"stage\1.")))


def _stdc_name(name: str, backbone: STDC) -> str:
    # The classifier numbers the parts of all layers in one row.
    layer, index, rest = name.split(".", 2)
    layers = ["stem", "layer1", "layer2", "layer3", "layer4"]
    before = layers[: layers.index(layer)]
    # Each layer ends with a dropout, which the classifier has not.
    number = int(index) + sum(len([*backbone.get_submodule(each).children()]) - 1 for each in before)
    rules = (
        (r"^convs\.(\d)\.0\.", r"conv_list.\1.conv."),
        (r"^convs\.(\d)\.1\.", r"conv_list.\1.bn."),
        (r"^down\.", "avd_layer."),
        (r"^0\.", "conv."),
        (r"^1\.", "bn."),
    )
    return f"features.{number}.{renamed(rest, rules)}"
