"""The goldens' rules: weights, inputs and labels made from seeds, and the options of the official variants."""

import json
import re
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import mfaranet
from mfaranet.measure.complexity import Layer
from mfaranet.weights.official import our_names

FOLDER = Path(__file__).parent / "goldens"
GOLDENS: dict[str, Any] = json.loads((FOLDER / "mfaranet.json").read_text())
STATE_DICTS: dict[str, Any] = json.loads((FOLDER / "state_dict.json").read_text())
COMPLEXITY: dict[str, Any] = json.loads((FOLDER / "complexity.json").read_text())
SMALL = [(1, 1), (1, 9), (3, 5), (6, 6), (7, 7), (8, 31)]
"""Height and width of images that have hardly anything."""

# The official code has its alignment ablations without normalisation in the decoder only.
SPEED = {"decoder_norm": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "resnet18": {},
    "resnet18_no_dilation": {"dilated": False},
    "resnet18_with_aux": {"auxiliary_head": True},
    "resnet18_speed": SPEED,
    "resnet50": {"backbone": "resnet50"},
    "resnet50_speed": {**SPEED, "backbone": "resnet50"},
    "scalechoice_dfnet_v1": {"backbone": "dfnet1"},
    "scalechoice_dfnet_v2": {"backbone": "dfnet2"},
    "scalechoice_stdc_v1": {"backbone": "stdc1"},
    "scalechoice_stdc_v2": {"backbone": "stdc2"},
    "scalechoice_resnet18_dropout_0.05_branches_1_2_3_4": {"backbone_dropout": (0, 0.05, 0.05, 0.05, 0.05)},
    "align_bilinear_speed": {**SPEED, "alignment": "bilinear"},
    "align_direct_speed": {**SPEED, "aggregation": "none", "warp_align_corners": False},
    "align_ram_concat_speed": {**SPEED, "fusion": "concat", "warp_align_corners": False, "boundary_heads": False},
}


def variant(name: str) -> nn.Module:
    """The network of an official variant, by the goldens' name for it."""
    name = name.removesuffix("_full")
    if name in ("dfnet_v2", "stdc_v2"):
        name = f"scalechoice_{name}"
    if name in VARIANTS:
        return mfaranet.get_model("mfaranet", **VARIANTS[name])
    branches = re.fullmatch(r"scalechoice_resnet18_branch(?:es)?_([1-4_]+)", name)
    assert branches, name
    return mfaranet.get_model("mfaranet", branches=[int(scale) for scale in branches[1].split("_")])


MEAN = np.array([0.485, 0.456, 0.406])
STD = np.array([0.229, 0.224, 0.225])


def size_of(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def as_row(layer: Layer) -> tuple[str, ...]:
    """A layer as the rows of the goldens' layer tables have it, counted as the official counter does."""

    def pair(value: tuple[int, ...] | None) -> str:
        return "" if value is None else "x".join(map(str, value))

    def text(value: int | None) -> str:
        return "" if value is None else str(value)

    sizes = [pair(value) for value in (layer.kernel, layer.stride, layer.padding, layer.dilation)]
    numbers = [layer.in_channels, layer.out_channels, layer.groups, int(layer.bias), layer.params]
    first, second, *rest = [text(value) for value in numbers]
    height, width = layer.output or (None, None)
    return (layer.kind, first, second, *sizes, *rest, text(height), text(width), str(layer.official_macs))


def tensor_of(key: str, shape: list[int]) -> Tensor:
    """By the rule; to be copied, not changed."""
    return _drawn(key, tuple(shape))


@lru_cache(500)  # the entries of one network, which several tests fill in turn
def _drawn(key: str, shape: tuple[int, ...]) -> Tensor:
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
    heads = key.startswith(("multi_loss_head.", "boundary_heads."))
    if heads or last_attention or key in ("score_head.2.weight", "aux_head.4.weight"):
        return 6
    return 1.25


def fill(model: nn.Module, scale_choice: bool = False) -> nn.Module:
    """Fill, in the dtype of the model, by the names of MFARANet or of its ScaleChoice."""
    state = {}
    for official, name in our_names(model).items():
        if scale_choice or name not in state:  # ScaleChoice's names come last
            state[name] = tensor_of(official, list(model.state_dict()[name].shape))
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
    found, expected = [values.mean(), values.min(), values.max()], [golden["mean"], golden["min"], golden["max"]]
    if "std" in golden:
        found.append(values.std(correction=0))
        expected.append(golden["std"])
    if "sample_value" in golden:  # some maps have the four numbers above alone
        found += values.flatten()[golden["sample_flat_index"]]
        expected += golden["sample_value"]
    torch.testing.assert_close(
        torch.stack(found), torch.tensor(expected, dtype=torch.float64), atol=tolerance, rtol=tolerance
    )
