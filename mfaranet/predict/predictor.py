"""A trained network with all that it takes to use it: images in, label maps out."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image, ImageOps
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn

from mfaranet.data.transforms import normalise
from mfaranet.deployment.deploy import InferenceForm, inference_form
from mfaranet.errors import InputError
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, NonFiniteError, score_images
from mfaranet.measure.devices import take_device
from mfaranet.models.layers import resize_to, resized
from mfaranet.runs import checkpoint_of
from mfaranet.schema import Colour, Factors, Size, SizeOrLonger, TrainSettings
from mfaranet.sizes import InputSize, times
from mfaranet.weights.checkpoints import load_trained

Picture = Image.Image | NDArray[np.uint8] | Tensor
"""A PIL image, an array (H, W, 3), uint8, RGB, or a tensor (3, H, W), uint8, RGB."""


class _Seen(BaseModel):
    size: SizeOrLonger
    factors: Factors = (1.0, 1.0)


class Description(BaseModel):
    """What a checkpoint says of its network's input and output."""

    classes: list[str] = []
    colours: list[Colour] = []
    """Of the classes, for display; none where the file has none."""
    input_size: _Seen | None = None
    """As mfaranet.sizes.InputSize; None for images of any size."""


class Predictor:
    """A trained network on its device, and how images come to it and label maps from it (see ``load``)."""

    def __init__(
        self,
        network: nn.Module,
        classes: Sequence[str],
        colours: Sequence[Colour],
        *,
        input_size: InputSize | None = None,
        factors: tuple[float, float] = (1.0, 1.0),
        protocol: str = "full_image",
        window: Size | None = None,
        source: str = "the network",
    ) -> None:
        self.network = network
        """As it was trained, in evaluation mode: normalised images (N, 3, h, w) to logits (N, classes, h, w)."""
        self.classes = list(classes)
        """Their names; a class's place is its number in label maps."""
        self.colours = list(colours)
        """Of the classes, for display; none where the checkpoint has none."""
        self.input_size = input_size
        """What images are resized to; None: to their own size times ``factors``."""
        self.factors = factors
        """Of height and width, where training had images of one size and made them smaller."""
        self.protocol = protocol
        """A name of mfaranet.evaluation.inference.PROTOCOLS."""
        self.window = window
        """Height and width of a sliding window in pixels; None where the protocol has none."""
        self.source = source
        """What messages call it, as by its file."""

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.network.parameters()).device

    def transform(self, image: Picture) -> Tensor:
        """What the network sees of an image, (3, h, w), float32, on its device: resized and normalised as in training.

        Raises:
            InputError: it is no picture of one of the three kinds.
        """
        pixels = to_tensor(image).to(self.device)
        return resized(normalise(pixels)[None], self._seen(pixels))[0]

    def predict(self, image: Picture) -> Tensor:
        """The label map (H, W), uint8, on the CPU, of an image, at its size; a PIL image is turned upright by EXIF.

        Raises:
            InputError: it is no picture of one of the three kinds, or the network's scores are no numbers.
        """
        return self.label_maps([image])[0]

    @torch.no_grad()  # not inference mode, whose tensors a training could not take
    def label_maps(self, images: Sequence[Picture]) -> Tensor:
        """Label maps (N, H, W), uint8, on the CPU, of images of one size, which go through the network together.

        Raises:
            InputError: as ``predict``; or the sizes differ.
        """
        pixels = _stacked(images)
        labels = self._scores(pixels).argmax(1, keepdim=True).to(torch.uint8)
        return F.interpolate(labels, _size(pixels), mode="nearest")[:, 0].cpu()

    @torch.no_grad()  # not inference mode, whose tensors a training could not take
    def probabilities(self, images: Sequence[Picture]) -> Tensor:
        """Probabilities of the classes (N, classes, H, W), float32, on the CPU, of images of one size.

        Raises:
            InputError: as ``label_maps``.
        """
        pixels = _stacked(images)
        scores = self._scores(pixels)
        limits = torch.finfo(scores.dtype)
        scores = scores.clamp(limits.tiny, limits.max / scores.shape[1])  # exp(logits) may be 0 or infinite
        return resize_to(scores / scores.sum(1, keepdim=True), _size(pixels)).cpu()

    @cached_property
    def _form(self) -> InferenceForm:
        return inference_form(self.network)

    def _scores(self, pixels: Tensor) -> Tensor:
        """Of images (N, 3, H, W), uint8: scores (N, classes, h, w) at the size that the network sees."""
        protocol = PROTOCOLS[self.protocol]
        size = self._seen(pixels)
        sizes = InputSizes(InputSize(size), self.window or size, max(size))
        images = resized(normalise(pixels.to(self.device)), size)
        # Whole images may come several at once; windows share a pass where they are small enough.
        given = list(torch.split(images, 1)) if protocol.scales else [images]
        try:
            return torch.cat(list(score_images(self._form, given, protocol, sizes)))
        except NonFiniteError as error:
            raise NonFiniteError(str(error).replace("the network", self.source, 1)) from None

    def _seen(self, pixels: Tensor) -> Size:
        return self.input_size.of(_size(pixels)) if self.input_size else times(_size(pixels), self.factors)


