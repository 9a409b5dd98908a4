"""The goldens' rules: weights, inputs and labels made from seeds (see "_readme" in tests/goldens/mfaranet.json)."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mfaranet.checkpoints import from_official_name

GOLDENS: dict[str, Any] = json.loads((Path(__file__).parent / "goldens" / "mfaranet.json").read_text())
MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def tensor_of(key: str, shape: list[int]) -> Tensor:
    seed = zlib.crc32(key.encode()) & 0xFFFFFFFF
    n = np.random.RandomState(seed).standard_normal(shape)
    last = key.rsplit(".", 1)[1]
    if last == "num_batches_tracked":
        return torch.zeros((), dtype=torch.int64)
    if last in ("bias", "running_mean"):
        return torch.from_numpy(0.1 * n)
    if last == "running_var":
        return torch.from_numpy(1 + 0.1 * np.abs(n))
    if n.ndim == 1:
        return torch.from_numpy(1 + 0.1 * n)
    fan = int(np.prod(shape[1:]))
    if fan >= 64:
        n = n - n.mean(axis=(1, 2, 3), keepdims=True)
    return torch.from_numpy(n * _gain(key) / np.sqrt(fan))


def _gain(key: str) -> float:
    if ".offset_map." in key:
        return 8
    last_attention = "_attentions." in key and key.split(".")[-2] != "0"
    if key.startswith(("multi_loss_head.", "boundary_heads.")) or last_attention:
        return 6
    return 1.25


def fill(model: nn.Module) -> nn.Module:
    """Fill, in the dtype of the model, through the key map: one place for each official entry, none left over."""
    state = {}
    for key, shape in GOLDENS["official_state_dict"]:
        name = from_official_name(key)
        assert name is not None, key
        state[name] = tensor_of(key, shape)
    own = model.state_dict()
    if not len(model.boundary_heads):
        state = {name: value for name, value in state.items() if not name.startswith("boundary_heads.")}
    assert len(state) == len(own)
    model.load_state_dict(state)
    return model


def make_input(height: int, width: int, seed: int, n: int = 1) -> Tensor:
    rs = np.random.RandomState(seed)
    blocks = rs.rand(n, 3, height // 16, width // 16)
    noise = rs.rand(n, 3, height, width)
    x = 0.8 * blocks.repeat(16, axis=2).repeat(16, axis=3) + 0.2 * noise
    return torch.from_numpy((x - MEAN[:, None, None]) / STD[:, None, None])


def make_label(n: int, height: int, width: int, seed: int) -> Tensor:
    rs = np.random.RandomState(seed)
    blocks = rs.randint(0, 19, (n, -(-height // 8), -(-width // 8)))
    label = blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]
    ignored = rs.rand(n, height, width) < 0.02
    label[:, :4] = 255
    label[ignored] = 255
    return torch.from_numpy(label)


def assert_stats(tensor: Tensor, golden: dict[str, Any], tolerance: float) -> None:
    values = tensor.detach().double()
    assert list(values.shape) == golden["shape"]
    found = [values.mean(), values.min(), values.max(), *values.flatten()[golden["sample_flat_index"]]]
    expected = [golden["mean"], golden["min"], golden["max"], *golden["sample_value"]]
    if "std" in golden:
        found.append(values.std(correction=0))
        expected.append(golden["std"])
    torch.testing.assert_close(
        torch.stack(found), torch.tensor(expected, dtype=torch.float64), atol=tolerance, rtol=tolerance
    )
