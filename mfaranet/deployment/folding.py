"""Batch normalisation folded into the convolution before it, as deployed networks have it."""

import copy
from collections import Counter
from collections.abc import Callable
from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

Convolution = nn.Conv2d | nn.ConvTranspose2d


def fold_batch_norm(model: nn.Module, channels: int = 3) -> nn.Module:
    """A copy in evaluation mode in which each normalisation that follows a convolution is part of that convolution.

    A normalisation that follows something else, or that shares its convolution with another one, stays. What stays
    has the tensors of ``model``, not copies. Images of ``channels`` channels in; the outputs are those of ``model`` up
    to rounding.
    """
    shared = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    folded = copy.deepcopy(model, shared).eval()
    absorbed: set[nn.Module] = set()
    for conv, norm in _pairs(folded, channels):
        if norm.running_mean is None or norm.running_var is None:
            continue  # it goes by the image itself
        conv.weight, conv.bias = fuse_conv_bn_weights(
            conv.weight,
            conv.bias,
            norm.running_mean,
            norm.running_var,
            norm.eps,
            norm.weight,
            norm.bias,
            transpose=isinstance(conv, nn.ConvTranspose2d),
        )
        absorbed.add(norm)
    for name, module in list(folded.named_modules(remove_duplicate=False)):  # one may stand in several places
        if module in absorbed:
            folded.set_submodule(name, nn.Identity())
    return folded


def observe(model: nn.Module, hook: Callable[..., None], channels: int, *kinds: type[nn.Module]) -> None:
    """Run one pass of a small image, in which the modules of some kinds call the hook (module, inputs, output)."""
    handles = [module.register_forward_hook(hook) for module in model.modules() if isinstance(module, kinds)]
    with torch.no_grad():
        model(next(model.parameters()).new_zeros(1, channels, 64, 128))
    for handle in handles:
        handle.remove()


def _pairs(model: nn.Module, channels: int) -> list[tuple[Convolution, nn.BatchNorm2d]]:
    """Convolutions and the normalisations that take their outputs, always and alone, as one pass shows."""
    outputs: dict[int, tuple[Convolution, Tensor]] = {}  # with the tensor, or its id could be given again
    runs: Counter[nn.Module] = Counter()
    meetings: Counter[tuple[Convolution, nn.BatchNorm2d]] = Counter()

    def record(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        runs[module] += 1
        if isinstance(module, Convolution):
            outputs[id(output)] = (module, output)
        elif isinstance(module, nn.BatchNorm2d) and id(inputs[0]) in outputs:
            meetings[outputs[id(inputs[0])][0], module] += 1

    observe(model, record, channels, nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)
    partners = Counter(conv for conv, _ in meetings)
    return [
        (conv, norm)
        for (conv, norm), count in meetings.items()
        if runs[conv] == runs[norm] == count and partners[conv] == 1
    ]
