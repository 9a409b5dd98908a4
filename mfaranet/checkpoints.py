"""Our weight files: safetensors with facts about them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.files import atomic_write
from mfaranet.models import get_model


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


def _fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the network: {error}") from None
