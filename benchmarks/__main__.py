"""All ratios that have a target, one after the other, and their table. `make bench`; nothing else should run.

python -m benchmarks [name...]   # all by default, gpu where there is one: about a quarter of an hour

Writes results/benchmarks/<name>.csv with the machine, and a page of all tables there; fails where a target is missed.
"""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

import pandas as pd
import torch

from benchmarks.rows import Row, print_rows
from mfaranet.files import atomic_write, write_text
from mfaranet.measure.machine import device_facts
from workflow.snapshot import commit

NAMES = ("inference", "step", "loading", "evaluation", "engines")
FOLDER = Path(__file__).parents[1] / "results/benchmarks"


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
    write_page()


def write_table(path: Path, table: pd.DataFrame) -> None:
    """A table with the machine, the version of torch and the commit."""
    facts, code = device_facts(torch.device("cpu")), commit()
    origin = {
        "machine": f"{facts['processor']}, {facts['threads']} threads, {facts['instructions']}",
        "torch": torch.__version__,
        "commit": f"{code['commit'][:12]}{', modified' if code['modified'] else ''}",
    }
    whole = table.assign(**origin)
    atomic_write(path, lambda temporary: whole.to_csv(temporary, index=False, float_format="%.4g"))


def write_page() -> None:
    """README.md of all tables that were written, by whichever run."""
    lines = [
        "# What was measured",
        "",
        "Where there is a baseline, it is the straightforward form (`baseline.py`, `recipe.py`, `protocol.py`),",
        "in the same run. Figures are medians of turns; times are the machine's own.",
    ]
    for path in sorted(FOLDER.glob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        lines += ["", f"## {path.stem}", ""]
        if "machine" in table:
            lines += [f"{table.machine[0]}; torch {table.torch[0]}; commit {table.commit[0]}", ""]
        columns = [column for column in table if column not in ("machine", "torch", "commit")]
        lines += [_row(columns), _row(["---"] * len(columns)), *map(_row, table[columns].itertuples(index=False))]
        if path.with_suffix(".png").exists():
            lines += ["", f"![{path.stem}]({path.stem}.png)"]
    write_text(FOLDER / "README.md", "\n".join(lines) + "\n")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
