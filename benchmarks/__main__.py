"""All ratios that have a target, one after the other, and their table. `make bench`; nothing else should run.

python -m benchmarks [name...]   # all by default, gpu where there is one: about a quarter of an hour

Writes results/benchmarks/<name>.csv with the machine, and a page of all tables there; fails where a target is missed.
"""

import sys
from importlib import import_module
from pathlib import Path

import pandas as pd
import torch

from benchmarks.pages import write_page, write_table
from benchmarks.rows import Row, print_rows

NAMES = ("inference", "step", "loading", "evaluation", "engines")
FOLDER = Path(__file__).parents[1] / "results/benchmarks"
ABOUT = """# What was measured

Where there is a baseline, it is the straightforward form (`baseline.py`, `recipe.py`, `protocol.py`),
in the same run. Figures are medians of turns; times are the machine's own."""
"""The head of its page."""


def main() -> None:
    """Run the named ones, or all."""
    there = (*NAMES, "gpu") if torch.cuda.is_available() else NAMES
    names = sys.argv[1:] or there
    if unknown := set(names) - set(there):
        sys.exit(f"no such benchmark here: {', '.join(sorted(unknown))}; there are {', '.join(there)}")
    met = True
    for name in names:
        rows: list[Row] = import_module(f"benchmarks.{name}").rows()
        print(f"\n{name}")
        met &= print_rows(rows)
        write(name, rows)
    sys.exit(not met)


def write(name: str, rows: list[Row]) -> None:
    """The table of one benchmark."""
    table = pd.DataFrame(
        {
            "what": row.what,
            "ours": row.ours,
            "baseline": row.baseline,
            "unit": row.unit,
            "ratio": row.value,
            "target": row.target,
            "verdict": row.verdict,
        }
        for row in rows
    )
    write_table(FOLDER / f"{name}.csv", table)
    write_page(FOLDER, ABOUT)


if __name__ == "__main__":
    main()
