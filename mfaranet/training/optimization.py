"""The optimiser of a training and the schedule of its learning rate: PyTorch's own, chosen by params.yaml."""

import math
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, PolynomialLR, SequentialLR, StepLR

from mfaranet.schema import OptimizationSettings

WARMUP_START = 1e-3
"""The first rate of a warm-up, as a share of the full one."""


def make_optimizer(model: nn.Module, settings: OptimizationSettings) -> Optimizer:
    """SGD or Adam with weight decay on everything; what is not the backbone learns ``decoder_lr_factor`` times faster.

    A network without a backbone, which nobody trained before, learns at ``base_lr``.
    """
    backbone = [p for name, p in model.named_parameters() if name.startswith("backbone.")]
    decoder = [p for name, p in model.named_parameters() if not name.startswith("backbone.")]
    lr, decay = settings.base_lr, settings.weight_decay
    groups: list[dict[str, Any]] = [{"params": backbone}, {"params": decoder, "lr": lr * settings.decoder_lr_factor}]
    parameters = groups if backbone else model.parameters()
    # Fused: a pass over the parameters instead of one for each part of the update.
    if settings.optimizer == "adam":
        return Adam(parameters, lr, betas=(settings.momentum, 0.999), weight_decay=decay, fused=True)
    return SGD(parameters, lr, settings.momentum, weight_decay=decay, fused=True)


def make_schedule(optimizer: Optimizer, settings: OptimizationSettings, iterations: int) -> LRScheduler:
    """The schedule of a training of so many iterations, stepped after each.

    A warm-up, linear from WARMUP_START of the rate, takes the first ``warmup`` of them. In iteration i, from 0, of the
    n after it the rate is the initial one times

    - poly: (1 - i / n) ** poly_power
    - cosine: (1 + cos(pi * i / n)) / 2
    - step: step_factor ** (i // ceil(n / step_parts))
    """
    warmup = int(settings.warmup * iterations)
    schedule = _after_warmup(optimizer, settings, iterations - warmup)
    if not warmup:
        return schedule
    return SequentialLR(optimizer, [LinearLR(optimizer, WARMUP_START, total_iters=warmup), schedule], [warmup])


def _after_warmup(optimizer: Optimizer, settings: OptimizationSettings, iterations: int) -> LRScheduler:
    if settings.schedule == "cosine":
        return CosineAnnealingLR(optimizer, iterations)
    if settings.schedule == "step":
        return StepLR(optimizer, math.ceil(iterations / settings.step_parts), settings.step_factor)
    return PolynomialLR(optimizer, iterations, settings.poly_power)
