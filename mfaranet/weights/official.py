"""Weight files of others, in their names and ours.

The authors' trained networks and ImageNet backbones, and the compared networks of the linked implementations.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.models.backbones.dfnet import DFNet
from mfaranet.models.backbones.resnet import ResNet
from mfaranet.models.backbones.stdc import STDC
from mfaranet.models.comparator import Comparator

_DECODER = [
    (r"^reduction\.", "channel_changes."),
    (r"^aggregation\.top_down\.", "feature_fuses_up."),
    (r"^aggregation\.bottom_up\.", "feature_fuses_down."),
    (r"^aggregation\.fusion\.", "stage_fuses."),
    (r"^alignment\.grids\.(\d)\.reduce_high\.", r"stages_offset.\1.channel_change1."),
    (r"^alignment\.grids\.(\d)\.reduce_low\.", r"stages_offset.\1.channel_change2."),
    (r"^alignment\.grids\.(\d)\.flow\.", r"stages_offset.\1.offset_map."),
    (r"^score_heads\.(\d)\.", r"multi_loss_head.\1.0."),
    (r"^fusion\.attentions\.", "HMSA_attentions."),
    (r"^fusion\.head\.", "score_head."),
    (r"^boundary_heads\.(\d)\.", r"boundary_heads.\1.0."),
    (r"^auxiliary_heads\.0\.", "aux_head."),
]
_TRAINING_ONLY = ("boundary_heads.", "auxiliary_heads.")
# What a file may hold beside the network: the loss's buffer, and heads that only training needs.
_LEFT_OUT = ("criterion.", "boundary_heads.", "aux_head.")
# Where in a file the state dict may lie.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "segmenter")
# What DataParallel, torch.compile and classes around the network put in front of its names, in any order.
_PREFIXES = re.compile(r"^((module|model|_orig_mod)\.)+|(?<=\.)(_orig_mod\.)+")
# A score or an epoch beside the network may be a numpy number; to build one runs no code of the file.
_NUMPY_NUMBERS: list[Any] = [
    *((np.float64().__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"),
]
_CLASSIFIER = ("fc.", "conv_last.", "bn.", "linear.", "stage1.4.")


@dataclass(frozen=True)
class OfficialCheckpoint:
    """What was read: ``epoch`` if the file has one, entries of the file that the network has no place for
    (``left_out``), and training-only parameters of the network that the file does not hold (``untouched``)."""

    epoch: int | None
    left_out: list[str]
    untouched: list[str]


def load_official_checkpoint(model: nn.Module, source: Path | str | Mapping[str, Any]) -> OfficialCheckpoint:
    """Fill a MFARANet from the authors' ``.pth``, or from a state dict in their names.

    Takes the names of both official classes (MFARANet and its ScaleChoice), with or without ``module.``, ``model.`` and
    ``_orig_mod.`` in front, alone or (as ``state_dict``, ``model_state_dict``, ``model``, ``net`` or ``segmenter``)
    beside an optimizer's state and an epoch. The network is filled wholly or not at all.

    A network of ``models.comparators`` is filled from a file of the implementation that its ``facts`` name, where the
    names are known to map one to one. How images are prepared for it is the caller's affair.

    Raises:
        InputError: the file is missing, corrupt or holds more than tensors; an entry is unknown, missing or of
            another shape, MFARANet's heads that only training needs excepted; the names do not map.
    """
    where = "the state dict" if isinstance(source, Mapping) else str(source)
    content = source if isinstance(source, Mapping) else read_tensors(Path(source))
    entries = _entries(content, where)
    names = our_names(model)
    own = model.state_dict()
    beside, training_only = (model.left_out, ()) if isinstance(model, Comparator) else (_LEFT_OUT, _TRAINING_ONLY)
    state: dict[str, Tensor] = {}
    left_out, unknown = [], []
    for key, tensor in entries.items():
        name = names.get(key)
        if name is not None and name not in state:
            state[name] = tensor
        elif name is None and key.startswith(beside):
            left_out.append(key)
        else:
            unknown.append(key)
    # Files from before PyTorch 0.4.1 do not count batches; nothing here uses the count.
    missing = [name for name in own if name not in state and not name.endswith("num_batches_tracked")]
    untouched = [name for name in missing if name.startswith(training_only)]
    theirs = {ours: official for official, ours in reversed(names.items())}
    _refuse(where, "has no place in this network", unknown)
    _refuse(where, "is missing", [theirs[name] for name in missing if name not in untouched])
    misshapen = [theirs[name] for name, tensor in state.items() if tensor.shape != own[name].shape]
    _refuse(where, "has another shape than in this network", misshapen)
    if isinstance(model, Comparator):
        state = {name: model.from_linked(name, tensor) for name, tensor in state.items()}
    model.load_state_dict(state, strict=False)
    epoch = content.get("epoch")
    return OfficialCheckpoint(int(epoch) if isinstance(epoch, Integral) else None, left_out, untouched)


def convert_imagenet_backbone(path: Path, backbone: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers of ``backbone``, in its names, from the ImageNet classifier's file without its last part.

    Raises:
        InputError: the file is missing, corrupt or holds more than tensors; an entry is unknown, missing or of
            another shape.
    """
    entries = _entries(read_tensors(path), str(path))
    own = backbone.state_dict()
    names = {imagenet: name for name in own for imagenet in [_backbone_names(name, backbone)[1]]}
    used = {key: tensor for key, tensor in entries.items() if not key.startswith(_CLASSIFIER)}
    _refuse(str(path), "has no place in this backbone", [key for key in used if key not in names])
    # Files from before PyTorch 0.4.1 do not count batches; nothing here uses the count.
    needed = [key for key in names if not key.endswith("num_batches_tracked")]
    _refuse(str(path), "is missing", [key for key in needed if key not in used])
    misshapen = [key for key, tensor in used.items() if tensor.shape != own[names[key]].shape]
    _refuse(str(path), "has another shape than in this backbone", misshapen)
    counts = {name: torch.zeros((), dtype=torch.int64) for name in own if name.endswith("num_batches_tracked")}
    return counts | {names[key]: tensor.contiguous() for key, tensor in used.items()}


