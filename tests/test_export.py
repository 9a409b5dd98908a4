"""Every network outside of eager PyTorch: as an exported program, in ONNX Runtime, and compiled."""

import gc
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

import mfaranet

TOLERANCE = 1e-4
"""Times the largest distance of a logit from its class's mean over the image."""


@pytest.fixture(autouse=True)
def one_garbage_collection() -> Iterator[None]:
    """Tracing makes millions of objects that live on; looking through them all the while takes a tenth of the time."""
    gc.disable()
    yield
    gc.enable()
    gc.collect()


@pytest.mark.parametrize("name", mfaranet.list_models())
@torch.no_grad()
def test_other_forms_give_the_same_logits(name: str) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    warm_up(model)
    images = torch.randn(1, 3, 61, 93)  # where a network takes some sizes only, this is padded
    expected = model(images)

    program = torch.export.export(model, (images,))
    assert_close(program.module()(images), expected)
    converted = torch.onnx.export(program, dynamo=True, verbose=False)
    assert converted is not None
    (found,) = converted(images)  # in ONNX Runtime
    assert_close(found, expected)
    torch.compiler.reset()  # forward, which the networks share, is compiled for a few of them only
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_close(compiled(images), expected)


def warm_up(model: nn.Module) -> None:
    """Adapt the normalisation to an activation's real size, which in an untrained network fades with depth."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.9
    images = torch.randn(2, 3, 64, 96) * torch.rand(2, 3, 1, 1) + torch.randn(2, 3, 1, 1)
    model.train()(images)
    model.eval()


def assert_close(found: Tensor, expected: Tensor) -> None:
    scale = float((expected - expected.mean((2, 3), keepdim=True)).abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * scale)
