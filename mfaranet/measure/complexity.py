"""Parameters and multiply-accumulates of what a network executes to predict."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Complexity:
    """``params``: parameters of the executed layers. ``macs``: multiply-accumulates of convolutions and linear layers.

    The paper prints macs / 1024**3 as "GFLOPs".
    """

    params: int
    macs: int


def complexity(model: nn.Module, size: tuple[int, int]) -> Complexity:
    """Count one evaluation pass of an image of ``size`` (height, width).

    A network on the meta device is counted without memory or time for its values. Training-only layers do not count.
    """
    executed: set[nn.Parameter] = set()
    macs = 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        executed.update(module.parameters(recurse=False))
        if isinstance(module, nn.Conv2d):
            macs += module.weight.numel() * output.shape[0] * output.shape[-2] * output.shape[-1]
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel() * output[..., 0].numel()

    leaves = [module for module in model.modules() if next(module.parameters(recurse=False), None) is not None]
    handles = [leaf.register_forward_hook(count) for leaf in leaves]
    was_training = model.training
    device = next(model.parameters()).device
    try:
        with torch.inference_mode():
            model.eval()(torch.zeros(1, 3, *size, device=device))
    finally:
        model.train(was_training)
        for handle in handles:
            handle.remove()
    return Complexity(params=sum(parameter.numel() for parameter in executed), macs=macs)
