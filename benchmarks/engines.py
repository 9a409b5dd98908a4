"""How much sooner does `snakemake -j2` finish the sample pipeline than `dvc repro`? Prints both times and their ratio.

python -m benchmarks.engines [experiment...]   # all those of params.yaml take a quarter of an hour

Each engine starts from nothing in a clone of the last commit. `dvc repro` runs one stage at a time, with as many
threads as torch takes; Snakemake two, with the threads of their rules. Fails where the ratio is above 0.7. Nothing else
should run: where other work takes a core, there is none for the second stage.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
ENGINES = {"dvc repro": ["dvc", "repro", "--quiet"], "snakemake -j2": ["snakemake", "-j2", "--quiet", "all"]}
TARGET = 0.7


def main() -> None:
    """Run both, DVC first."""
    experiments = sys.argv[1:]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        seconds = {name: run(command, Path(folder) / name.split()[0], experiments) for name, command in ENGINES.items()}
    print(f"the sample, {', '.join(experiments) or 'whole'}, on {os.cpu_count()} cores, load before {load:.1f}:")
    for name, value in seconds.items():
        print(f"{name:>14} {value:6.0f} s")
    ratio = seconds["snakemake -j2"] / seconds["dvc repro"]
    print(f"{'ratio':>14} {ratio:6.2f}   (wanted: at most {TARGET})")
    sys.exit(ratio > TARGET)


def run(command: list[str], root: Path, experiments: list[str]) -> float:
    """Seconds that the engine takes."""
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, root], check=True)
    (root / "dvc.lock").unlink()
    shutil.rmtree(root / "results")
    params = yaml.safe_load((root / "params.yaml").read_text())
    params["run"]["datasets"] = ["sample"]
    params["run"]["experiments"] = experiments or params["run"]["experiments"]
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
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
