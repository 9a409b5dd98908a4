"""How much sooner does `snakemake -j2` finish the sample pipeline than `dvc repro`? Prints both times and their ratio.

python -m benchmarks.engines [experiment...]   # four by default; as many as a selection takes longer

Each engine starts from nothing in a clone of the last commit. `dvc repro` runs one stage at a time, with as many
threads as torch takes; Snakemake two, with the threads of their rules. Nothing else should run: where other work takes
a core, there is none for the second stage.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.rows import Row, print_rows

REPOSITORY = Path(__file__).parents[1]
ENGINES = {"dvc repro": ["dvc", "repro", "--quiet"], "snakemake -j2": ["snakemake", "-j2", "--quiet", "all"]}
EXPERIMENTS = ("branch_2", "no_mfam", "align_bilinear", "score_sum")
TARGET = 0.7


def main() -> None:
    """Run both, DVC first."""
    print(f"on {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    sys.exit(not print_rows(rows(sys.argv[1:] or EXPERIMENTS)))


def rows(experiments: Sequence[str] = EXPERIMENTS) -> list[Row]:
    """From nothing, and with nothing to do."""
    with tempfile.TemporaryDirectory() as folder:
        roots = {name: Path(folder) / name.split()[0] for name in ENGINES}
        first = {}
        for name, command in ENGINES.items():
            prepare(roots[name], experiments)
            first[name] = run(command, roots[name])
        again = {name: run(command, roots[name]) for name, command in ENGINES.items()}
    what = f"the sample's {len(experiments)} experiments"
    return [
        Row(f"{what}, snakemake -j2 beside dvc repro", first["snakemake -j2"], first["dvc repro"], "s", TARGET),
        Row(f"{what}, with nothing to do", again["snakemake -j2"], again["dvc repro"], "s"),
    ]


def prepare(root: Path, experiments: Sequence[str]) -> None:
    """A clone in which these experiments are selected and nothing is made."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, root], check=True)
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / "results")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["run"]["datasets"] = ["sample"]
    params["run"] |= {"experiments": list(experiments), "pruned": []}
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def run(command: list[str], root: Path) -> float:
    """Seconds that the engine takes."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    environment.pop("OMP_NUM_THREADS", None)
    log = root.with_suffix(".log")
    start = time.perf_counter()
    with log.open("w") as output:
        done = subprocess.run(command, cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT)
    elapsed = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    return elapsed


if __name__ == "__main__":
    main()
