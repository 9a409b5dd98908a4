"""What released versions stored, a folder each, and how it is read again (tests/test_records.py)."""

from pathlib import Path
from typing import Any

import torch

import mfaranet
from mfaranet.training.loop import train
from mfaranet.training.resume import Resume
from mfaranet.weights.checkpoints import load_trained
from tests.tiny import FACTS, TinyNetwork, settings, write_data

FOLDER = Path(__file__).parent
FINGERPRINT = {"parameters": "a", "code": "b", "data": "c"}
NETWORK = "tiny_record"


def register() -> None:
    """Make the network known to this process, unless it is."""
    if NETWORK not in mfaranet.list_models():
        mfaranet.register_model(NETWORK, lambda num_classes: TinyNetwork(norm=True))


def run(folder: Path, states: Path, fingerprint: dict[str, str]) -> None:
    """Train for two epochs; data, checkpoints and curves go to ``folder``."""
    torch.manual_seed(0)
    resume = Resume(states, fingerprint)
    data = write_data(folder / "data")
    facts: dict[str, Any] = {**FACTS, "network": NETWORK}
    train(
        TinyNetwork(norm=True),
        settings(validate_every=1),
        data,
        output=folder / "train",
        curves=folder / "curves",
        facts=facts,
        resume=resume,
    )


def logits(checkpoint: Path) -> list[float]:
    """Some of those of a trained network, for an image without randomness."""
    model, _ = load_trained(checkpoint)
    image = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    with torch.inference_mode():
        found: list[float] = model(image).flatten()[::97].tolist()
    return found
