"""Weight files of others, as torch.save wrote them: read without running anything, renamed, refused by name."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mfaranet.errors import InputError
from mfaranet.models.comparator import Names

# Where in a file the state dict may lie.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "segmenter")
_MOST_WRAPPERS = 10
"""A pickle may hold itself."""
# What DataParallel, torch.compile and classes around the network put in front of its names, in any order.
_PREFIXES = re.compile(r"^((module|model|_orig_mod)\.)+|(?<=\.)(_orig_mod\.)+")
# A score or an epoch beside the network may be a numpy number; to build one runs no code of the file.
_NUMPY_NUMBERS: list[Any] = [
    *((np.float64().__reduce__()[0], f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    np.dtype,
    *(type(np.dtype(code)) for code in np.typecodes["AllInteger"] + np.typecodes["Float"] + "?"),
]


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


def entries_of(content: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """The state dict in a file, without what wraps it and what stands before its names.

    Args:
        where: the file, for people.

    Raises:
        InputError: there is none, or it has an entry twice.
    """
    state = content
    for _ in range(_MOST_WRAPPERS):
        state = next((state[key] for key in _WRAPPERS if isinstance(state.get(key), Mapping)), state)
    if not state or not all(map(_is_plain, state.values())):
        raise InputError(f"{where} holds no state dict of tensors; is it the right file?")
    entries = {_PREFIXES.sub("", str(key)): tensor for key, tensor in state.items()}
    if len(entries) < len(state):
        raise InputError(f"{where} holds an entry twice, with and without module., model. or _orig_mod.; take one out")
    return entries


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor with a number for each of its places: none sparse, quantised or of shapes alone."""
    return isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta and not value.is_quantized


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """The names of those that are not finite everywhere as float32: of them a network makes one class everywhere."""
    return [name for name, tensor in tensors.items() if not tensor.float().isfinite().all()]


def renamed(name: str, rules: Names) -> str:
    """A name after all rules, in turn."""
    for pattern, replacement in rules:
        name = re.sub(pattern, replacement, name)
    return name


def refuse(where: str, fault: str, keys: list[str]) -> None:
    """Raise InputError if there are keys with this fault; it names the first ones."""
    if keys:
        shown = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        raise InputError(
            f"{where}: {fault}: {shown}. Were the network's options (classes, backbone, ...) those of the file?"
        )
