"""GPUs that no other stage of this machine holds."""

import fcntl
import os
import random
import tempfile
import time
from pathlib import Path

from mfaranet.files import try_lock

VARIABLE = "MFARANET_GPUS"
"""How many GPUs a stage is to hold; Snakemake sets it."""


def hold_gpus() -> None:
    """Wait for as many GPUs as ``VARIABLE`` says, or as there are, and hold them until this process ends.

    It is the stage itself that holds them: one that outlives the DVC that started it still has its GPU.

    Raises:
        InputError: a lock file cannot be opened, or its file system has no locks.
    """
    # Not for the processes that this one starts: they share its GPUs.
    wanted = min(int(os.environ.pop(VARIABLE, 0)), len(visible()))
    held = take(wanted)
    while len(held) < wanted:
        time.sleep(random.uniform(0.5, 1.5))  # out of step with others that want several
        held = take(wanted)
    if wanted:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)


def visible() -> list[str]:
    """The GPUs that this process may use, by CUDA's numbers; none on a machine without."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [gpu for gpu in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if gpu]
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def take(count: int) -> dict[str, int]:
    """That many GPUs, each with its locked file; none where fewer are free: who holds some must not wait for more."""
    job = os.environ.get("SLURM_JOB_ID", "")  # Slurm numbers the GPUs of each job by themselves
    locks: dict[str, int] = {}
    for gpu in visible():
        if len(locks) == count:
            return locks
        lock = try_lock(Path(tempfile.gettempdir()) / f"mfaranet-gpu-{job}-{gpu}.lock", fcntl.flock)
        if lock is not None:
            locks[gpu] = lock
    if len(locks) == count:
        return locks
    for lock in locks.values():
        os.close(lock)
    return {}
