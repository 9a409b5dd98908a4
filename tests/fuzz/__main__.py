"""Bad input by the thousand, tried in a process of its own; what fails, and how to try it again. `make fuzz`."""

import argparse
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tqdm import tqdm

KINDS = {  # and how many of a hundred cases
    "pictures.read": 30,
    "pictures.predict": 8,
    "sets.prepare": 20,
    "settings.check": 14,
    "weights.trained": 9,
    "weights.foreign": 5,
    "archives.unpack": 14,
}
STATES = ("worked", "refused", "failed")


def kind_of(seed: int, number: int) -> str:
    """The kind of a case."""
    return Random(f"kind {seed} {number}").choices([*KINDS], [*KINDS.values()])[0]


def run(seed: int, numbers: list[int]) -> None:
    """Try cases in this process, and write a line of JSON before and after each."""
    from importlib import import_module

    from tests.fuzz.trial import Case, begin, limit, try_case

    limit()
    for number in numbers:
        module, name = kind_of(seed, number).split(".")
        make: Callable[[Random, Path], Case] = getattr(import_module(f"tests.fuzz.{module}"), name)
        with TemporaryDirectory() as folder:
            case = make(Random(f"case {seed} {number}"), Path(folder))
            print(json.dumps({"number": number, "what": case.what}), flush=True)
            begin()
            outcome = try_case(case, Path(folder))
            print(json.dumps({"state": outcome.state, "text": outcome.text}), flush=True)


def outcomes(seed: int, numbers: list[int]) -> Iterator[tuple[int, str, str, str]]:
    """Number, what it was, state and text of each case. Where one ends the process, another process goes on."""
    left = list(numbers)
    while left:
        with TemporaryDirectory() as folder, open(f"{folder}/stderr", "w+") as errors:
            words = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--worker", *map(str, left[:500])]
            environment = {**os.environ, "TMPDIR": folder, "TQDM_DISABLE": "1", "PYTHONWARNINGS": "ignore"}
            with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as worker:
                assert worker.stdout
                begun: dict[str, str] | None = None
                for line in map(json.loads, worker.stdout):
                    if "what" in line:
                        begun = line
                    elif begun:
                        yield left.pop(0), begun["what"], line["state"], line["text"]
                        begun = None
            if worker.returncode:
                errors.seek(0)
                yield (
                    left.pop(0),
                    begun["what"] if begun else "",
                    "failed",
                    f"exit {worker.returncode}: {errors.read()[-3000:]}",
                )


def main() -> None:
    """Try them all, and fail where one fails."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of cases, to try these again")
    parser.add_argument("--worker", type=int, nargs="+", help=argparse.SUPPRESS)
    words = parser.parse_args()
    if words.worker:
        run(words.seed, words.worker)
        return
    counts: Counter[tuple[str, str]] = Counter()
    numbers = words.only or list(range(words.cases))
    for number, what, state, text in tqdm(outcomes(words.seed, numbers), total=len(numbers), unit="case"):
        kind = kind_of(words.seed, number)
        counts[kind, state] += 1
        if state == "failed":
            again = f"python -m tests.fuzz --seed {words.seed} --only {number}"
            tqdm.write(f"{kind}: {what[:500]!a}\n{text}\nagain: {again}\n", file=sys.stderr)
        elif words.only:
            print(f"{kind}: {what[:500]!a}\n{state} {text}")
    print(f"{'':18}" + "".join(f"{state:>9}" for state in STATES))
    for kind in [*KINDS, "all"]:
        row = [
            sum(n for (each, found), n in counts.items() if found == state and kind in (each, "all"))
            for state in STATES
        ]
        print(f"{kind:18}" + "".join(f"{n:9}" for n in row))
    sys.exit(any(state == "failed" for _, state in counts))


if __name__ == "__main__":
    main()
