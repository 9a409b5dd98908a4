"""Where does the time of `dvc repro` go? Runs it from nothing in a clone, and writes a table by stage.

python -m benchmarks.pipeline [experiment...]   # those of params.yaml by default: six minutes; nothing else should run

Imports are what a process of the stage takes to load its code, measured by themselves; the computation is the rest of
the stage's command; what no command took is DVC's own.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import pandas as pd
import yaml

from benchmarks.__main__ import ABOUT, FOLDER
from benchmarks.engines import ENGINES, prepare, run
from benchmarks.pages import write_page, write_table

CLOCK = Path(__file__).with_name("clock.py")
REPOSITORY = Path(__file__).parents[1]


def main() -> None:
    """Run, measure imports, print."""
    with tempfile.TemporaryDirectory() as folder:
        root, log = Path(folder) / "clone", Path(folder) / "log"
        selected = yaml.safe_load((REPOSITORY / "params.yaml").read_text())["run"]["experiments"]
        prepare(root, sys.argv[1:] or selected)
        graph = root / "dvc.yaml"
        clock = f"python {CLOCK} {log}"
        graph.write_text(re.sub(r"(?<=- python: )(.*)python -m", rf"\g<1>{clock}", graph.read_text()))
        total = run(ENGINES["dvc repro"], root)
        commands = [json.loads(line) for line in log.read_text().splitlines()]
        seconds: dict[str, float] = defaultdict(float)
        for command in commands:
            seconds[command["stage"]] += command["seconds"]
        runs = Counter(command["stage"] for command in commands)
        imports = {stage: runs[stage] * import_time(stage, root) for stage in runs}
    rows = [
        (
            stage.removeprefix("workflow."),
            runs[stage],
            imports[stage],
            seconds[stage] - imports[stage],
            seconds[stage] / total,
        )
        for stage in sorted(seconds, key=seconds.__getitem__, reverse=True)
    ]
    rest = total - sum(seconds.values())
    rows += [
        ("DVC itself", 0, 0, rest, rest / total),
        ("all", len(commands), sum(imports.values()), total - sum(imports.values()), 1),
    ]
    table = pd.DataFrame(rows, columns=["stage", "runs", "imports (s)", "computation (s)", "share"]).round(2)
    print(table.to_string(index=False))
    write_table(FOLDER / "pipeline.csv", table)
    write_page(FOLDER, ABOUT)


def import_time(stage: str, root: Path) -> float:
    """Seconds in which a process has loaded a stage's code: the median of three."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", f"import {stage}"], cwd=root, env={**os.environ, "PYTHONPATH": "."}, check=True
        )
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
