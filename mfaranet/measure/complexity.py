"""What a network executes to predict: layer by layer, and its parameters and multiply-accumulates in all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Layer:
    """One executed layer that has parameters. Pairs are (height, width); what a kind of layer has not is None."""

    kind: str
    in_channels: int | None
    out_channels: int | None
    kernel: tuple[int, int] | None
    stride: tuple[int, int] | None
    padding: tuple[int, int] | None
    dilation: tuple[int, int] | None
    groups: int | None
    bias: bool
    params: int
    output: tuple[int, ...]
    """Height and width of the output, none where it is no map."""
    macs: int
    """Multiply-accumulates of a convolution or linear layer."""
    official_macs: int
    """The same as the counter of the official code counts them (see Complexity)."""


@dataclass(frozen=True)
class Complexity:
    """What one pass costs. Convolutions and linear layers count, all else does not."""

    params: int
    """Parameters of the executed layers."""
    macs: int
    """Multiply-accumulates: weights times the positions that they are applied at, for a transposed convolution those of
    its input."""
    official_macs: int
    """As the counter of the official code has it: for a transposed convolution the positions of its output, stride
    squared too many. The paper prints this / 1024**3 as "GFLOPs"."""
    flops: int
    """Floating-point operations as torch.utils.flop_counter counts them by itself: two a multiply-accumulate."""


def complexity(model: nn.Module, size: tuple[int, int], channels: int = 3) -> Complexity:
    """Count one evaluation pass of an image of ``size`` (height, width), with as many ``channels`` as the model takes.

    A network on the meta device is counted without memory or time for its values. Any floating-point type and device
    will do. Training-only layers do not count.
    """
    with FlopCounterMode(display=False) as counter:
        executed = _execute(model, size, channels)
    params = {parameter for call in executed for parameter in call.module.parameters(recurse=False)}
    return Complexity(
        params=sum(parameter.numel() for parameter in params),
        macs=sum(map(_macs, executed)),
        official_macs=sum(map(_official_macs, executed)),
        flops=counter.get_total_flops(),
    )


def layer_table(model: nn.Module, size: tuple[int, int], channels: int = 3) -> list[Layer]:
    """The layers that one evaluation pass of an image of ``size`` (height, width) executes, in order."""
    return [_layer(call) for call in _execute(model, size, channels)]


class _Call(NamedTuple):
    """One execution of a module with parameters of its own."""

    module: nn.Module
    input: torch.Size
    output: torch.Size


def _execute(model: nn.Module, size: tuple[int, int], channels: int) -> list[_Call]:
    executed: list[_Call] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        executed.append(_Call(module, inputs[0].shape, output.shape))

    owners = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [owner.register_forward_hook(record) for owner in owners]
    was_training = model.training
    image = next(model.parameters()).new_zeros(1, channels, *size)
    try:
        # In inference mode torch's counter sees nothing.
        with torch.inference_mode(False), torch.no_grad(), _ShapesAlone():  # type: ignore[no-untyped-call]
            model.eval()(image)
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return executed


class _ShapesAlone(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Gives three operations on the meta device their shapes at once, which torch works out step by step in Python."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if function in _SHAPES and args[0].is_meta:
            return _SHAPES[function](*args)
        return function(*args, **(kwargs or {}))


def _normalised(features: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(features), features.new_empty(0), features.new_empty(0)


def _resized(features: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    return features.new_empty(*features.shape[:2], *size)


def _sampled(features: Tensor, grid: Tensor, *_: Any) -> Tensor:
    return features.new_empty(*features.shape[:2], *grid.shape[1:3])


_SHAPES: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.native_batch_norm.default: _normalised,
    torch.ops.aten.upsample_bilinear2d.default: _resized,
    torch.ops.aten.grid_sampler_2d.default: _sampled,
}


def _macs(call: _Call) -> int:
    if isinstance(call.module, nn.ConvTranspose2d):
        return call.module.weight.numel() * _positions(call.input)
    return _official_macs(call)


def _official_macs(call: _Call) -> int:
    if isinstance(call.module, nn.Conv2d | nn.ConvTranspose2d):
        return call.module.weight.numel() * _positions(call.output)
    if isinstance(call.module, nn.Linear):
        return call.module.weight.numel() * (call.output.numel() // call.output[-1])
    return 0


def _positions(shape: torch.Size) -> int:
    """Of a batch of maps (N, C, H, W)."""
    return shape[0] * shape[-2] * shape[-1]


def _layer(call: _Call) -> Layer:
    module = call.module
    channels = getattr(module, "num_features", None)

    def own(name: str, default: Any = None) -> Any:
        return getattr(module, name, default)

    return Layer(
        kind=type(module).__name__,
        in_channels=own("in_channels", own("in_features", channels)),
        out_channels=own("out_channels", own("out_features", channels)),
        kernel=own("kernel_size"),
        stride=own("stride"),
        padding=own("padding"),
        dilation=own("dilation"),
        groups=own("groups"),
        bias=own("bias") is not None,
        params=sum(parameter.numel() for parameter in module.parameters(recurse=False)),
        output=tuple(call.output[2:]),
        macs=_macs(call),
        official_macs=_official_macs(call),
    )
