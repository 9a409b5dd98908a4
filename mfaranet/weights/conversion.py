"""The authors' trained networks in our form."""

from pathlib import Path

from mfaranet.datasets import cityscapes
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.models import get_model
from mfaranet.schema import NetworkSettings
from mfaranet.targets import check_targets
from mfaranet.weights.checkpoints import read_facts, save
from mfaranet.weights.official import OfficialCheckpoint, load_official_checkpoint

_SOFTWARE = "mfaranet convert"
"""Stored in what is written, so that --force knows it again."""


def convert_released(file: Path, output: Path, network: NetworkSettings, *, force: bool = False) -> OfficialCheckpoint:
    """Write a network that the authors trained on Cityscapes as a checkpoint of ours, safetensors with facts.

    Args:
        file: what load_official_checkpoint takes.
        output: the file to write.
        network: the network of ``file``, and its options.
        force: replace what an earlier call wrote there; nothing else is replaced in any case.

    Raises:
        InputError: the file cannot be read, or is not of this network; ``output`` is in the way, or cannot be written.
    """
    check_targets([output], inputs=[file], ours=_is_converted, command=_SOFTWARE, force=force)
    labels = cityscapes.label_set()
    model = get_model(network.name, len(labels.classes), **network.options)
    found = load_official_checkpoint(model, file)
    facts = {
        "network": network.name,
        "options": network.options,
        "classes": labels.classes,
        "colours": labels.colours,
        "dataset": "Cityscapes",
        "epoch": found.epoch,
        "weights": {"released": {"origin": str(file), "sha256": sha256(file)}},
        "software": _SOFTWARE,
    }
    save(model, output, facts)
    return found


def _is_converted(path: Path) -> bool:
    try:
        return read_facts(path).get("software") == _SOFTWARE
    except InputError:
        return False
