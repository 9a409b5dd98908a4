"""Losses of the paper (multi-scale joint supervision), exactly as the official code computes them, and plain ones.

Logits are (N, C, H, W); labels are int64 (N, H, W) with 255 for pixels that count nowhere. An image, or a batch,
without any other pixel adds 0 to every loss and to the gradient. Nothing here waits for the device: no value is copied
to the host.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from mfaranet.data.boundaries import boundary_target
from mfaranet.data.conventions import IGNORE_INDEX
from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.models.layers import Outputs, resized
from mfaranet.schema import LossSettings


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Mean cross entropy over the pixels that are not ignored, by the weights (C,) of their classes; 0 when all are."""
    valid = labels != IGNORE_INDEX
    if weights is None:
        total = F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="sum")
        return total / valid.sum().clamp(min=1)
    weights = weights.to(logits.dtype)
    total = F.cross_entropy(logits, labels, weights, ignore_index=IGNORE_INDEX, reduction="sum")
    weight = (weights[labels.where(valid, 0)] * valid).sum()
    return total / weight.where(valid.any(), 1)


def class_weights(record: DatasetRecord, offset: float) -> Tensor:
    """The weight 1 / ln(offset + p) of each class, (C,), from its share p of the pixels of the split train.

    Ignored pixels count, as in the code that is followed for ENet. The formula is ENet's (arXiv 1606.02147), with 1.02.
    """
    pixels = torch.tensor(record.class_pixels["train"], dtype=torch.float64)
    share = pixels / (pixels.sum() + record.ignored_pixels["train"])
    return (1 / torch.log(offset + share)).float()


