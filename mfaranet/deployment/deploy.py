"""A network ready for use: photographs in, logits or label maps out, as fast as it goes with the same result."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, fx, nn

from mfaranet.data.conventions import MEAN, STD
from mfaranet.deployment.folding import fold_batch_norm, observe
from mfaranet.deployment.label_maps import LabelMaps
from mfaranet.deployment.pooling import pool_separately
from mfaranet.deployment.warping import score_before_warping, warp_by_places
from mfaranet.errors import InputError
from mfaranet.measure.machine import keep_memory
from mfaranet.models.convolution import is_winograd, quick_convolutions, winograd_is_quick
from mfaranet.models.layers import Upsampling
from mfaranet.models.mfaranet import MFARANet
from mfaranet.models.pruned import traced
from mfaranet.sizes import Size

Form = TypeVar("Form", bound="InferenceForm")


class InferenceForm(nn.Module):
    """What inference_form makes of a network: normalised images (N, 3, H, W) to logits (N, num_classes, H, W)."""

    def __init__(self, network: nn.Module, *, winograd: bool) -> None:
        super().__init__()
        self.network = network
        self.winograd = winograd

    @property
    def memory_format(self) -> torch.memory_format:
        """Of weights and features: Winograd's kernels want planes, others are quicker with pixels in a row."""
        return torch.contiguous_format if self.winograd else torch.channels_last

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=self.memory_format)
        with quick_convolutions(images):
            logits: Tensor = self.network(images)
        return logits


class Deployed(InferenceForm):
    """What deploy makes of a network.

    Images (N, 3, H, W), uint8, RGB, give logits (N, num_classes, H, W), or label maps (N, H, W), uint8.
    """

    mean: Tensor
    deviation: Tensor | None

    def __init__(self, network: nn.Module, *, labels: bool, deviation_folded: bool, winograd: bool) -> None:
        super().__init__(network, winograd=winograd)
        self.labels = labels
        self.register_buffer("mean", _per_channel(MEAN))
        self.register_buffer("deviation", None if deviation_folded else _per_channel(STD))

    def forward(self, images: Tensor) -> Tensor:
        # The mean cannot be a bias of the first convolution: what that pads an image with has the mean colour.
        images = images.contiguous(memory_format=self.memory_format) - self.mean
        if self.deviation is not None:
            images = images / self.deviation
        scores = super().forward(images)
        if not self.labels:
            return scores
        return scores[:, 0] if scores.dtype == torch.uint8 else scores.argmax(1).to(torch.uint8)


def inference_form(model: nn.Module) -> InferenceForm:
    """A copy of a network as deploy makes it, of normalised images, as the protocols of an evaluation resize them.

    Up to rounding, its logits are those of ``model`` in evaluation mode; device and precision are the same.

    Raises:
        InputError: the network takes images of another number of channels.
    """
    network = _for_inference(model)
    return _finished(InferenceForm(network, winograd=_by_winograd(network, model)), model)


def deploy(model: nn.Module, size: Size | None = None, *, labels: bool = False) -> Deployed:
    """A copy of a network for inference alone, on the device of ``model``, which stays as it is.

    Up to rounding, its logits are those of ``model`` on normalised images. Normalisation is part of the convolutions,
    that of the image too where these alone see it; what only training needs is gone; MFARANet's flow and sampling have
    the form of ``warping``. On a CPU a network that consists of 3x3 convolutions for the most part has them by
    Winograd's algorithm, where that is quick (see models.convolution); others store channels pixel by pixel
    (channels_last), as on a GPU.
    What does not apply to a network is left out. The process keeps the memory that it frees, for the next pass (see
    measure.machine.keep_memory).

    Args:
        model: a network of images of three channels.
        size: height and width of the images to come, for which a first pass is made now: the next is as fast as any.
        labels: give label maps, made without logits of the image's size.

    Raises:
        InputError: the network takes images of another number of channels.
    """
    network = _for_inference(model)
    deviation_folded = _fold_deviation(network)
    last = getattr(network, "final_upsampling", None)
    if labels and isinstance(last, Upsampling):
        network.final_upsampling = LabelMaps(last)
    winograd = _by_winograd(network, model)
    deployed = Deployed(network, labels=labels, deviation_folded=deviation_folded, winograd=winograd)
    deployed = _finished(deployed, model)
    if size:
        with torch.inference_mode():
            deployed(torch.zeros(1, 3, *size, dtype=torch.uint8, device=deployed.mean.device))
    return deployed


def _for_inference(model: nn.Module) -> nn.Module:
    """A copy without normalisation and what only training needs, on the CPU and in double precision, to go on with."""
    network = copy.deepcopy(model).eval().cpu().double()
    try:
        network = fold_batch_norm(_needed(network)).requires_grad_(False)
    except RuntimeError as error:
        raise InputError(f"{type(model).__name__} cannot be deployed: it does not take RGB images ({error})") from None
    if isinstance(network, fx.GraphModule):
        score_before_warping(network)
        warp_by_places(network)
    return network


def _by_winograd(network: nn.Module, model: nn.Module) -> bool:
    like = next(model.parameters())
    return (like.device.type, like.dtype) == ("cpu", torch.float32) and _mostly_winograd(network)


def _finished(form: Form, model: nn.Module) -> Form:
    """In the memory format that it wants, on the device and in the precision of the network that it was made of."""
    like = next(model.parameters())
    keep_memory()
    if form.winograd:
        pool_separately(form.network)
    return form.eval().to(like.device, like.dtype).to(memory_format=form.memory_format)


def _needed(network: nn.Module) -> nn.Module:
    """The network without what takes no part in a pass."""
    if isinstance(network, MFARANet):
        return traced(network)
    ran: set[nn.Module] = set()
    observe(network, lambda module, *_: ran.add(module), 3, nn.Module)
    for name, module in list(network.named_children()):
        if not ran.intersection(module.modules()):
            setattr(network, name, nn.ModuleList())
    return network


def _mostly_winograd(network: nn.Module) -> bool:
    """Whether more than half of the multiplications are those of convolutions that QuickConvolutions can do so."""
    if not winograd_is_quick():
        return False
    done = {True: 0, False: 0}

    def count(conv: nn.Conv2d, _: object, features: Tensor) -> None:
        done[is_winograd(conv)] += conv.weight.numel() * features.shape[-2] * features.shape[-1]

    observe(network, count, 3, nn.Conv2d)
    return done[True] > done[False]


@torch.no_grad()
def _fold_deviation(network: nn.Module) -> bool:
    """Make the division by the image's deviation part of the convolutions that take the image, if only these do."""
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.in_channels == 3 and m.groups == 1]
    image = torch.rand(1, 3, 64, 128, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    deviation = _per_channel(STD).double()
    expected = network(image)
    for conv in convs:
        conv.weight /= deviation
    # In double precision a part of the network that saw the image otherwise would show.
    if torch.allclose(network(image * deviation), expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max())):
        return True
    for conv in convs:
        conv.weight *= deviation
    return False


def _per_channel(colour: tuple[float, ...]) -> Tensor:
    """In 0..255, (3, 1, 1)."""
    return torch.tensor([255 * value for value in colour]).view(3, 1, 1)