def load(
    source: str | Path, *, device: str = "auto", protocol: str = "full_image", window: Size | None = None
) -> Predictor:
    """A trained network with its classes, colours and transforms, ready to predict.

    Args:
        source: a checkpoint of a training or of `mfaranet convert`, or a training's name, as sample/base.
        device: auto (CUDA where there is a GPU, else the CPU), cpu, cuda or mps.
        protocol: how the network sees an image, a name of mfaranet.evaluation.inference.PROTOCOLS.
        window: height and width in pixels of a sliding window, for a protocol that has one; by default what the
            training, which describes itself beside its checkpoint, cropped images to.

    Raises:
        InputError: there is no such checkpoint, device or protocol, or the size of its windows is not known.
    """
    path = checkpoint_of(source)
    if protocol not in PROTOCOLS:
        raise InputError(f"there is no protocol {protocol!r}; there are: {', '.join(PROTOCOLS)}")
    training = training_of(path)
    if PROTOCOLS[protocol].scales:
        window = window or (training.crop_size if training else None)
        if window is None:
            raise InputError(
                f"{protocol} takes windows, and {path} does not say of which size; give one, as --window 512x512"
            )
    elif window:
        raise InputError(f"{protocol} has no windows; take single_scale, or another protocol that has")
    chosen = take_device(device)
    model, facts = load_trained(path)
    about = described(facts, path)
    seen = about.input_size
    return Predictor(
        model.to(chosen),
        about.classes,
        about.colours,
        input_size=InputSize(seen.size, seen.factors) if seen else None,
        factors=training.input_factors if training else (1.0, 1.0),
        protocol=protocol,
        window=window,
        source=str(path),
    )


def described(facts: Mapping[str, Any], path: Path) -> Description:
    """The facts of a checkpoint, those of its training that are not needed to use it left out.

    Raises:
        InputError: they are not what a training writes.
    """
    try:
        return Description.model_validate(facts)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(map(str, fault["loc"]))
        raise InputError(
            f"{path} does not say what it holds as a training would ({key}: {fault['msg']}); take the file as it was "
            "written, or convert it again"
        ) from None


def training_of(checkpoint: Path) -> TrainSettings | None:
    """The settings of a training, from the run.json that describes it beside its checkpoint; None without one."""
    try:
        run: Any = json.loads((checkpoint.parent / "run.json").read_text(encoding="utf-8"))
        settings = run.get("training", run)["plan"]["settings"]["train"]  # of a pruned network those of the whole one
        return TrainSettings.model_validate_json(json.dumps(settings))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def to_tensor(image: Picture) -> Tensor:
    """A picture as (3, H, W), uint8, RGB: a PIL image upright by its EXIF, what is transparent over white.

    Raises:
        InputError: it is none of the three kinds.
    """
    if isinstance(image, Image.Image):
        if image.mode[0] in "IF":
            raise InputError(f"a PIL image of the mode {image.mode} is no picture of 8 bits; convert it to RGB first")
        upright = ImageOps.exif_transpose(image)
        if upright.has_transparency_data:
            above = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
        image = np.array(upright.convert("RGB"))
    if isinstance(image, np.ndarray):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"an array (H, W, 3), uint8, is wanted, not {image.shape}, {image.dtype}")
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)
    if not isinstance(image, Tensor):
        raise InputError(f"a PIL image, an array or a tensor is wanted, not {type(image).__name__}")
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
        raise InputError(f"a tensor (3, H, W), uint8, is wanted, not {tuple(image.shape)}, {image.dtype}")
    return image


def _stacked(images: Sequence[Picture]) -> Tensor:
    pixels = [to_tensor(image) for image in images]
    if len({each.shape for each in pixels}) > 1:
        raise InputError("images of one size go through together; give those of other sizes in another call")
    return torch.stack(pixels)


def _size(pixels: Tensor) -> Size:
    return pixels.shape[-2], pixels.shape[-1]
