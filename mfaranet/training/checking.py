"""Whether networks can be built, and trained with their losses, before anything else is done."""

from collections.abc import Mapping
from typing import Any

from mfaranet.errors import InputError
from mfaranet.models import check_options
from mfaranet.schema import LossSettings
from mfaranet.training.losses import Loss


def check_networks(experiments: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the name and the options of every experiment's network, and that it has what its losses need.

    Args:
        experiments: of each its ``network`` and its ``losses`` (see Params.networks).

    Raises:
        InputError: one is unknown, has an impossible value, or has not.
    """
    for experiment, each in experiments.items():
        name, options = each["network"]["name"], each["network"]["options"]
        check_options(name, options, where=f"params.yaml: experiments.{experiment}.network")
        if name == "mfaranet_pruned":
            continue  # is never trained
        ours = name == "mfaranet"
        for loss in each["losses"]:
            try:
                Loss(LossSettings(**loss)).check(scores=ours, boundaries=ours and options.get("boundary_heads", True))
            except InputError as error:
                raise InputError(f"params.yaml: experiments.{experiment}: {error}") from None
