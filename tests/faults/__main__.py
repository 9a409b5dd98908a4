"""Faults of all kinds, injected one by one; what came of each, and how to try it again. `make faults`."""

import argparse
import os
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pandas as pd
from tqdm import tqdm

from tests.faults.trial import Fault, MissedError, NotHereError, Room
from tests.project import Project, smallest
from tests.recorded import record

KINDS = (
    "kills",
    "disks",
    "records",
    "engines",
    "cache",
    "training",
    "places",
    "remotes",
    "clocks",
    "installation",
)


@dataclass(frozen=True)
class Outcome:
    """What came of a fault."""

    kind: str
    name: str
    state: str
    """survived, failed, missed, or not here: this machine cannot have it."""
    text: str
    seconds: float


def of_kind(kind: str) -> list[Fault]:
    """All faults of a kind."""
    found: list[Fault] = [*import_module(f"tests.faults.{kind}").faults()]
    return found


def try_fault(kind: str, fault: Fault, whole: Project, seed: int) -> Outcome:
    """Inject it in a folder of its own; its chance comes from the seed and its name."""
    began = time.monotonic()
    state, text = "survived", ""
    with TemporaryDirectory() as folder:
        try:
            fault.inject(Room(Path(folder), whole, Random(f"{seed} {kind} {fault.name}")))
        except NotHereError as error:
            state, text = "not here", str(error)
        except MissedError as error:
            state, text = "missed", str(error)
        except Exception:
            state, text = "failed", traceback.format_exc(limit=-6)
    return Outcome(kind, fault.name, state, text, round(time.monotonic() - began, 1))


def undisturbed(root: Path) -> Project:
    """A whole run, by Snakemake."""
    project = smallest(root)
    project.run("snakemake", "-j2")
    return project


def main() -> None:
    """Try them all, and fail where one is not survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=KINDS, metavar="KIND", default=[*KINDS], help=", ".join(KINDS))
    parser.add_argument("--named", default="", help="those alone whose name has this in it")
    parser.add_argument("--record", action="store_true", help="write results/reliability/faults.csv and its page")
    words = parser.parse_args()
    os.environ["PYTHONPATH"] = os.getcwd()
    chosen = [(kind, fault) for kind in words.only for fault in of_kind(kind) if words.named in fault.name]
    found = []
    with TemporaryDirectory() as folder:
        whole = undisturbed(Path(folder) / "whole")
        for kind, fault in tqdm(chosen, unit="fault"):
            outcome = try_fault(kind, fault, whole, words.seed)
            found.append(outcome)
            again = f"python -m tests.faults --seed {words.seed} --only {kind} --named {fault.name!r}"
            told = f"{outcome.text[-6000:]}\nagain: {again}\n" if outcome.state == "failed" else outcome.text
            tqdm.write(f"{kind}: {fault.name}: {outcome.state}, {outcome.seconds:.0f} s {told}", sys.stderr)
    rows = [row(kind, [each for each in found if each.kind == kind]) for kind in words.only]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if words.record:
        record("faults", table, "kind")
    sys.exit(any(each.state == "failed" for each in found))


def row(kind: str, found: list[Outcome]) -> dict[str, object]:
    """What came of the faults of a kind."""
    counts = Counter(each.state for each in found)
    return {
        "kind": kind,
        "injected": counts["survived"] + counts["failed"],
        "survived": counts["survived"],
        "missed": counts["missed"],
        "not here": counts["not here"],
        "seconds": round(sum(each.seconds for each in found)),
    }


if __name__ == "__main__":
    main()
