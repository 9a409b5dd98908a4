"""What does DVC itself take, a stage and without work, as experiments grow? Prints a line for each number of them.

python -m benchmarks.bookkeeping [--revision COMMIT] [experiments...]   # of the last commit, with 10, 40 and 160

In a clone, all commands but the plan's only make their outputs, so that what takes time is DVC. The experiments are
copies of `base`. Times are of processors, which other work disturbs little, and in brackets of the clock.
"""

import argparse
import copy
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import yaml

REPOSITORY = Path(__file__).parents[1]
FORCED = 5
COLUMNS = ("experiments", "plan", "one more stage", "repro, no work", "status", "dvc.lock", "a training in it")


class Seconds(NamedTuple):
    """Of processors, and of the clock."""

    cpu: float
    wall: float

    def __str__(self) -> str:
        return f"{self.cpu:.2f} ({self.wall:.2f})"


def main() -> None:
    """A clone for each number."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--revision", default="HEAD")
    parser.add_argument("experiments", type=int, nargs="*", default=[10, 40, 160])
    arguments = parser.parse_args()
    commit = run(["git", "rev-parse", "--short", arguments.revision], REPOSITORY).strip()
    print(f"{commit} on {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}; seconds, and lines of dvc.lock")
    print("".join(f"{name:>17}" for name in COLUMNS))
    for count in arguments.experiments:
        with TemporaryDirectory() as folder:
            values = measure(Path(folder) / "clone", commit, count)
            print("".join(f"{value!s:>17}" for value in (count, *values)), flush=True)


def measure(root: Path, commit: str, count: int) -> Iterator[Seconds | int | str]:
    """The other columns."""
    names = ["base", *(f"copy_{number}" for number in range(1, count))]
    planned = prepare(root, commit, names)
    yield timed([sys.executable, "-m", "workflow.plan"], root) if planned else "-"
    record(root)
    stages = [f"train@sample-{name}" for name in names[:FORCED]]
    one, several = (timed(["dvc", "repro", "--force", "--single-item", *stages[:k]], root) for k in (1, FORCED))
    yield Seconds(*((more - less) / (FORCED - 1) for more, less in zip(several, one, strict=True)))
    yield timed(["dvc", "repro"], root)
    yield timed(["dvc", "status", "--quiet"], root)  # fails where something is left to do
    lines = (root / "dvc.lock").read_text().splitlines()
    yield len(lines)
    start = lines.index(f"  {stages[0]}:")
    yield 1 + sum(1 for _ in takewhile(lambda line: line.startswith("    "), lines[start + 1 :]))


def prepare(root: Path, commit: str, names: list[str]) -> bool:
    """Clone, select these experiments and replace the commands; whether there is a plan to make."""
    run(["git", "clone", "--quiet", "--no-checkout", str(REPOSITORY), str(root)], REPOSITORY)
    run(["git", "checkout", "--quiet", "--detach", commit], root)
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / "results")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["experiments"] |= {name: copy.deepcopy(params["experiments"]["base"]) for name in names}
    if "run" in params:
        params["run"]["experiments"] = names
    else:  # at revisions without a plan
        params["selected_experiments"] = names
    write(root / "params.yaml", params)
    graph = yaml.safe_load((root / "dvc.yaml").read_text())
    for name, stage in graph["stages"].items():
        if name != "plan":
            stage["cmd"] = stub(stage)
    write(root / "dvc.yaml", graph)
    return "plan" in graph["stages"]


def stub(stage: dict[str, Any]) -> list[str]:
    """Commands that make a stage's outputs, and nothing in them."""
    outputs = [output for key in ("outs", "metrics", "plots") for output in stage.get(key, [])]
    files = [made(output if isinstance(output, str) else next(iter(output))) for output in outputs]
    return [f"mkdir -p {' '.join(os.path.dirname(file) for file in files)}", f"touch {' '.join(files)}"]


def made(path: str) -> str:
    """The file to make for an output or a dependency; what has no suffix, templates aside, is a folder."""
    return path if "." in path.rpartition("}")[2] else f"{path}/made"


def record(root: Path) -> None:
    """Make all that is missing, and have DVC take it for what the stages made: running each would take minutes."""
    status = json.loads(run(["dvc", "status", "--json"], root))
    changes = [change for entries in status.values() for entry in entries for change in entry.values()]
    for path in (path for change in changes for path, how in change.items() if how == "deleted"):
        file = root / made(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    run(["dvc", "commit", "--force", "--quiet"], root)


def write(path: Path, content: dict[str, Any]) -> None:
    """As YAML."""
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def timed(command: list[str], root: Path) -> Seconds:
    """What a command takes."""
    cpu, start = spent(), time.perf_counter()
    run(command, root)
    return Seconds(spent() - cpu, time.perf_counter() - start)


def spent() -> float:
    """Seconds of processors that ended commands took."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: list[str], root: Path) -> str:
    """The output of a command, which must succeed; what DVC keeps for a user is kept beside the clone."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(root.parent / "site"),
    }
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    main()
