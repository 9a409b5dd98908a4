"""Parameters, multiply-accumulates and layer tables against the official network's."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import torch
from official import COMPLEXITY, FOLDER, as_row, size_of, variant

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
        assert cost.macs == macs
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
