"""Quick convolutions are convolutions."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.profiler import profile
from torch.nn.functional import conv2d

from mfaranet.models import convolution
from mfaranet.models.convolution import QuickConvolutions

CASES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "3x3": ((8, 6, 3, 3), {"padding": (1, 1)}),
    "1x1": ((8, 6, 1, 1), {}),
    "strided": ((8, 6, 3, 3), {"padding": (1, 1), "stride": (2, 2)}),
    "strided 1x1": ((8, 6, 1, 1), {"stride": (2, 2)}),
    "dilated": ((8, 6, 3, 3), {"padding": (2, 2), "dilation": (2, 2)}),
    "grouped": ((8, 3, 3, 3), {"padding": (1, 1), "groups": 2}),
    "wide": ((8, 6, 3, 3), {"padding": (2, 2)}),
}


LARGE, SMALL = (47, 46), (17, 14)


def results(case: str, dtype: torch.dtype, *, bias: bool, size: tuple[int, int] = LARGE) -> list[Tensor]:
    shape, options = CASES[case]
    torch.manual_seed(0)
    leaves = [torch.randn(size).to(dtype).requires_grad_() for size in ((3, 6, *size), shape, shape[:1])]
    features, weight, offset = leaves
    options = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1} | options
    output = conv2d(features, weight, offset if bias else None, **options)
    gradients = torch.autograd.grad((output * torch.randn_like(output)).sum(), leaves[: 2 + bias])
    return [output, *gradients]


@pytest.fixture
def winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    """NNPACK, on a CPU that is quicker without, too."""
    if not torch._nnpack_available():
        pytest.skip("this build of PyTorch has no NNPACK for this CPU")
    monkeypatch.setattr(convolution, "winograd_is_quick", lambda: True)


@pytest.mark.usefixtures("winograd")
@pytest.mark.parametrize("size", [LARGE, SMALL])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_numbers(case: str, bias: bool, size: tuple[int, int]) -> None:
    for dtype in (torch.float32, torch.float64):
        expected = results(case, dtype, bias=bias, size=size)
        with QuickConvolutions():
            found = results(case, dtype, bias=bias, size=size)
        for each, same in zip(found, expected, strict=True):
            if dtype == torch.float64:
                assert torch.equal(each, same)
            else:
                torch.testing.assert_close(each, same, rtol=1e-4, atol=1e-5 * same.abs().max().item())


@pytest.mark.parametrize(
    ("case", "size", "kernel"),
    [
        ("3x3", LARGE, "aten::_nnpack_spatial_convolution"),
        ("3x3", SMALL, None),
        ("1x1", SMALL, "aten::bmm"),
        ("dilated", LARGE, None),
    ],
)
@pytest.mark.usefixtures("winograd")
def test_the_kernels(case: str, size: tuple[int, int], kernel: str | None) -> None:
    with profile() as seen, QuickConvolutions():
        results(case, torch.float32, bias=False, size=size)
    names = {event.name for event in seen.function_events}
    assert kernel is None or kernel in names
    assert ("aten::conv2d" in names) == (kernel is None)


@pytest.mark.parametrize(("capability", "quick"), [("AVX2", True), ("AVX512", False), ("AVX512_BF16", False)])
def test_who_gains_by_winograd(monkeypatch: pytest.MonkeyPatch, capability: str, quick: bool) -> None:
    monkeypatch.setattr(torch, "_nnpack_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert convolution.winograd_is_quick() == quick


def test_elsewhere_nothing_changes() -> None:
    with QuickConvolutions(), torch.autocast("cpu", torch.bfloat16):
        assert results("3x3", torch.float32, bias=True)[0].dtype == torch.bfloat16
    with FakeTensorMode(), QuickConvolutions():
        images, weight = torch.zeros(2, 3, 8, 8, device="cuda"), torch.zeros(4, 3, 3, 3, device="cuda")
        assert conv2d(images, weight, None, (1, 1), (1, 1)).device.type == "cuda"
