"""The optimiser and the schedules, against their formulas and PyTorch's plain forms."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import TinyNetwork, settings

import mfaranet
from mfaranet.training.optimization import make_optimizer, make_schedule

FORMULAS: dict[str, Callable[[int, int], float]] = {
    "poly": lambda i, n: (1 - i / n) ** 0.9,
    "cosine": lambda i, n: (1 + math.cos(math.pi * i / n)) / 2,
    "step": lambda i, n: 0.5 ** (4 * i // n),
}


def test_the_backbone_learns_at_the_base_rate_and_the_rest_faster() -> None:
    model = TinyNetwork()
    backbone, rest = make_optimizer(model, settings(base_lr=0.1, decoder_lr_factor=10.0)).param_groups
    assert (backbone["lr"], rest["lr"]) == (0.1, 1.0)
    assert backbone["params"] == list(model.backbone.parameters())
    assert len(rest["params"]) == 6


def test_a_network_without_a_backbone_learns_at_the_base_rate() -> None:
    model = mfaranet.get_model("enet", 3)
    (group,) = make_optimizer(model, settings(base_lr=0.1, decoder_lr_factor=10.0)).param_groups
    assert group["lr"] == 0.1
    assert len(group["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("schedule", FORMULAS)
@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_schedules(schedule: str, warmup: float) -> None:
    recipe = settings(schedule=schedule, warmup=warmup, step_parts=4, step_factor=0.5, decoder_lr_factor=10.0)
    optimizer = make_optimizer(TinyNetwork(), recipe)
    made = make_schedule(optimizer, recipe, iterations=80)
    first = int(warmup * 80)
    for iteration in range(80):
        if iteration < first:
            share = 1e-3 + (1 - 1e-3) * iteration / first
        else:
            share = FORMULAS[schedule](iteration - first, 80 - first)
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([share * recipe.base_lr, 10 * share * recipe.base_lr], rel=1e-9)
        optimizer.step()
        made.step()


@pytest.mark.parametrize("iterations", [1, 2, 3, 100])
@pytest.mark.parametrize("schedule", FORMULAS)
def test_a_warm_up_leaves_an_iteration_to_the_schedule(schedule: str, iterations: int) -> None:
    recipe = settings(schedule=schedule, warmup=0.999)
    optimizer = make_optimizer(TinyNetwork(), recipe)
    made = make_schedule(optimizer, recipe, iterations)
    for _ in range(iterations - 1):
        optimizer.step()
        made.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(recipe.base_lr)


@pytest.mark.parametrize(
    ("name", "plain", "arguments"),
    [
        ("sgd", torch.optim.SGD, {"momentum": 0.8}),
        ("adam", torch.optim.Adam, {"betas": (0.8, 0.999)}),
    ],
)
def test_steps_are_those_of_pytorch(name: str, plain: Any, arguments: dict[str, Any]) -> None:
    models = []
    for make in (
        lambda model: make_optimizer(model, settings(optimizer=name, momentum=0.8, base_lr=0.01, weight_decay=0.1)),
        lambda model: plain(model.parameters(), 0.01, weight_decay=0.1, foreach=False, **arguments),
    ):
        torch.manual_seed(0)
        model = TinyNetwork()
        optimizer = make(model)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.randn(2, 3, 16, 16))["out"].square().mean().backward()
            optimizer.step()
        models.append(model)
    for found, expected in zip(*(model.parameters() for model in models), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7)