def pixel_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross entropy of each pixel, (N, H, W), 0 where it is ignored; logits of another size are resized first.

    Logits and labels are all that is kept for the gradient, no map of every class at the labels' size: those are made
    again, image by image.
    """
    images = zip(logits.unbind(), labels.unbind(), strict=True)
    return torch.stack([checkpoint(_of_image, *each, use_reentrant=False, preserve_rng_state=False) for each in images])


def _of_image(logits: Tensor, labels: Tensor) -> Tensor:
    # With the classes of a pixel side by side, the gradient of the resizing takes a quarter of the time on a CPU.
    logits = _at(logits[None].contiguous(memory_format=torch.channels_last), labels.shape)
    pixels = logits.permute(0, 2, 3, 1).flatten(0, 2)
    return F.cross_entropy(pixels, labels.flatten(), ignore_index=IGNORE_INDEX, reduction="none").view_as(labels)


def hard_mean(losses: Tensor, labels: Tensor, threshold: float, min_kept: int) -> Tensor:
    """OHEM: the mean of the ``pixel_cross_entropy`` (N, H, W) of the hard pixels of the whole batch.

    Hard is a probability of the true class up to ``threshold``, or up to the ``min_kept``-th smallest one where
    that is more; with fewer than ``min_kept`` valid pixels all of them count.
    """
    valid = labels != IGNORE_INDEX
    # An ignored pixel has loss 0, so probability 1: it is never among the hard ones.
    probability = torch.exp(-losses.detach())
    rank = min(min_kept, probability.numel())
    # kthvalue would say the same, in a single block of the GPU.
    limit = probability.flatten().topk(rank, largest=False, sorted=False).values.max().clamp(min=threshold)
    all_count = valid.sum() < min_kept
    kept = valid & (all_count | (probability <= limit))
    return (losses * kept).sum() / kept.sum().clamp(min=1)


def image_balanced_mean(losses: Tensor, labels: Tensor) -> Tensor:
    """Means of each image's ``pixel_cross_entropy`` (N, H, W), with class weights from its label, and their sum.

    A class with a share s of an image's valid pixels weighs 2 - s there. An image without valid pixels adds 0,
    where the official code adds 0/0; the gradients are the same.
    """
    pixels = labels.flatten(1)
    # Not bincount: on a GPU that waits for its largest value.
    counts = torch.zeros(len(labels), IGNORE_INDEX + 1, device=labels.device)
    counts = counts.scatter_add(1, pixels, torch.ones_like(pixels, dtype=counts.dtype))[:, :IGNORE_INDEX]
    # float32 and this order of operations, so that the weights are the official ones to the last bit.
    share = counts / counts.sum(dim=1, keepdim=True).clamp(min=1)
    class_weights = F.pad((1 - share) + 1, (0, 1), value=0)
    weights = class_weights.gather(1, pixels).view_as(losses).to(losses.dtype)
    total = weights.sum(dim=(1, 2))
    return ((weights * losses).sum(dim=(1, 2)) / total.clamp(min=1)).sum()


def attention_to_edges(losses: Tensor, labels: Tensor, boundary_logits: Tensor, threshold: float) -> Tensor:
    """image_balanced_mean over the pixels whose predicted boundary logit (N, 1, H, W) is above the threshold.

    The threshold is on the raw logit, as in the official code. The boundary head gets no gradient from it.
    """
    on_edge = boundary_logits.squeeze(1) > threshold
    return image_balanced_mean(losses, labels.where(on_edge, IGNORE_INDEX))


def boundary_cross_entropy(logits: Tensor, target: Tensor, labels: Tensor) -> Tensor:
    """Binary cross entropy of boundary logits and target (N, 1, H, W), bool, balanced over the whole batch.

    A boundary pixel weighs the share of the others, and the other way round; the mean is over all pixels, ignored ones
    too, of the images whose labels (N, H, W) have a pixel that is not.
    """
    labelled = (labels != IGNORE_INDEX).flatten(1).any(1)
    # Exactly 1 where all are. An image without a label has no boundary, so the means over all images have its zeros.
    correction = len(labelled) / labelled.sum().clamp(min=1)
    share = target.mean(dtype=torch.float32) * correction
    weights = torch.where(target, 1 - share, share) * labelled.view(-1, 1, 1, 1)
    return F.binary_cross_entropy_with_logits(logits, target.float(), weights) * correction


@dataclass(frozen=True)
class Loss:
    """The training loss: one on the output plus one on the score of every scale.

    On the scores of the paper's network it is a joint loss, ``segmentation + boundary_weight * boundary +
    attention_weight * attention``, with OHEM (``joint_edge_ohem``, the paper's) or image-balanced cross entropy
    (``joint_edge``) as its first term, and cross entropy on the output. ``cross_entropy`` and ``ohem`` have that alone,
    on the output and on every scale that a network has, if any. The numbers' meaning: see the functions above; the
    paper's are in params.yaml. The losses on the scales together weigh ``scales_weight``; 0 leaves the supervision of
    the output alone. Auxiliary heads, where a network has some, have the output's loss and weigh ``auxiliary_weight``.
    """

    settings: LossSettings
    class_weights: Tensor | None = None
    """Of cross entropy, (C,), on the device of the logits."""

    def check(self, *, scores: bool, boundaries: bool) -> None:
        """Refuse a network without the outputs that the loss is made of.

        Raises:
            InputError: it has no scores of its scales, or no boundary logits of them, and the loss needs them.
        """
        if not self.settings.joint or not self.settings.scales_weight:
            return
        if not scores:
            raise InputError(
                f"train.loss.name: {self.settings.name} is of the scores of several scales, which this network has "
                "not; take cross_entropy or ohem"
            )
        if not boundaries and (self.settings.boundary_weight or self.settings.attention_weight):
            raise InputError(
                "train.loss.boundary_weight, train.loss.attention_weight: this network has no boundary heads, "
                "so both must be 0"
            )

    def __call__(self, outputs: Outputs, labels: Tensor, boundaries: Tensor | None = None) -> dict[str, Tensor]:
        """Outputs of a network in training mode and labels (N, H, W) in; ``total`` and its unweighted terms out.

        A term is the sum over the scales. Maps smaller than the label are resized to it first. ``boundaries`` is the
        boundary_target of the labels, where it is made already.

        Raises:
            InputError: see ``check``.
        """
        self.check(scores=bool(outputs.get("scores")), boundaries=bool(outputs.get("boundaries")))
        terms = {}
        joint = bool(outputs.get("scores")) and self.settings.scales_weight > 0
        if not (joint and outputs.get("out_is_score", False)):
            terms["output"] = self._plain(outputs["out"], labels)
        auxiliary = [self._plain(logits, labels) for logits in outputs.get("auxiliary", [])]
        if auxiliary:
            terms["auxiliary"] = torch.stack(auxiliary).sum()
        if joint:
            terms |= self._joint_terms(outputs, labels, boundaries)
        weights = {
            "auxiliary": self.settings.auxiliary_weight,
            "scales": self.settings.scales_weight,
            "boundary": self.settings.scales_weight * self.settings.boundary_weight,
            "attention": self.settings.scales_weight * self.settings.attention_weight,
        }
        total = torch.stack([weights.get(term, 1.0) * value for term, value in terms.items()]).sum()
        return {"total": total, **terms}

    def _joint_terms(self, outputs: Outputs, labels: Tensor, target: Tensor | None) -> dict[str, Tensor]:
        if not self.settings.joint:
            return {"scales": torch.stack([self._plain(score, labels) for score in outputs["scores"]]).sum()}
        losses = [pixel_cross_entropy(score, labels) for score in outputs["scores"]]
        mean = self._hard_mean if self.settings.name == "joint_edge_ohem" else image_balanced_mean
        terms = {"scales": torch.stack([mean(each, labels) for each in losses]).sum()}
        if outputs.get("boundaries"):
            target = boundary_target(labels) if target is None else target
            edges = [_at(boundary, labels.shape[-2:]) for boundary in outputs["boundaries"]]
            terms["boundary"] = torch.stack([boundary_cross_entropy(edge, target, labels) for edge in edges]).sum()
            attention = [
                attention_to_edges(each, labels, edge, self.settings.attention_threshold)
                for each, edge in zip(losses, edges, strict=True)
            ]
            terms["attention"] = torch.stack(attention).sum()
        return terms

    def _plain(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.settings.name == "ohem":
            return self._hard_mean(pixel_cross_entropy(logits, labels), labels)
        return cross_entropy(_at(logits, labels.shape[-2:]), labels, self.class_weights)

    def _hard_mean(self, losses: Tensor, labels: Tensor) -> Tensor:
        least = self.settings.ohem_min_kept
        # A share is of all pixels: to count those with a label would wait for the device.
        pixels = least if isinstance(least, int) else math.ceil(least * labels.numel())
        return hard_mean(losses, labels, self.settings.ohem_threshold, pixels)


def _at(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps at the label's size, and in single precision at least: in half, a sum over an image overflows."""
    return resized(maps.to(torch.promote_types(maps.dtype, torch.float32)), (size[0], size[1]), align_corners=True)
