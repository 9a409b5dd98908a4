"""A network ready for use: photographs in, logits or label maps out, as fast as it goes with the same result."""

import torch
from torch import Tensor, nn

from mfaranet.data.transforms import normalise
from mfaranet.deployment.folding import fold_batch_norm


class Deployed(nn.Module):
    """What deploy makes of a network.

    Images (N, 3, H, W), uint8, RGB, give logits (N, num_classes, H, W), or with ``labels`` label maps (N, H, W), uint8.
    """

    def __init__(self, network: nn.Module, labels: bool) -> None:
        super().__init__()
        self.network = network
        self.labels = labels

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.network(normalise(images).contiguous(memory_format=torch.channels_last))
        return logits.argmax(1).to(torch.uint8) if self.labels else logits


def deploy(model: nn.Module, *, labels: bool = False) -> Deployed:
    """A copy of a network for inference alone; ``model`` stays as it is.

    Its logits are those of ``model`` on normalised images up to rounding.
    """
    folded = fold_batch_norm(model).requires_grad_(False)
    return Deployed(folded.to(memory_format=torch.channels_last), labels).eval()
