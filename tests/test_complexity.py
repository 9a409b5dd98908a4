"""Parameters, multiply-accumulates and layer tables against the official network's."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
from official import COMPLEXITY, FOLDER, as_row, size_of, variant
from torch import nn

import mfaranet
from mfaranet.measure.complexity import complexity, layer_table

COUNTED = [name for name, golden in COMPLEXITY.items() if "as_executed" in golden]
TABLES = sorted((FOLDER / "layers").glob("*.csv"))


@pytest.mark.parametrize("name", COUNTED)
def test_counts_of_the_official_network(name: str) -> None:
    golden = COMPLEXITY[name]
    with torch.device("meta"):
        model = variant(name)
    for size, macs in golden["as_executed"].items():
        cost = complexity(model, size_of(size))
        assert cost.macs == cost.official_macs == macs
        assert cost.flops == 2 * macs  # torch's own counter
        assert cost.params == golden["params_of_executed_layers"]
    assert model.training
    assert len(golden["as_executed"]) == 4


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_layer_table_of_the_official_network(path: Path) -> None:
    name, size = path.stem.rsplit("_", 1)
    with torch.device("meta"):
        model = variant(name)
    with path.open() as file:
        expected = Counter(tuple(row) for row in list(csv.reader(file))[1:])
    assert Counter(as_row(layer) for layer in layer_table(model, size_of(size))) == expected


def test_training_only_heads_are_in_the_network_but_not_in_the_count() -> None:
    model = mfaranet.get_model("mfaranet")
    assert sum(p.numel() for p in model.parameters()) == COMPLEXITY["resnet18_full"]["params_module_total"]


@pytest.mark.parametrize("name", ["mfaranet", "mfaranet_pruned"])
def test_macs_are_half_of_what_torch_counts(name: str) -> None:
    """Of the 24 compared networks see test_comparators."""
    with torch.device("meta"):
        model = mfaranet.get_model(name)
    for size in [(512, 1024), (1024, 2048), (97, 131), (64, 97)]:
        cost = complexity(model, size)
        assert cost.flops == 2 * cost.macs > 0


@pytest.mark.parametrize(
    ("layer", "macs", "official"),
    [
        (nn.ConvTranspose2d(3, 4, 2, stride=2), 3072, 12_288),
        (nn.ConvTranspose2d(4, 6, 3, stride=2, padding=1, groups=2), 6912, 24_300),  # to 15x15
        (nn.Conv2d(3, 4, 2, stride=2), 768, 768),
    ],
)
def test_a_transposed_convolution_works_at_the_positions_of_its_input(
    layer: nn.Module, macs: int, official: int
) -> None:
    cost = complexity(layer, (8, 8), layer.in_channels)  # type: ignore[arg-type]
    assert (cost.macs, cost.official_macs, cost.flops) == (macs, official, 2 * macs)
    (row,) = layer_table(layer, (8, 8), layer.in_channels)  # type: ignore[arg-type]
    assert (row.macs, row.official_macs) == (macs, official)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_any_type_and_input_is_counted(device: str, dtype: torch.dtype) -> None:
    with torch.device(device):
        model = mfaranet.get_model("erfnet", num_classes=5, in_channels=4).to(dtype)
    with torch.device("meta"):
        usual = mfaranet.get_model("erfnet", num_classes=5)
    cost, three = complexity(model, (32, 64), channels=4), complexity(usual, (32, 64))
    # ERFNet's first convolution makes 16 channels less those of the image, which are pooled beside it.
    assert cost.macs - three.macs == (4 * 12 - 3 * 13) * 9 * 16 * 32
    assert cost.flops == 2 * cost.macs
    with torch.inference_mode():
        assert complexity(model, (32, 64), channels=4) == cost
    assert next(model.parameters()).dtype == dtype