def our_names(model: nn.Module) -> dict[str, str]:
    """From each official name of a network's parameters and buffers (a MFARANet's: also ScaleChoice's) to ours.

    Raises:
        InputError: no such names are known of this network.
    """
    if isinstance(model, Comparator):
        return _linked_names(model)
    plain, scale_choice = {}, {}
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, ResNet | DFNet | STDC):
        raise InputError(f"no official names are known for a {type(model).__name__}")
    for name in model.state_dict():
        if name.startswith("backbone."):
            official, _ = _backbone_names(name.removeprefix("backbone."), backbone)
            plain[official] = name
            wrapped = re.sub(r"^layer([1-4])\.", r"layer\1.0.", official)
            scale_choice[wrapped if isinstance(backbone, ResNet) else official] = name
        else:
            official = _replace(name, _DECODER)
            plain[official] = name
            scale_choice[official.replace("HMSA_attentions.", "ASFM_attentions.")] = name
    return {**plain, **scale_choice}


def _linked_names(model: Comparator) -> dict[str, str]:
    if not model.linked_names:
        raise InputError(
            f"{type(model).__name__} takes no weights of the linked implementation: their names are not known to map "
            "to its own one to one; its facts say why"
        )
    names = {}
    for name in model.state_dict():
        linked = name
        for pattern, replacement in model.linked_names:
            linked = re.sub(pattern, replacement, linked)
        names[linked] = name
    return names


