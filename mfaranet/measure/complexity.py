"""What a network executes to predict: layer by layer, and its parameters and multiply-accumulates in all."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
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
    """Multiply-accumulates: weights times output positions, of convolutions and linear layers."""


@dataclass(frozen=True)
class Complexity:
    """``params``: parameters of the executed layers. ``macs``: multiply-accumulates of convolutions and linear layers.

    The paper prints macs / 1024**3 as "GFLOPs".
    """

    params: int
    macs: int
    flops: int
    """Floating-point operations as torch.utils.flop_counter counts them by itself: two a multiply-accumulate."""


def complexity(model: nn.Module, size: tuple[int, int]) -> Complexity:
    """Count one evaluation pass of an image of ``size`` (height, width).

    A network on the meta device is counted without memory or time for its values. Training-only layers do not count.
    """
    with FlopCounterMode(display=False) as counter:
        executed = _execute(model, size)
    params = {parameter for module, _ in executed for parameter in module.parameters(recurse=False)}
    return Complexity(
        params=sum(parameter.numel() for parameter in params),
        macs=sum(_macs(module, output) for module, output in executed),
        flops=counter.get_total_flops(),
    )


def layer_table(model: nn.Module, size: tuple[int, int]) -> list[Layer]:
    """The layers that one evaluation pass of an image of ``size`` (height, width) executes, in order."""
    return [_layer(module, output) for module, output in _execute(model, size)]


def _execute(model: nn.Module, size: tuple[int, int]) -> list[tuple[nn.Module, torch.Size]]:
    """Each executed module with parameters of its own, and the shape of its output."""
    executed: list[tuple[nn.Module, torch.Size]] = []

    def record(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        executed.append((module, output.shape))

    owners = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [owner.register_forward_hook(record) for owner in owners]
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.no_grad():  # in inference mode torch's counter sees nothing
            model.eval()(torch.zeros(1, 3, *size, device=device))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return executed


def _macs(module: nn.Module, output: torch.Size) -> int:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return module.weight.numel() * output[0] * output[-2] * output[-1]
    if isinstance(module, nn.Linear):
        return module.weight.numel() * (output.numel() // output[-1])
    return 0


def _layer(module: nn.Module, output: torch.Size) -> Layer:
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
        output=tuple(output[2:]),
        macs=_macs(module, output),
    )
