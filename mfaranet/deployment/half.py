"""ONNX networks in half precision, but for where they sample."""

from typing import Any

from mfaranet.deployment.sessions import library


def halve(graph: Any) -> Any:
    """A ModelProto in float16, its inputs and outputs as they were.

    Sampling grids, and what makes them of the flow, stay in float32: half precision would move the samples by up to
    half a pixel of a feature that is 1024 wide.
    """
    float16 = library("onnxruntime.transformers.float16")
    halved = float16.convert_float_to_float16(
        graph,
        keep_io_types=True,
        op_block_list=[*float16.DEFAULT_OP_BLOCK_LIST, "GridSample"],
        node_block_list=sorted(_grid_nodes(graph.graph)),
    )
    del halved.graph.value_info[:]  # it says half of what stays single
    return halved


def _grid_nodes(graph: Any) -> set[str]:
    """Names of the nodes between a convolution and the grid of a GridSample."""
    makers = {output: node for node in graph.node for output in node.output}
    names: set[str] = set()
    waiting = [node.input[1] for node in graph.node if node.op_type == "GridSample"]
    while waiting:
        node = makers.get(waiting.pop())
        if node is not None and node.op_type != "Conv" and node.name not in names:
            names.add(node.name)
            waiting.extend(node.input)
    return names
