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
from functools import reduce
from itertools import groupby, islice, tee
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mfaranet.data.conventions import MEAN
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import normalise
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
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
    """Index, prediction (on the network's device) and label, both (H, W), uint8, of some images of a split, in order.

    The next images are decoded meanwhile.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        items, decoded = tee(in_background(lambda index: (index, *dataset[index]), indices))
        predictions = predict_images(model, (image.to(device) for _, image, _ in decoded), protocol, sizes)
        for (index, _, label), prediction in zip(items, predictions, strict=True):
            yield index, prediction, label
    finally:
        model.train(was_training)


def predict(model: nn.Module, image: Tensor, protocol: Protocol, sizes: InputSizes) -> Tensor:
    """The label map of one image; see predict_images."""
    return next(predict_images(model, [image], protocol, sizes))


def predict_images(
    model: nn.Module, images: Iterable[Tensor], protocol: Protocol, sizes: InputSizes
) -> Iterator[Tensor]:
    """Label maps (H, W), uint8, of images (3, H, W), uint8, RGB, in order, by a network in evaluation mode.

    Where an image was resized, its label map is resized back by the nearest neighbour. More images may be taken than
    label maps were given: small ones share a pass.
    """
    images, sources = tee(images)
    normalised = (resized(normalise(source)[None], sizes.size.of(_size(source))) for source in sources)
    for image, scores in zip(images, score_images(model, normalised, protocol, sizes), strict=True):
        labels = scores.argmax(1, keepdim=True).to(torch.uint8)
        yield F.interpolate(labels, _size(image), mode="nearest")[0, 0]


def score_images(model: nn.Module, images: Iterable[Tensor], protocol: Protocol, sizes: InputSizes) -> Iterator[Tensor]:
    """Class scores (1, C, h, w), summed over the scales, of normalised images (1, 3, h, w), in order."""
    if not protocol.scales:
        yield from map(torch.exp, _logits(model, images))
        return
    images, sources = tee(images)
    logits = _logits(model, (crop for source in sources for crop in _crops(source, protocol, sizes)))
    for image in images:
        size = _size(image)
        scales = (_average(view, logits, protocol) for view in _views(size, protocol, sizes))
        total = resize_to(next(scales), size)
        for scores in scales:
            total += resize_to(scores, size)
        yield total


@dataclass(frozen=True)
class _View:
    """An image at one scale, padded to at least the window, and where the windows are in it."""

    size: Size
    window: Size
    stride_rate: float

    @property
    def padded(self) -> Size:
        return max(self.size[0], self.window[0]), max(self.size[1], self.window[1])

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the image is in the padded one."""
        rows, columns = ((whole - side) // 2 for whole, side in zip(self.padded, self.size, strict=True))
        return slice(rows, rows + self.size[0]), slice(columns, columns + self.size[1])

    def windows(self) -> Iterator[tuple[slice, slice]]:
        return windows(self.padded, self.window, self.stride_rate)


def _views(size: Size, protocol: Protocol, sizes: InputSizes) -> Iterator[_View]:
    """One for each scale."""
    base_size = max(size) if protocol.plain else sizes.base_size
    for scale in protocol.scales:
        yield _View(scaled(size, base_size * scale), sizes.window, protocol.stride_rate)


def windows(size: Size, window: Size, stride_rate: float) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of each window, row by row; the last of each row and column is shifted back into the image."""
    for rows in _spans(size[0], window[0], stride_rate):
        for columns in _spans(size[1], window[1], stride_rate):
            yield rows, columns


def _spans(length: int, window: int, stride_rate: float) -> list[slice]:
    stride = int(window * stride_rate)
    ends = [min(i * stride + window, length) for i in range(math.ceil((length - window) / stride) + 1)]
    return [slice(max(end - window, 0), end) for end in ends]


def _crops(image: Tensor, protocol: Protocol, sizes: InputSizes) -> Iterator[Tensor]:
    """What the network sees of an image: window by window, each followed by its mirror image if that is seen too."""
    for view in _views(_size(image), protocol, sizes):
        padded = _pad(resized(image, view.size), view, (0.0, 0.0, 0.0) if protocol.plain else MEAN)
        for rows, columns in view.windows():
            crop = padded[..., rows, columns]
            yield crop
            if protocol.flip:
                yield crop.flip(-1)


def _pad(image: Tensor, view: _View, fill: tuple[float, ...]) -> Tensor:
    """Pad with a normalised colour."""
    if view.padded == view.size:
        return image
    padded = image.new_tensor(fill).view(1, 3, 1, 1).repeat(1, 1, *view.padded)
    padded[..., *view.inner] = image
    return padded


_PIXELS_AT_ONCE = 2**18
"""Of small images several share a pass; one of the official 1024 x 1024 keeps a device busy by itself."""


def _logits(model: nn.Module, images: Iterable[Tensor]) -> Iterator[Tensor]:
    """Logits (1, C, h, w) of each image (1, 3, h, w), in order; those of one size in a row share a pass."""
    for shape, alike in groupby(images, key=lambda image: image.shape):
        at_once = max(1, _PIXELS_AT_ONCE // (shape[-2] * shape[-1]))
        while batch := list(islice(alike, at_once)):
            yield from torch.split(finite(model(torch.cat(batch))), 1)


class NonFiniteError(InputError):
    """Scores that are no numbers, of which the class of a pixel would say nothing."""


def finite(logits: Tensor, source: str = "the network") -> Tensor:
    """The logits, of any shape, of a network that is named by ``source``.

    Raises:
        NonFiniteError: one of them is no number.
    """
    # The sum takes a hundredth of a pass's time, and is no number where one of them is none.
    if not logits.sum(dtype=torch.float32).isfinite():
        raise NonFiniteError(
            f"{source}: its scores are no numbers, as weights or running statistics are too large; take the checkpoint "
            "of another epoch, or train with a lower train.base_lr"
        )
    return logits


def _average(view: _View, logits: Iterator[Tensor], protocol: Protocol) -> Tensor:
    """The scores of each pixel of an image at one scale, averaged over the windows that hold it."""
    total: Tensor | None = None
    for rows, columns in view.windows():
        scores = _window_scores(logits, protocol)
        if total is None:
            total = scores.new_zeros((1, scores.shape[1], *view.padded))
            visits = scores.new_zeros(view.padded)
        total[..., rows, columns] += scores
        visits[rows, columns] += 1
    assert total is not None
    return total.div_(visits)[..., *view.inner]


def _window_scores(logits: Iterator[Tensor], protocol: Protocol) -> Tensor:
    """Of the next window, with its mirror image if that is seen too."""
    seen = [next(logits)]
    if protocol.flip:
        seen.append(next(logits).flip(-1))
    if protocol.plain:
        seen = [each.softmax(1) for each in seen]
    mean = reduce(torch.add, seen) / len(seen)
    return mean if protocol.plain else mean.exp_()


def _size(image: Tensor) -> Size:
    return image.shape[-2], image.shape[-1]
