"""Our weight files: safetensors with facts about them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mfaranet.errors import InputError
from mfaranet.files import atomic_write
from mfaranet.formats import FORMAT, KEY, check_format
from mfaranet.models import get_model
from mfaranet.weights.foreign import not_finite

_CHECKPOINTS = ("best.safetensors", "last.safetensors")
_PICKLED = (".pt", ".pth", ".pkl", ".ckpt", ".bin")


def save(model: nn.Module, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a network's parameters and buffers, and facts about them (JSON values), whole or not at all."""
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.state_dict().items()}
    # One entry only: safetensors writes several in a random order, and equal runs should give equal files.
    metadata = {"facts": json.dumps({KEY: FORMAT, **facts})}
    atomic_write(path, lambda temporary: save_file(state, temporary, metadata))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of a safetensors file.

    Raises:
        InputError: the file is missing, corrupt, of another kind or of a later version.
    """
    facts = read_facts(path)
    with _explained(path):
        return load_file(path), facts


def read_facts(path: Path) -> dict[str, Any]:
    """The facts in a safetensors file, empty if it has none; errors as in ``read``."""
    with _explained(path), safe_open(path, framework="pt") as file:
        stored = json.loads((file.metadata() or {}).get("facts", "{}"))
    facts = stored if isinstance(stored, dict) else {}
    check_format(facts, path)
    return facts


def load_trained(path: Path) -> tuple[nn.Module, dict[str, Any]]:
    """The network of a checkpoint that training wrote, in evaluation mode, and the facts stored with it.

    Raises:
        InputError: the file is missing or corrupt, was not written by training, or has weights that are no numbers.
    """
    state, facts = read(path)
    missing = {"network", "options", "classes"} - facts.keys()
    if missing:
        raise InputError(f"{path} does not say which network it holds; is it a checkpoint of the stage train?")
    try:
        model = get_model(facts["network"], len(facts["classes"]), **facts["options"])
    except (TypeError, ValueError) as error:
        raise InputError(f"{path} names a network that cannot be built here: {error}") from None
    _fill(model, state, path)
    return model.eval(), facts


def load_backbone(model: nn.Module, path: Path) -> None:
    """Fill ``model.backbone`` from a file of the stage ``weights``.

    Raises:
        InputError: the file is missing or corrupt, does not fit, or has weights that are no numbers.
    """
    state, _ = read(path)
    backbone = model.get_submodule("backbone")
    _fill(backbone, state, path)


def _fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"{path} does not fit the network: {error}") from None
    if wrong := not_finite(module.state_dict()):
        raise InputError(
            f"{path}: {', '.join(wrong[:5])}: values that are no numbers, as of a training that went wrong; "
            "take the file of another epoch, or run the stage that makes it again"
        )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what goes wrong in reading a file into one sentence."""
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist; {_advice(path)}") from None
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        if path.suffix in _PICKLED:
            raise InputError(
                f"{path} is a file of torch.save, and safetensors are read here: `mfaranet convert` makes one of a "
                "network that the authors trained; of a training here take best.safetensors or last.safetensors"
            ) from None
        raise InputError(
            f"{path} cannot be read ({error}): corrupt, or no safetensors file; run the stage that makes it again"
        ) from None


def _advice(path: Path) -> str:
    """What to do about a missing file."""
    there = sorted(file.name for file in path.parent.glob("*.safetensors"))
    beside = f"{path.parent} holds {', '.join(there)}" if there else f"{path.parent} holds no .safetensors"
    if there and path.name in _CHECKPOINTS:
        return (
            f"{beside}. A training writes last.safetensors whenever it validates, and best.safetensors when a "
            "validation gives more than those before; set evaluate.checkpoint in params.yaml to one that is there"
        )
    return f"{beside}; check the path, or run the stage that makes the file"
