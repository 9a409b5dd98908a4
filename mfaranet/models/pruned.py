"""MFARANet-Pruned (the paper's Table IX): one scale's score as the output, and nothing that it does not need.

The official code replaces the fused score by that of scale 2 and still computes all the rest.
"""

import copy
from dataclasses import replace
from typing import TypeVar

from torch import fx, nn

from mfaranet.errors import InputError
from mfaranet.models.layers import Upsampling, Warp
from mfaranet.models.mfaranet import SCALES, MFARANet, WarpGrid


class MFARANetPruned(fx.GraphModule):
    """What prune leaves of a network."""

    facts = replace(
        MFARANet.facts,
        title="MFARANet-Pruned",
        deviation="That code gives out the score of scale 2 and still computes all the rest, which is left out here.",
    )


Graph = TypeVar("Graph", bound=fx.GraphModule)


class _Tracer(fx.Tracer):
    def is_leaf_module(self, module: nn.Module, qualified_name: str) -> bool:
        if isinstance(module, nn.Identity):
            return False  # one stands for an absent MFAM and hands on a list, which a leaf cannot
        # A grid has the size of a tensor, which tracing does not know.
        return isinstance(module, WarpGrid | Warp | Upsampling) or super().is_leaf_module(module, qualified_name)


def prune(model: MFARANet, scale: int = 2) -> MFARANetPruned:
    """A network whose output is the aligned score of one scale at input size, bit for bit that of ``model``.

    Images (N, 3, H, W) in, logits (N, num_classes, H, W) out, in evaluation and in training mode alike: there are no
    auxiliary outputs left. What remains has the names and copies of the values that it has in ``model``.

    Raises:
        InputError: the network is no MFARANet; there is no such scale; or the network fuses by concatenation and has
            no scores of its scales.
    """
    if not isinstance(model, MFARANet):
        raise InputError(f"only a MFARANet can be pruned, not a {type(model).__name__}")
    if scale not in SCALES:
        raise InputError(f"scale must be one of {', '.join(map(str, SCALES))}, not {scale}")
    pruned = MFARANetPruned(*_trace(model), class_name="MFARANetPruned")
    scores = [node for node in pruned.graph.nodes if node.target == f"score_heads.{scale - 1}"]
    if not scores:
        raise InputError("a network that concatenates its features has no scores of single scales to keep")
    (resize,) = pruned.graph.output_node().all_input_nodes
    resize.replace_input_with(resize.all_input_nodes[0], scores[0])
    return _without_unused(pruned)


def traced(model: MFARANet) -> fx.GraphModule:
    """A copy of the network in evaluation mode with what its output needs, and nothing else."""
    return _without_unused(fx.GraphModule(*_trace(model)))


def mfaranet_pruned(
    num_classes: int = 19,
    *,
    scale: int = 2,
    backbone: str = "resnet18",
    dilated: bool = True,
    decoder_norm: bool = True,
) -> MFARANetPruned:
    """MFARANet-Pruned with its default initialisation; ``scale`` is the one that is kept, the rest as in MFARANet."""
    return prune(MFARANet(num_classes, backbone=backbone, dilated=dilated, decoder_norm=decoder_norm), scale)


def _trace(model: MFARANet) -> tuple[MFARANet, fx.Graph]:
    model = copy.deepcopy(model).eval()
    return model, _Tracer().trace(model)


def _without_unused(network: Graph) -> Graph:
    network.graph.eliminate_dead_code()
    network.recompile()
    network.delete_all_unused_submodules()
    return network
