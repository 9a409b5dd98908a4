"""The forms in which a network is timed."""

import torch
from torch import nn

from mfaranet.deployment.deploy import Deployed, deploy
from mfaranet.deployment.folding import fold_batch_norm
from mfaranet.schema import Form


def in_form(model: nn.Module, form: Form) -> nn.Module:
    """A network as it is, or made from it; only ``unfolded`` is the network itself.

    ``compiled`` and ``cuda_graph`` are the deployed network by torch.compile, the latter with CUDA graphs, which save a
    GPU the waiting for Python. They are compiled in their first pass at a size.
    """
    if form == "unfolded":
        return model
    if form == "folded":
        return fold_batch_norm(model)
    deployed = deploy(model)
    if form == "deployed":
        return deployed
    compiled = torch.compile(deployed, mode="reduce-overhead" if form == "cuda_graph" else "default")
    assert isinstance(compiled, nn.Module)
    return compiled


def is_deployed(network: nn.Module) -> bool:
    """Whether it takes photographs as bytes and has a memory layout of its own, compiled or not."""
    return any(isinstance(module, Deployed) for module in network.modules())


def is_compiled(network: nn.Module) -> bool:
    """Whether torch.compile made it, whose class takes seconds to import."""
    return hasattr(network, "_orig_mod")
