"""Does a training that is killed again and again end with the files of one that was never stopped?

Kills the stage train, on a small drawn sample in a copy of the repository, at random moments with random signals,
removes its outputs as DVC does, and starts it again; compares all files, bit for bit, whenever a training ends.

python -m benchmarks.kills [kills] [seed]
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL)
OUTPUTS = (Path("runs/sample/train/base"), Path("results/sample/train/base"))
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
STATES = Path("runs/sample/resume/base")


def main() -> None:
    """Kill, go on and compare until there were enough kills; exit with 1 if a file differed."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    chance = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    with tempfile.TemporaryDirectory() as folder:
        root = copy(Path(folder))
        began = time.monotonic()
        assert train(root, None)[0] == 0
        duration = time.monotonic() - began
        expected = files(root)
        print(f"{len(expected)} files of a training that took {duration:.0f} s and was never stopped", flush=True)
        done: Counter[str] = Counter()
        ended = differed = resumed = 0
        while done.total() < kills or states(root):
            clear(root)
            number = chance.choice(SIGNALS)
            # Once there were enough kills, the last training ends in peace.
            moment = chance.uniform(0, duration) if done.total() < kills else None
            status, said = train(root, moment, number)
            resumed += "going on after epoch" in said
            if status == 0:
                ended += 1
                same = files(root) == expected
                differed += not same
                shutil.rmtree(root / STATES)  # as the stage evaluate does
                print(f"a training ended; its files are {'the same' if same else 'NOT THE SAME'}", flush=True)
            elif moment is not None:
                done[number.name] += 1
                print(f"{number.name} after {moment:.1f} s: status {status}, states: {states(root)}", flush=True)
            else:
                sys.exit(f"a training failed by itself:\n{said}")
    print(f"{done.total()} kills ({dict(done)}), {resumed} starts went on from a state")
    print(f"{ended} trainings ended, {differed} with a file that differs")
    sys.exit(differed > 0 or not ended)


def copy(root: Path) -> Path:
    """The code, a small sample, a short recipe; data and weights are prepared."""
    for name in ("mfaranet", "workflow"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(REPOSITORY / name, root / name)
    path = root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    profile = params["profiles"]["sample"]
    profile["data"] |= {"train": 16, "val": 2, "test": 1}
    profile["train"] |= {"epochs": 8, "batch_size": 4, "accumulate": 2, "workers": 1, "validate_every": 3}
    path.write_text(yaml.safe_dump(params))
    for stage in (["plan"], ["data", "sample"], ["weights", "sample"]):
        command = [sys.executable, "-m", f"workflow.{stage[0]}", *stage[1:]]
        subprocess.run(command, cwd=root, env=ONE_THREAD, check=True)
    return root


def train(root: Path, moment: float | None, number: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Run the stage, and kill it after ``moment`` seconds; status, and stderr."""
    command = [sys.executable, "-m", "workflow.train", "sample", "base"]
    process = subprocess.Popen(command, cwd=root, env=ONE_THREAD, stderr=subprocess.PIPE, text=True)
    try:
        _, said = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    return process.returncode, said


def files(root: Path) -> dict[str, bytes]:
    """What the stage wrote, by name."""
    found = [path for folder in OUTPUTS for path in (root / folder).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def states(root: Path) -> list[str]:
    """The epochs that the next training could go on from."""
    return sorted(path.stem for path in (root / STATES).glob("*/epoch_*.pt"))


def clear(root: Path) -> None:
    """Remove the outputs, as DVC does before it runs a stage."""
    for folder in OUTPUTS:
        shutil.rmtree(root / folder, ignore_errors=True)


if __name__ == "__main__":
    main()
