"""Every network outside of eager PyTorch: as an exported program, in ONNX Runtime, and compiled."""

import gc
import inspect
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


ANY = torch.export.Dim.DYNAMIC
SHAPES = {"images": {0: ANY, 2: ANY, 3: ANY}}
FIXED: dict[str, str] = {}
"""The networks that cannot be exported for all sizes at once, with the reason."""


@pytest.mark.parametrize("name", mfaranet.list_models())
@torch.no_grad()
def test_other_forms_give_the_same_logits(name: str) -> None:
    """One export serves every batch, height and width, in PyTorch and in ONNX Runtime."""
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    warm_up(model)
    (argument,) = inspect.signature(model.forward).parameters
    program = torch.export.export(model, (torch.randn(2, 3, 61, 93),), dynamic_shapes={argument: SHAPES["images"]})
    exported = program.module()
    converted = torch.onnx.export(program, dynamo=True, verbose=False)
    assert converted is not None
    sizes = [(1, 61, 93)] if name in FIXED else [(1, 61, 93), (2, 64, 96), (1, 96, 64), (3, 72, 33)]
    for batch, height, width in sizes:
        images = torch.randn(batch, 3, height, width)
        expected = model(images)
        assert_close(exported(images), expected)
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
