"""From one image to one label map, by a named protocol.

The protocols have the official evaluation's arithmetic and its quirks: scores are exp(logits), not softmax, and are
averaged over the windows that see a pixel, while a flip averages logits (float32 overflows for logits above 88); an
image smaller than the window is padded with the mean colour before normalisation, where a mean pixel would be 0;
scales are of ``base_size``, so that an image made small is enlarged again. The ``plain`` protocols do what one would
expect: probabilities, averaged throughout, mean pixels, scales of the input image.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.data.conventions import MEAN
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import normalise
from mfaranet.models.layers import resize_to, resized
from mfaranet.schema import ProtocolName, Size
from mfaranet.sizes import InputSize, scaled


@dataclass(frozen=True)
class Protocol:
    """How the network sees an image: in sliding windows at some scales or, without scales, whole in one pass."""

    scales: tuple[float, ...] = ()
    flip: bool = False
    stride_rate: float = 1.0
    plain: bool = False

    def sees(self, size: Size | str, window: Size) -> Size | str:
        """What the network sees in one pass: a window, or images of a size as InputSize shows it."""
        return window if self.scales else size


@dataclass(frozen=True)
class InputSizes:
    """In pixels."""

    size: InputSize
    """What an image is resized to first."""
    window: Size
    """Height and width of a sliding window."""
    base_size: int
    """The longer side of the image at scale 1 of a sliding protocol."""


def _protocol(name: ProtocolName) -> Protocol:
    """What a protocol's name says."""
    scaled = {
        "full": Protocol(),
        "single": Protocol(scales=(1.0,)),
        "multi": Protocol(scales=(0.5, 0.75, 1.0, 1.25, 1.5, 1.75), stride_rate=2 / 3),
    }
    extent, _, *parts = name.split("_")
    return replace(scaled[extent], flip="flip" in parts, plain="plain" in parts)


PROTOCOLS: dict[str, Protocol] = {name: _protocol(name) for name in get_args(ProtocolName)}


@torch.inference_mode()
def predict_split(
    model: nn.Module, dataset: SegmentationDataset, protocol: Protocol, sizes: InputSizes, indices: Iterable[int]
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Index, prediction and label (both (H, W), uint8, on the network's device) of some images of a split."""
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    for index in indices:
        image, label = dataset[index]
        yield index, predict(model, image.to(device), protocol, sizes), label.to(device)
    model.train(was_training)


def predict(model: nn.Module, image: Tensor, protocol: Protocol, sizes: InputSizes) -> Tensor:
    """Label map (H, W), uint8, of one image (3, H, W), uint8, RGB, by a network in evaluation mode.

    Where the image was resized, the label map is resized back by the nearest neighbour.
    """
    size = (image.shape[-2], image.shape[-1])
    scores = predict_scores(model, resized(normalise(image)[None], sizes.size.of(size)), protocol, sizes)
    labels = scores.argmax(1, keepdim=True).to(torch.uint8)
    return F.interpolate(labels, size, mode="nearest")[0, 0]


def predict_scores(model: nn.Module, image: Tensor, protocol: Protocol, sizes: InputSizes) -> Tensor:
    """Class scores (1, C, h, w) of a normalised image (1, 3, h, w), summed over the scales."""
    if not protocol.scales:
        return torch.exp(model(image))
    size = (image.shape[-2], image.shape[-1])
    base_size = max(size) if protocol.plain else sizes.base_size
    per_scale = []
    for scale in protocol.scales:
        enlarged = resized(image, scaled(size, base_size * scale))
        per_scale.append(resize_to(_window_scores(model, enlarged, protocol, sizes.window), size))
    return torch.stack(per_scale).sum(0)


def windows(size: Size, window: Size, stride_rate: float) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each window, row by row; the last of each row and column is shifted back into the image."""
    for rows in _spans(size[0], window[0], stride_rate):
        for columns in _spans(size[1], window[1], stride_rate):
            yield rows, columns


def _spans(length: int, window: int, stride_rate: float) -> list[slice]:
    stride = int(window * stride_rate)
    ends = [min(i * stride + window, length) for i in range(math.ceil((length - window) / stride) + 1)]
    return [slice(max(end - window, 0), end) for end in ends]


def _window_scores(model: nn.Module, image: Tensor, protocol: Protocol, window: Size) -> Tensor:
    """The scores of each pixel, averaged over the windows that hold it."""
    image, inner = _pad(image, window, (0.0, 0.0, 0.0) if protocol.plain else MEAN)
    places = list(windows((image.shape[-2], image.shape[-1]), window, protocol.stride_rate))
    at_once = max(1, _PIXELS_AT_ONCE // (window[0] * window[1]))
    total: Tensor | None = None
    visits = image.new_zeros(image.shape[-2:])
    for start in range(0, len(places), at_once):
        chosen = places[start : start + at_once]
        crops = torch.cat([image[..., rows, columns] for rows, columns in chosen])
        for (rows, columns), scores in zip(chosen, _crop_scores(model, crops, protocol), strict=True):
            if total is None:
                total = image.new_zeros((1, scores.shape[0], *image.shape[-2:]))
            total[..., rows, columns] += scores
            visits[rows, columns] += 1
    assert total is not None
    return (total / visits)[..., inner[0], inner[1]]


def _crop_scores(model: nn.Module, crops: Tensor, protocol: Protocol) -> Tensor:
    logits = [model(crops)]
    if protocol.flip:
        logits.append(model(crops.flip(-1)).flip(-1))
    if protocol.plain:
        return torch.stack(logits).softmax(2).mean(0)
    return torch.stack(logits).mean(0).exp()


_PIXELS_AT_ONCE = 2**18
"""Of small windows several share a pass; one of the official 1024 x 1024 keeps a device busy by itself."""


def _pad(image: Tensor, window: Size, fill: tuple[float, ...]) -> tuple[Tensor, tuple[slice, slice]]:
    """Pad to at least the window with a normalised colour, and say where the image is."""
    height, width = image.shape[-2:]
    rows, columns = max(0, window[0] - height), max(0, window[1] - width)
    inner = (slice(rows // 2, rows // 2 + height), slice(columns // 2, columns // 2 + width))
    if not rows and not columns:
        return image, inner
    padded = image.new_tensor(fill).view(1, 3, 1, 1).repeat(len(image), 1, height + rows, width + columns)
    padded[..., inner[0], inner[1]] = image
    return padded, inner
