"""Batch normalisation folded into the convolution before it, as deployed networks have it."""

import copy
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_batch_norm(model: nn.Module, channels: int = 3) -> nn.Module:
    """A copy in evaluation mode in which each normalisation that follows a convolution is part of that convolution.

    A normalisation that follows something else, or that shares its convolution with another one, stays. Images of
    ``channels`` channels in; the outputs are those of ``model`` up to rounding.
    """
    folded = copy.deepcopy(model).eval()
    names = [(name, module) for name, module in folded.named_modules(remove_duplicate=False)]
    for conv, norm in _pairs(folded, channels):
        fused = fuse_conv_bn_eval(conv, norm, transpose=isinstance(conv, nn.ConvTranspose2d))
        # A shared module stands in several places.
        for name, module in names:
            if module is conv:
                folded.set_submodule(name, fused)
            elif module is norm:
                folded.set_submodule(name, nn.Identity())
    return folded


def _pairs(model: nn.Module, channels: int) -> list[tuple["nn.Conv2d | nn.ConvTranspose2d", nn.BatchNorm2d]]:
    """Convolutions and the normalisations that take their outputs, always and alone, as one pass shows."""
    shadow = copy.deepcopy(model).to("meta", torch.float32)
    outputs: dict[int, tuple[str, Tensor]] = {}  # with the tensor, or its id could be given again
    runs: Counter[str] = Counter()
    meetings: Counter[tuple[str, str]] = Counter()

    def watch(name: str, module: nn.Module) -> None:
        def record(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            runs[name] += 1
            if isinstance(module, nn.BatchNorm2d):
                before = outputs.get(id(inputs[0]))
                if before is not None:
                    meetings[before[0], name] += 1
            else:
                outputs[id(output)] = (name, output)

        module.register_forward_hook(record)

    for name, module in shadow.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d | nn.BatchNorm2d):
            watch(name, module)
    with torch.no_grad():
        shadow(torch.zeros(1, channels, 64, 128, device="meta"))
    modules = dict(model.named_modules())
    partners = Counter(conv for conv, _ in meetings)
    return [
        (modules[conv], modules[norm])
        for (conv, norm), count in meetings.items()
        if runs[conv] == runs[norm] == count and partners[conv] == 1
    ]
