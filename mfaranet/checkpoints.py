"""Weight files: ours are safetensors, those of others are read with ``weights_only=True``."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.files import atomic_write
from mfaranet.models import get_model

# The authors' parameter names and ours. ImageNet files call the stem conv1 and bn1, the network's layer0.
_OFFICIAL_NAMES = [
    (r"^(?:layer0\.0|conv1)\.(\d)\.", r"backbone.stem.\1."),
    (r"^(?:layer0\.1|bn1)\.", "backbone.stem.7."),
    (r"^layer([1-4])\.", r"backbone.layer\1."),
    (r"^channel_changes\.", "reduction."),
    (r"^feature_fuses_up\.", "mfam.top_down."),
    (r"^feature_fuses_down\.", "mfam.bottom_up."),
    (r"^stage_fuses\.", "mfam.fusion."),
    (r"^stages_offset\.(\d)\.channel_change1\.", r"ram.grids.\1.reduce_high."),
    (r"^stages_offset\.(\d)\.channel_change2\.", r"ram.grids.\1.reduce_low."),
    (r"^stages_offset\.(\d)\.offset_map\.", r"ram.grids.\1.flow."),
    (r"^multi_loss_head\.(\d)\.0\.", r"score_heads.\1."),
    (r"^HMSA_attentions\.", "asfm.attentions."),
    (r"^boundary_heads\.(\d)\.0\.", r"boundary_heads.\1."),
]


def from_official_name(key: str) -> str | None:
    """Our name of a parameter or buffer of the official MFARANet, or None where we have no such thing."""
    for pattern, replacement in _OFFICIAL_NAMES:
        name, found = re.subn(pattern, replacement, key)
        if found:
            return name
    return None


def save(model: nn.Module, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a network's parameters and buffers, and facts about them (JSON values), whole or not at all."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    # One entry only: safetensors writes several in a random order, and equal runs should give equal files.
    metadata = {"facts": json.dumps(facts)}
    atomic_write(path, lambda temporary: save_file(state, temporary, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a safetensors file.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), json.loads(metadata.get("facts", "{}"))
    except (OSError, SafetensorError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the stage that makes it again") from None


def load_trained(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a checkpoint that training wrote, in evaluation mode, and the facts stored with it.

    Raises:
        InputError: the file is missing or damaged, or was not written by training.
    """
    state, facts = read(path)
    missing = {"network", "options", "classes"} - facts.keys()
    if missing:
        raise InputError(f"{path} does not say which network it holds; is it a checkpoint of the stage train?")
    model = get_model(facts["network"], len(facts["classes"]), **facts["options"])
    _fill(model, state, path)
    return model.eval(), facts


def load_backbone(model: nn.Module, path: Path) -> None:
    """Fill ``model.backbone`` from a file of the stage ``weights``.

    Raises:
        InputError: the file is missing or damaged, or does not fit.
    """
    state, _ = read(path)
    backbone = model.get_submodule("backbone")
    _fill(backbone, state, path)


def convert_imagenet_backbone(path: Path) -> dict[str, Tensor]:
    """Parameters of a deep-stem ImageNet classifier file in our names, without its last layer.

    Raises:
        InputError: the file is missing, no weight file, holds more than tensors, or has a name we do not know.
    """
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; give the path of the ImageNet file in params.yaml") from None
    except Exception as error:
        raise InputError(f"{path} is no file of plain tensors: {error}") from None
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise InputError(f"{path} holds no state dict of tensors")
    converted = {}
    for key, tensor in state.items():
        key = key.removeprefix("module.")
        if key.startswith("fc."):
            continue
        name = from_official_name(key)
        if name is None or not name.startswith("backbone."):
            raise InputError(f"{path}: {key!r} is no parameter of a deep-stem ResNet; is it the right file?")
        converted[name.removeprefix("backbone.")] = tensor.contiguous()
    return converted


def _fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the network: {error}") from None
