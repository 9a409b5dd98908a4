"""Convolutions on a CPU by the quickest kernels that PyTorch brings, in training and in deployed networks.

By itself PyTorch takes oneDNN's, whose 3x3 convolutions of float32 multiply as often as the formula does, and which
copies the features of 1x1 ones to a layout of its own. NNPACK's do a 3x3 convolution by Winograd's algorithm, with a
third of the multiplications or less, and a 1x1 convolution is a matrix product. Measured by ``benchmarks.step``
and ``benchmarks.inference``.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_ONE, _NONE = (1, 1), (0, 0)
_WINOGRAD = ((3, 3), _ONE, _ONE, _ONE, 1)
"""Kernel, stride, padding, dilation and groups of what NNPACK does by Winograd's algorithm."""
_LEAST_PIXELS = 2048
"""Of a feature: NNPACK transforms the kernels in every call, which takes up to nine times as long as the convolution of
a small one, and from here on is made up for."""


def is_winograd(conv: nn.Conv2d) -> bool:
    """Whether it is one that QuickConvolutions does by Winograd's algorithm, of large features, with NNPACK."""
    return (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.groups) == _WINOGRAD


def winograd_is_quick() -> bool:
    """Whether NNPACK, which knows no registers wider than AVX2's, is quicker than oneDNN on this CPU.

    With AVX-512, oneDNN's plain 3x3 convolutions took 0.3 to 1.1 of NNPACK's time, the wider the features the less.
    """
    return torch._nnpack_available() and "AVX512" not in torch.backends.cpu.get_cpu_capability()


def quick_convolutions(images: Tensor) -> AbstractContextManager[Any]:
    """QuickConvolutions for a pass of these images; nothing on a GPU, in channels_last, or where a compiler chooses."""
    quick = images.device.type == "cpu" and images.is_contiguous() and not torch.compiler.is_compiling()
    return QuickConvolutions() if quick else nullcontext()


class QuickConvolutions(TorchFunctionMode):
    """In this context, ``F.conv2d`` of float32 on a CPU goes the quickest way, forwards and, later, backwards.

    The sums are rounded in another order: numbers differ in the last bits, by Winograd's in some more.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return (_conv2d if func is F.conv2d else func)(*args, **(kwargs or {}))


def _conv2d(
    features: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    plain = (features.dtype, features.device.type, stride, groups) == (torch.float32, "cpu", _ONE, 1)
    if plain and not torch.is_autocast_enabled("cpu"):
        if (weight.shape[2:], padding) == (_ONE, _NONE):
            return _product(features, weight, bias)
        form = (tuple(weight.shape[2:]), stride, padding, dilation, groups)
        pixels = features.shape[-2] * features.shape[-1]
        if form == _WINOGRAD and pixels >= _LEAST_PIXELS and winograd_is_quick():
            result: Tensor = _Winograd.apply(features, weight, bias)
            return result
    return F.conv2d(features, weight, bias, stride, padding, dilation, groups)


def _product(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # Not ``@``, which would lay the images side by side first.
    kernels, pixels = weight.flatten(1).expand(len(features), -1, -1), features.flatten(2)
    result = torch.bmm(kernels, pixels) if bias is None else torch.baddbmm(bias[:, None], kernels, pixels)
    return result.view(len(features), len(weight), *features.shape[2:])


class _Winograd(torch.autograd.Function):
    """3x3, of stride 1 and padding 1."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(features, weight)
        ctx.bias = bias is not None
        return _winograd(features, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight = ctx.saved_tensors
        of_features = None
        if ctx.needs_input_grad[0]:
            # The same convolution with the kernels turned and the channels exchanged.
            of_features = _winograd(gradient, weight.flip(2, 3).transpose(0, 1).contiguous(), None)
        # Of the kernels it is none, and oneDNN is quick in this layout.
        _, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradient.contiguous(),
            features,
            weight,
            [len(weight)] if ctx.bias else None,
            _ONE,
            _ONE,
            _ONE,
            False,
            _NONE,
            1,
            [False, True, ctx.bias],
        )
        return of_features, of_weight, of_bias


def _winograd(features: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    # Image by image: of several together NNPACK is slower than oneDNN.
    results = [
        torch._nnpack_spatial_convolution(image, weight, bias, _ONE, _ONE) for image in features.unsqueeze(1).unbind()
    ]
    return results[0] if len(results) == 1 else torch.cat(results)