def read_tensors(path: Path) -> dict[str, Any]:
    """The dictionary in a file of ``torch.save``, tensors, plain values and numpy's numbers only: nothing is executed.

    Raises:
        InputError: the file is missing, corrupt, no dictionary, or a pickle that wants to run code.
    """
    try:
        with torch.serialization.safe_globals(_NUMPY_NUMBERS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; check the path, or download the file again") from None
    except Exception:  # torch has many for this, and advises to unpickle anything
        raise InputError(
            f"{path} is no file of plain tensors: either corrupt (half a download, a web page under this name), or a "
            "pickle that could run any code, so it is refused. Download it again, or save its state dict alone"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no state dict of tensors but a {type(content).__name__}; is it the right file?")
    return content


def _entries(content: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The state dict in a file, without what wraps it and what stands before its names."""
    state = content
    while inner := next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), None):
        state = inner
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{where} holds no state dict of tensors; is it the right file?")
    entries = {_PREFIXES.sub("", str(key)): tensor for key, tensor in state.items()}
    if len(entries) < len(state):
        raise InputError(f"{where} holds an entry twice, with and without module., model. or _orig_mod.; take one out")
    return entries


def _refuse(where: str, fault: str, keys: list[str]) -> None:
    if keys:
        shown = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        raise InputError(
            f"{where}: {fault}: {shown}. Were the network's options (classes, backbone, ...) those of the file?"
        )


def _backbone_names(name: str, backbone: nn.Module) -> tuple[str, str]:
    """The official network's name and the ImageNet classifier's of a parameter or buffer of an encoder."""
    if isinstance(backbone, ResNet):
        return (
            _replace(name, [(r"^stem\.7\.", "layer0.1."), (r"^stem\.(\d)\.", r"layer0.0.\1.")]),
            _replace(name, [(r"^stem\.7\.", "bn1."), (r"^stem\.(\d)\.", r"conv1.\1.")]),
        )
    if isinstance(backbone, DFNet):
        return re.sub(r"^stem\.", "layer0.", name), _dfnet_imagenet_name(name, backbone)
    if isinstance(backbone, STDC):
        return _stdc_names(name, backbone)
    raise InputError(f"no official names are known for a {type(backbone).__name__}")


def _dfnet_imagenet_name(name: str, backbone: DFNet) -> str:
    # The classifier counts ReLU and convolution of our layer1 as 2 and 3 of its first stage.
    if name.startswith(("stem.", "layer1.")):
        return _replace(name, [(r"^stem\.", "stage1."), (r"^layer1\.1\.", "stage1.3.")])
    version_2 = isinstance(backbone.layer2[1], nn.Sequential)
    return _replace(
        name,
        [(r"^layer(\d)\.0\.", r"stage\1_1."), (r"^layer(\d)\.1\.", r"stage\1_2.")]
        if version_2
        else [(r"^layer4\.1\.", "stage5."), (r"^layer(\d)\.0\.", r"stage\1.")],
    )


def _stdc_names(name: str, backbone: STDC) -> tuple[str, str]:
    # The classifier numbers the parts of all layers in one row, and the official network keeps its numbers.
    layer, index, rest = name.split(".", 2)
    layers = ["stem", "layer1", "layer2", "layer3", "layer4"]
    position = layers.index(layer)
    # Each layer ends with a dropout, which the classifier has not.
    number = int(index) + sum(len([*backbone.get_submodule(before).children()]) - 1 for before in layers[:position])
    rest = _replace(
        rest,
        [
            (r"^convs\.(\d)\.0\.", r"conv_list.\1.conv."),
            (r"^convs\.(\d)\.1\.", r"conv_list.\1.bn."),
            (r"^down\.", "avd_layer."),
            (r"^0\.", "conv."),
            (r"^1\.", "bn."),
        ],
    )
    return f"layer{position}.0.0.{number}.{rest}", f"features.{number}.{rest}"


def _replace(name: str, rules: Iterable[tuple[str, str]]) -> str:
    """The name by the first rule that fits, or as it is."""
    for pattern, replacement in rules:
        changed, found = re.subn(pattern, replacement, name)
        if found:
            return changed
    return name
