"""Parameters and multiply-accumulates against the official counts."""

import pytest
import torch
from official import GOLDENS

import mfaranet
from mfaranet.measure.complexity import complexity

GOLDEN = GOLDENS["complexity"]


@pytest.mark.parametrize("size", list(GOLDEN["as_executed"]))
def test_counts_of_the_official_network(size: str) -> None:
    with torch.device("meta"):
        model = mfaranet.get_model("mfaranet")
    height, width = size.split("x")
    cost = complexity(model, (int(height), int(width)))
    assert cost.macs == GOLDEN["as_executed"][size]["macs"]
    assert cost.params == GOLDEN["params_of_executed_layers"]
    assert model.training


def test_training_only_heads_are_in_the_network_but_not_in_the_count() -> None:
    model = mfaranet.get_model("mfaranet")
    assert sum(p.numel() for p in model.parameters()) == GOLDEN["params_module_total"]
