"""Small faults put into the code, one at a time: the tests have to notice each. `make mutants`.

Mutmut makes the faults (mutants) and runs the tests. What no test notices is explained in explained.yaml, or a failure.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import yaml
from mutmut.configuration import reset_config
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import get_mutant_name, orig_function_and_class_names_from_key

from tests.recorded import record

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
NEEDED = ("tests", "workflow", "benchmarks", "results/sample", "params.yaml", "dvc.yaml")
"""What the tests read."""
NOTICED = ("killed", "timeout", "segfault")
ENVIRONMENT = {**{key: value for key, value in os.environ.items() if key != "PYTHONPATH"}, "OMP_NUM_THREADS": "1"}
"""The code that is mutated is found from the folder alone."""


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed: the lines as they are, and as they are mutated."""

    name: str
    module: str
    function: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.module}, {self.function}: again by --only '{self.name}'\n- {self.before}\n+ {self.after}\n"


def configure(folder: Path, group: Mapping[str, Any]) -> None:
    """A copy of the code for mutmut, which mutates the modules of a group in it."""
    shutil.copytree(REPOSITORY / "mfaranet", folder / "mfaranet", ignore=shutil.ignore_patterns("__pycache__"))
    for name in NEEDED:
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        copy(REPOSITORY / name, folder / name)
    lists = {
        "source_paths": ["mfaranet"],
        "only_mutate": group["modules"],
        "also_copy": NEEDED,
        "pytest_add_cli_args": ["-p", "no:cacheprovider", *(f"--deselect={name}" for name in group.get("without", []))],
        "pytest_add_cli_args_test_selection": group["tests"],
    }
    lines = ["[mutmut]", "timeout_constant = 2", "timeout_multiplier = 10"]
    lines += [f"{key} =\n    " + "\n    ".join(values) for key, values in lists.items()]
    (folder / "setup.cfg").write_text("\n".join(lines) + "\n")


def mutants(module: str) -> list[str]:
    """The names of all mutants of a module, in the folder where mutmut is configured."""
    made = mutate_file_contents(module, Path(module).read_text())
    return [get_mutant_name(Path(module), name) for name in made.mutant_names]


def chosen(names: list[str], one_of: int, seed: int) -> list[str]:
    """One of so many, and always the same ones."""
    return sorted(Random(f"{seed} {names[0]}").sample(names, -(-len(names) // one_of))) if names else []


def survivor(name: str, module: str) -> Survivor:
    """What a mutant changes, in the folder where it was made."""
    changes = get_diff_for_mutant(name, path=module).splitlines()[2:]
    before, after = (" ".join(line[1:].strip() for line in changes if line[:1] == sign) for sign in "-+")
    function, owner = orig_function_and_class_names_from_key(name)
    return Survivor(name, module, f"{owner}.{function}" if owner else function, before, after)


def run(group: Mapping[str, Any], seed: int, only: str, processes: int) -> tuple[list[dict[str, Any]], list[Survivor]]:
    """Try the mutants of a group: what came of them by module, and those that no test noticed."""
    with TemporaryDirectory() as place, chdir(place):
        configure(Path(), group)
        reset_config()
        made = {module: mutants(module) for module in group["modules"]}
        tried = {module: chosen(names, group.get("one_of", 1), seed) for module, names in made.items()}
        tried = {module: [name for name in names if fnmatch(name, only)] for module, names in tried.items()}
        names = [name for each in tried.values() for name in each]
        if not names:
            return [], []
        mutmut = [Path(sys.executable).with_name("mutmut"), "run", "--max-children", str(processes), *names]
        done = subprocess.run(mutmut, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT)
        if done.returncode:
            sys.exit(f"error: mutmut failed on {', '.join(made)}:\n{done.stdout[-5000:]}")
        rows, missed = [], []
        for module in filter(tried.get, tried):
            states = {name: status(module, name) for name in tried[module]}
            unnoticed = [survivor(name, module) for name, state in states.items() if state not in NOTICED]
            missed += unnoticed
            counts = {"module": module, "made": len(made[module]), "tried": len(states)}
            rows.append({**counts, "killed": len(states) - len(unnoticed)})
        return rows, missed


def status(module: str, name: str) -> str:
    """What mutmut says of a mutant, in the folder where it was tried."""
    found: str = status_by_exit_code[json.loads(Path(f"mutants/{module}.meta").read_text())["exit_code_by_key"][name]]
    return found


def explained(mutant: Survivor, reasons: Mapping[str, Any]) -> bool:
    """Whether explained.yaml says why no test notices."""
    words = mutant.after.replace("XX", "").lower() == mutant.before.lower()
    return any(
        each["from"] in mutant.before
        and (mutant.after in [mutant.before.replace(each["from"], to) for to in each["to"]] if "to" in each else words)
        for module in (mutant.module, "any")
        for function in (mutant.function, "any")
        for each in reasons.get(module, {}).get(function, [])
    )


def main() -> None:
    """Try them, print a row for each module, and fail where one is not noticed and not explained."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="of which mutants are tried where not all are")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="mutants whose names are like this")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--record", action="store_true", help="write results/reliability/mutants.csv and its page")
    words = parser.parse_args()
    reasons = yaml.safe_load((HERE / "explained.yaml").read_text())
    rows, unexplained = [], 0
    for group in yaml.safe_load((HERE / "groups.yaml").read_text()).values():
        found, missed = run(group, words.seed, words.only, words.processes)
        for row in found:
            left = [each for each in missed if each.module == row["module"] and not explained(each, reasons)]
            print(*left, sep="\n", flush=True)
            unexplained += len(left)
            count = row["tried"] - row["killed"] - len(left)
            score = round(100 * row["killed"] / row["tried"], 1)
            rows.append({**row, "explained": count, "surviving": len(left), "score (%)": score})
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if words.record:
        record("mutants", table, "module")
    sys.exit(unexplained > 0)


if __name__ == "__main__":
    main()
