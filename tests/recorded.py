"""Where runs of tests, faults, bad inputs and mutants leave their last result: tables of a commit, and their page."""

from pathlib import Path

import pandas as pd

from benchmarks.pages import write_page, write_table

FOLDER = Path(__file__).parents[1] / "results/reliability"
ABOUT = """# What was tried, and what came of it

The promises are those of [docs/reliability.md](../../docs/reliability.md). Each table is of the last run of
its command: `make record` (promises, coverage), `make faults`, `make fuzz`, `make mutants`."""


def record(name: str, table: pd.DataFrame, key: str | None = None) -> None:
    """Write a table, and the page anew. Rows of earlier runs stay where this one has not their ``key``."""
    write_table(FOLDER / f"{name}.csv", table, key)
    write_page(FOLDER, ABOUT)
