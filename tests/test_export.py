"""Every network outside of eager PyTorch: as an exported program, in ONNX Runtime, and compiled."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

import mfaranet
from mfaranet.models.comparators.swiftnet_18 import rounded_ratio
from mfaranet.models.layers import grid_mean, spread

LEAST = {
    "aglnet": 65,  # features at 1/64
    "contextnet": 36,  # 1/32 of a quarter, rounded down
    "dfanet_b": 65,  # features at 1/64
    "sgcpnet2": 129,  # features at 1/128
}
"""Height and width from which an exported program takes images, else 33 (features at 1/32).

PyTorch compiles a size of one apart from larger ones: a program that was exported where each feature has two rows and
columns refuses images where one has not. There is no other limit, and no network without dynamic sizes.
"""
TOLERANCE = 1e-4
"""Times the largest distance of a logit from its class's mean over the image."""


CONVERTED = {
    "mfaranet": "add.Tensor arange.default batch_norm.default cat.default clamp.default conv2d.default div.Tensor "
    "dropout.default feature_dropout.default grid_sampler.default max_pool2d.default mul.Tensor promote_types.default "
    "relu_.default select.int sigmoid.default slice.Tensor stack.default sub.Tensor sum.dim_IntList to.dtype "
    "unsqueeze.default upsample_bilinear2d.vec",
    "mfaranet_pruned": "",
    "aglnet": "chunk.default",
    "cgnet": "avg_pool2d.default",
    "cifrenet": "adaptive_avg_pool2d.default expand.default expand_as.default flatten.using_ints hardtanh_.default "
    "leaky_relu.default linear.default pad.default prelu.default reshape.default transpose.int unflatten.int",
    "dfn": "mean.dim",
    "dmanet": "softmax.int",
    "enet": "conv_transpose2d.input max_pool2d_with_indices.default max_unpool2d.default",
    "fast_scnn": "__and__.Tensor floor_divide.default ge.Tensor lt.Tensor matmul.default numpy_T.default",
    "sgcpnet2": "hardsigmoid.default hardswish.default hardswish_.default relu.default silu.default sum.default "
    "unbind.int upsample_nearest2d.vec",
    "shelfnet_18": "leaky_relu_.default",
}
"""Networks that are ONNX, and compiled, in each run of the tests, with the operations of PyTorch that they show.

Conversion goes operation by operation, so those that have no others are converted at night.
"""
OPERATIONS = {name for names in CONVERTED.values() for name in names.split()}


@pytest.mark.parametrize("name", mfaranet.list_models())
@torch.no_grad()
def test_other_forms_give_the_same_logits(name: str) -> None:
    """An exported program for any number of images of any size; of some ONNX, and one graph for torch.compile."""
    model, program, more = exported(name)
    found = {str(node.target).removeprefix("aten.") for node in program.graph.nodes if "aten." in str(node.target)}
    plain = {each for each in found if not each.startswith(("sym_size", "_assert"))}
    assert plain <= OPERATIONS, "name the network in CONVERTED that shows the new ones"
    assert plain >= set(CONVERTED.get(name, "").split())
    assert_same(model, more, program.module())
    if name in CONVERTED:
        assert_same(model, more, converted(name, program))
        assert_compiled(model, more)


@pytest.mark.night
@pytest.mark.parametrize("name", sorted({*mfaranet.list_models()} - {*CONVERTED}))
@torch.no_grad()
def test_the_other_networks_in_these_forms(name: str) -> None:
    model, program, more = exported(name)
    assert_same(model, more, converted(name, program))
    assert_compiled(model, more)


def assert_compiled(model: nn.Module, more: int) -> None:
    """By torch.compile, in one graph."""
    torch.compiler.reset()  # forward, which the networks share, is compiled for a few of them only
    # No step beyond the one graph, which exporting has taken.
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    images = torch.randn(2, 3, 61 + more, 93 + more)
    assert_close(compiled(images), model(images))


def exported(name: str) -> tuple[nn.Module, ExportedProgram, int]:
    """A network, its exported program, and by how much its images must be larger than 33."""
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    leave_out_repetitions(model)
    warm_up(model)
    more = LEAST.get(name, 33) - 33
    images = torch.randn(2, 3, 61 + more, 93 + more)  # where a network takes some sizes only, this is padded

    any_size = torch.export.Dim.DYNAMIC
    program = torch.export.export(model, (images,), dynamic_shapes=({0: any_size, 2: any_size, 3: any_size},))
    return model, program, more


def converted(name: str, program: ExportedProgram) -> Callable[[Tensor], Tensor]:
    """The program in ONNX Runtime; ours optimised as the README does it, the others left to ONNX Runtime."""
    made = torch.onnx.export(program, dynamo=True, verbose=False, optimize=name == "mfaranet")
    assert made is not None
    return lambda images: made(images)[0]


def assert_same(model: nn.Module, more: int, *others: Callable[[Tensor], Tensor]) -> None:
    """For images of several numbers and sizes."""
    for batch, height, width in [(2, 61, 93), (1, 64, 96), (3, 96, 64), (1, 33, 65)]:
        images = torch.randn(batch, 3, height + more, width + more)
        expected = model(images)
        for other in others:
            assert_close(other(images), expected)


def test_formulas_of_exported_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths, grids = [1, 2, 3, 17, 512, 2048], [(1, 1), (2, 3), (6, 6), (8, 1), (8, 16)]
    features = torch.randn(2, 3, 13, 19, dtype=torch.float64)
    spreads = [spread(length, torch.float32, features.device) for length in lengths]
    means = [grid_mean(features, *grid) for grid in grids]
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    for length, numbers in zip(lengths, spreads, strict=True):
        torch.testing.assert_close(spread(length, torch.float32, features.device), numbers, rtol=0, atol=2e-7)
    for (rows, columns), mean in zip(grids, means, strict=True):
        there = mean.expand(-1, -1, max(rows, 2), max(columns, 2))  # a single row or column is there twice
        torch.testing.assert_close(grid_mean(features, rows, columns), there)


def test_rounding_without_fractions() -> None:
    pairs = [(a, b) for a in range(1, 200) for b in range(1, 60)]
    assert [rounded_ratio(a, b) for a, b in pairs] == [round(a / b) for a, b in pairs]


def leave_out_repetitions(model: nn.Module) -> None:
    """Of blocks in a row that are alike leave one: exporting takes its time for each operation.

    Each kind of block stays, and each change of size: rows of plain layers, which may halve the size again, are whole.
    """
    for row in model.modules():
        if isinstance(row, nn.Sequential):
            for index in reversed(range(1, len(row))):
                if str(row[index]) == str(row[index - 1]) and not isinstance(row[index], nn.Sequential):
                    del row[index]


def warm_up(model: nn.Module, images: Tensor | None = None) -> None:
    """Adapt the normalisation to an activation's real size, which in an untrained network fades with depth."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.9
    if images is None:
        images = torch.randn(2, 3, 64, 96) * torch.rand(2, 3, 1, 1) + torch.randn(2, 3, 1, 1)
    model.train()(images)
    model.eval()


def assert_close(found: Tensor, expected: Tensor) -> None:
    scale = float((expected - expected.mean((2, 3), keepdim=True)).abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * scale)
