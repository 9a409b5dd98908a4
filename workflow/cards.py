"""Run a command on graphics cards that no other such command of this machine holds: cards.py COUNT COMMAND..."""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path


def cards() -> list[str]:
    """The cards that this process may use, none on a machine without."""
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [card for card in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if card]
    return sorted(path.name.removeprefix("nvidia") for path in Path("/dev").glob("nvidia[0-9]*"))


def main(count: int, command: list[str]) -> int:
    """Wait for cards, run the command on them, return its status."""
    # Slurm has given this job cards of its own.
    wanted = 0 if "SLURM_JOB_ID" in os.environ else min(count, len(cards()))
    held: list[str] = []
    with ExitStack() as locks:  # the system frees those of a killed process
        while len(held) < wanted:
            for card in cards():
                if card in held or len(held) == wanted:
                    continue
                lock = (Path(tempfile.gettempdir()) / f"mfaranet-card-{card}.lock").open("a")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.close()
                else:
                    locks.enter_context(lock)
                    held.append(card)
            if len(held) < wanted:
                time.sleep(1)
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(held)} if held else None
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
