"""Run a command on graphics cards that no other such command of this machine holds: cards.py COUNT COMMAND..."""

import fcntl
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn, TextIO


def cards() -> list[str]:
    """The cards that this process may use, by CUDA's numbers; none on a machine without."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [card for card in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if card]
    return [str(number) for number, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))]


def lock(count: int) -> dict[str, TextIO]:
    """That many cards, each with its locked file; none where fewer are free: who holds some must not wait for more."""
    job = os.environ.get("SLURM_JOB_ID", "")  # Slurm numbers the cards of each job by themselves
    locks: dict[str, TextIO] = {}
    for card in cards():
        if len(locks) == count:
            break
        file = (Path(tempfile.gettempdir()) / f"mfaranet-card-{job}-{card}.lock").open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
        else:
            locks[card] = file
    if len(locks) < count:
        for file in locks.values():
            file.close()
        return {}
    return locks


def main(count: int, command: list[str]) -> NoReturn:
    """Wait for cards and become the command; the system frees them when it ends."""
    wanted = min(count, len(cards()))
    locks = lock(wanted)
    while len(locks) < wanted:
        time.sleep(random.uniform(0.5, 1.5))  # out of step with others that want several
        locks = lock(wanted)
    if wanted:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(locks)
    for file in locks.values():
        os.set_inheritable(file.fileno(), True)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
