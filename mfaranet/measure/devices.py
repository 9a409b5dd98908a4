"""The device of a command line, or of a call in Python."""

import torch

from mfaranet.errors import InputError
from mfaranet.measure.machine import choose_device


def take_device(wanted: str) -> torch.device:
    """As choose_device, for what params.yaml does not say.

    Raises:
        InputError: the device is not there.
    """
    try:
        return choose_device(wanted, "device")
    except InputError:
        raise InputError(f"torch finds no {wanted} device here; auto takes what is there") from None
    except KeyError:
        raise InputError(f"there is no device {wanted!r}; take auto, cpu, cuda or mps") from None
