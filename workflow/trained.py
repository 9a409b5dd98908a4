"""A trained network as the stages evaluate and submission run it, and how their runs describe it."""

from dataclasses import dataclass
from typing import Any

from torch import nn

from mfaranet.deployment.deploy import inference_form
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes
from mfaranet.measure.machine import place
from mfaranet.schema import EvaluateSettings
from mfaranet.weights.checkpoints import load_trained
from workflow.common import Paths, read_json
from workflow.planned import Planned


@dataclass(frozen=True)
class Trained:
    """A network on the device that it is run on, in its inference form, and the sizes of its images."""

    model: nn.Module
    sizes: InputSizes
    facts: dict[str, Any]
    """For run.json: the network, where and how it computes, what size it sees by each protocol, its training."""

    @classmethod
    def load(cls, planned: Planned, paths: Paths, chosen: EvaluateSettings) -> "Trained":
        """The checkpoint that the settings choose.

        Raises:
            InputError: there is none, it cannot be read, or the device is not there.
        """
        model, facts = load_trained(paths.checkpoints / f"{chosen.checkpoint}.safetensors")
        ran = place(model, chosen.device, chosen.tf32)
        sizes = InputSizes(chosen.input_size, chosen.window_size, chosen.base_size)
        described = {
            **ran,
            "network": planned.settings["network"],
            "input_sizes": {name: PROTOCOLS[name].sees(sizes.size.shown, sizes.window) for name in chosen.protocols},
            "checkpoint": {"name": chosen.checkpoint, "epoch": facts["epoch"]},
            "weights": facts["weights"],
            "training": read_json(paths.checkpoints / "run.json"),
        }
        return cls(inference_form(model), sizes, described)
