"""Trained networks of others, in their names and ours: the authors', and those of the linked implementations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.models.backbones.dfnet import DFNet
from mfaranet.models.backbones.resnet import ResNet
from mfaranet.models.backbones.stdc import STDC
from mfaranet.models.comparator import Comparator
from mfaranet.weights.foreign import entries_of, not_finite, read_tensors, refuse, renamed
from mfaranet.weights.imagenet import classifier_name

_DECODER = (
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
)
_TRAINING_ONLY = ("boundary_heads.", "auxiliary_heads.")
# What a file may hold beside the network: the loss's buffer, and heads that only training needs.
_LEFT_OUT = ("criterion.", "boundary_heads.", "aux_head.")


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
    entries = entries_of(content, where)
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
    refuse(where, "has no place in this network", unknown)
    refuse(where, "is missing", [theirs[name] for name in missing if name not in untouched])
    misshapen = [theirs[name] for name, tensor in state.items() if tensor.shape != own[name].shape]
    refuse(where, "has another shape than in this network", misshapen)
    refuse(where, "has values that are no numbers", [theirs[name] for name in not_finite(state)])
    if isinstance(model, Comparator):
        state = {name: model.from_linked(name, tensor) for name, tensor in state.items()}
    model.load_state_dict(state, strict=False)
    epoch = content.get("epoch")
    return OfficialCheckpoint(int(epoch) if isinstance(epoch, Integral) else None, left_out, untouched)


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
            official = _encoder_name(name.removeprefix("backbone."), backbone)
            plain[official] = name
            wrapped = re.sub(r"^layer([1-4])\.", r"layer\1.0.", official)
            scale_choice[wrapped if isinstance(backbone, ResNet) else official] = name
        else:
            official = renamed(name, _DECODER)
            plain[official] = name
            scale_choice[official.replace("HMSA_attentions.", "ASFM_attentions.")] = name
    return {**plain, **scale_choice}


def _linked_names(model: Comparator) -> dict[str, str]:
    if not model.linked_names:
        raise InputError(
            f"{type(model).__name__} takes no weights of the linked implementation: their names are not known to map "
            "to its own one to one; its facts say why"
        )
    return {renamed(name, model.linked_names): name for name in model.state_dict()}


def _encoder_name(name: str, backbone: ResNet | DFNet | STDC) -> str:
    """The official network's name of a parameter or buffer of an encoder."""
    if isinstance(backbone, ResNet):
        return renamed(name, ((r"^stem\.7\.", "layer0.1."), (r"^stem\.(\d)\.", r"layer0.0.\1.")))
    if isinstance(backbone, DFNet):
        return renamed(name, ((r"^stem\.", "layer0."),))
    # It keeps the numbers of the classifier, which counts on from layer to layer.
    layer = renamed(name.split(".")[0], ((r"^stem$", "layer0"),))
    return renamed(classifier_name(name, backbone), ((r"^features\.", f"{layer}.0.0."),))
