"""RAM's flow and sampling for inference: fewer operations, and places that all branches of a level share."""

import operator
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from mfaranet.models.layers import Warp, flow_positions, resize_like
from mfaranet.models.mfaranet import WarpGrid


class Places(NamedTuple):
    """Where each pixel of a warped feature comes from: four pixels of the feature and their shares."""

    pixels: Tensor
    """(N * h * w, 4), int32: rows of the table of all pixels of the batch."""
    shares: Tensor
    """(N * h * w, 4): bilinear, 0 outside the feature."""
    size: tuple[int, int]
    """h, w."""


class DeployedWarpGrid(nn.Module):
    """WarpGrid with its convolutions in one: what it makes is linear in the features.

    A 3x3 convolution is nine 1x1 convolutions whose results are shifted and added. So both features go through a 1x1
    convolution to 2 * 9 channels (where WarpGrid has two to C / 2, and the 3x3 one), the coarser one before it is
    resized; what is left of the 3x3 convolution adds the nine up.
    """

    def __init__(self, grid: WarpGrid, align_corners: bool) -> None:
        super().__init__()
        self.align_corners = align_corners
        half = grid.reduce_low.out_channels
        weight = grid.flow.weight.detach()
        self.low = _taps(weight[:, :half], grid.reduce_low)
        self.high = _taps(weight[:, half:], grid.reduce_high)
        self.shift_and_add = nn.Conv2d(18, 2, 3, padding=1, bias=False).to(weight)
        self.shift_and_add.weight.data.copy_(torch.eye(18).view(2, 9, 18).transpose(1, 2).reshape(2, 18, 3, 3))

    def forward(self, low: Tensor, high: Tensor) -> Tensor | Places:
        """As WarpGrid, for sampling features of the size of ``high``: a grid, or its places for embedding_bag."""
        flow: Tensor = self.shift_and_add(self.low(low) + resize_like(self.high(high), low))
        flow = flow.to(torch.promote_types(flow.dtype, torch.float32))
        x, y = flow_positions(flow, flow.dtype)
        if not _by_bags(high):
            return torch.stack([x, y], dim=-1)
        rows, columns = high.shape[-2:]
        return _places(self._pixels(x, columns), self._pixels(y, rows), (rows, columns))

    def _pixels(self, positions: Tensor, length: int) -> Tensor:
        """Positions -1..1 in pixels of a side of this length."""
        return (positions + 1) * ((length - 1) / 2) if self.align_corners else (positions + 1) * (length / 2) - 0.5


class DeployedWarp(nn.Module):
    """Warp by a grid or, several times faster where pixels are stored one after the other, by Places."""

    def __init__(self, warp: Warp) -> None:
        super().__init__()
        self.by_grid = warp

    def forward(self, feature: Tensor, grid: Tensor | Places) -> Tensor:
        if isinstance(grid, Tensor):
            return cast(Tensor, self.by_grid(feature, grid))
        count, channels = feature.shape[:2]
        table = feature.permute(0, 2, 3, 1).reshape(-1, channels)
        warped = F.embedding_bag(grid.pixels, table, mode="sum", per_sample_weights=grid.shares)
        return warped.view(count, *grid.size, channels).permute(0, 3, 1, 2)


def warp_by_places(network: fx.GraphModule) -> None:
    """Give a traced network the forms above in place of its Warp and WarpGrid."""
    for name, module in list(network.named_modules()):
        if isinstance(module, Warp):
            network.set_submodule(name, DeployedWarp(module))
            for other, grid in list(network.named_modules()):
                if isinstance(grid, WarpGrid):
                    network.set_submodule(other, DeployedWarpGrid(grid, module.align_corners))


def score_before_warping(network: fx.GraphModule) -> None:
    """Where a 1x1 convolution alone takes a warped feature, warp its scores instead: fewer channels, a coarser scale.

    Sampling is linear in space and the convolution in channels. Its bias comes last: outside of a feature are zeros.
    """
    graph = network.graph
    for node in list(graph.nodes):
        conv = network.get_submodule(node.target) if node.op == "call_module" else None
        if not isinstance(conv, nn.Conv2d) or conv.kernel_size != (1, 1):
            continue
        last = before = node.all_input_nodes[0]
        while _warps(network, before) and len(before.users) == 1:
            first, before = before, before.all_input_nodes[0]
        if before is last:
            continue
        bias = cast(Tensor, conv.bias).detach()[:, None, None]
        conv.bias = None
        name = f"{node.name}_bias"
        network.register_buffer(name, bias)
        with graph.inserting_before(node):
            biased = graph.call_function(operator.add, (last, graph.get_attr(name)))
        node.replace_all_uses_with(biased)
        node.args = (before,)
        first.prepend(node)
        first.replace_input_with(before, node)
    network.recompile()


def _warps(network: fx.GraphModule, node: fx.Node) -> bool:
    return node.op == "call_module" and isinstance(network.get_submodule(str(node.target)), Warp)


def _by_bags(feature: Tensor) -> bool:
    """Elsewhere grid_sample is as fast, or it is what other programs know."""
    return feature.device.type == "cpu" and feature.dtype == torch.float32 and not torch.compiler.is_compiling()


def _taps(weight: Tensor, reduce: nn.Conv2d) -> nn.Conv2d:
    """The 1x1 convolution to the summands of each of the 9 places of a 3x3 one, (2, c, 3, 3), after ``reduce``."""
    conv = nn.Conv2d(reduce.in_channels, 18, 1, bias=False).to(weight)
    product = torch.einsum("ocyx,cd->oyxd", weight, reduce.weight.detach()[..., 0, 0])
    conv.weight.data.copy_(product.reshape(18, -1, 1, 1))
    return conv


def _places(x: Tensor, y: Tensor, size: tuple[int, int]) -> Places:
    """Of pixel coordinates (N, h, w) in features of a size."""
    rows, columns = size
    left, top = x.floor(), y.floor()
    right_share, bottom_share = x - left, y - top
    first = torch.arange(len(x), dtype=torch.int32, device=x.device)[:, None, None] * (rows * columns)
    pixels, shares = x.new_empty((*x.shape, 4), dtype=torch.int32), x.new_empty((*x.shape, 4))
    for i, (row, row_share) in enumerate(((top, 1 - bottom_share), (top + 1, bottom_share))):
        within_rows = (row >= 0) & (row < rows)
        start = first + row.clamp(0, rows - 1).int() * columns
        for j, (column, column_share) in enumerate(((left, 1 - right_share), (left + 1, right_share))):
            within = within_rows & (column >= 0) & (column < columns)
            pixels[..., 2 * i + j] = start + column.clamp(0, columns - 1).int()
            shares[..., 2 * i + j] = row_share * column_share * within
    return Places(pixels.view(-1, 4), shares.view(-1, 4), (x.shape[-2], x.shape[-1]))
