"""Bad input by the thousand, tried in a process of its own; what fails, and how to try it again. `make fuzz`."""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pandas as pd
from tqdm import tqdm

from tests.fuzz.trial import Case, Outcome, begin, limit, try_case
from tests.recorded import record

KINDS = {  # and how many of a hundred cases
    "pictures.read": 26,
    "pictures.predict": 6,
    "videos.predict": 4,
    "sets.prepare": 20,
    "prepared.read": 8,
    "settings.check": 14,
    "weights.trained": 7,
    "weights.foreign": 4,
    "archives.unpack": 8,
    "written.convert": 2,
    "written.export": 1,
}


def kind_of(seed: int, number: int) -> str:
    """The kind of a case."""
    return Random(f"kind {seed} {number}").choices([*KINDS], [*KINDS.values()])[0]


def run(seed: int, numbers: list[int]) -> None:
    """Try cases in this process, and write a line of JSON before and after each."""
    limit()
    for number in numbers:
        module, name = kind_of(seed, number).split(".")
        make: Callable[[Random, Path], Case] = getattr(import_module(f"tests.fuzz.{module}"), name)
        with TemporaryDirectory() as folder:
            case = make(Random(f"case {seed} {number}"), Path(folder))
            print(json.dumps({"number": number, "what": case.what}), flush=True)
            begin()
            outcome = try_case(case, Path(folder))
            print(json.dumps(asdict(outcome)), flush=True)


def outcomes(seed: int, numbers: list[int]) -> Iterator[tuple[int, str, Outcome]]:
    """Number, what it was, and what came of it, of each case. Where one ends the process, another process goes on."""
    left = list(numbers)
    while left:
        with TemporaryDirectory() as folder, open(f"{folder}/stderr", "w+") as errors:
            words = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--worker", *map(str, left)]
            environment = {**os.environ, "TMPDIR": folder, "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
            what = ""
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as worker:
                assert worker.stdout
                for line in map(json.loads, worker.stdout):
                    if "what" in line:
                        what = line["what"]
                    else:
                        yield left.pop(0), what, Outcome(**line)
                        what = ""
            if worker.returncode:
                errors.seek(0)
                yield left.pop(0), what, Outcome("failed", f"exit status {worker.returncode}: {errors.read()[-3000:]}")


def main() -> None:
    """Try them all, and fail where one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of cases, to try these again")
    parser.add_argument("--record", action="store_true", help="write results/reliability/fuzz.csv and its page")
    parser.add_argument("--worker", type=int, nargs="+", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.worker:
        run(words.seed, words.worker)
        return
    found: dict[str, list[Outcome]] = {kind: [] for kind in KINDS}
    numbers = words.only or list(range(words.cases))
    for number, what, outcome in tqdm(outcomes(words.seed, numbers), total=len(numbers), unit="case"):
        kind = kind_of(words.seed, number)
        found[kind].append(outcome)
        if words.only or outcome.state == "failed":
            again = f"python -m tests.fuzz --seed {words.seed} --only {number}"
            tqdm.write(f"{kind}: {what[:500]!a}\n{outcome.state}: {outcome.text}\nagain: {again}\n", sys.stderr)
    table = pd.DataFrame(map(row, found.values(), found))
    print(table.to_string(index=False))
    if words.record:
        record("fuzz", table, "kind")
    sys.exit(any(outcome.state == "failed" for each in found.values() for outcome in each))


def row(found: list[Outcome], kind: str) -> dict[str, object]:
    """What came of the cases of a kind."""
    counts = Counter(outcome.state for outcome in found)
    return {
        "kind": kind,
        **{state: counts[state] for state in ("worked", "refused", "failed")},
        "MiB at most": max((outcome.memory for outcome in found), default=0),
    }


if __name__ == "__main__":
    main()
