"""Tables that say where they come from, and a page of all that lie in a folder."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch

from mfaranet.files import atomic_write, write_text
from mfaranet.measure.machine import device_facts
from workflow.snapshot import commit

_ORIGIN = ["machine", "torch", "commit"]


def write_table(path: Path, table: pd.DataFrame, key: str | None = None) -> None:
    """A table with the machine, the version of torch and the commit.

    Args:
        path: the CSV file.
        table: its rows, of this run.
        key: a column; rows that the file has for other values of it stay, with where they come from.
    """
    facts, code = device_facts(torch.device("cpu")), commit()
    origin = {
        "machine": f"{facts['processor']}, {facts['threads']} threads, {facts['instructions']}",
        "torch": torch.__version__,
        "commit": f"{code['commit'][:12]}{', modified' if code['modified'] else ''}",
    }
    whole = table.assign(**origin)
    if key and path.exists():
        before = pd.read_csv(path)
        whole = pd.concat([before[~before[key].isin(whole[key])], whole])
    atomic_write(path, lambda temporary: whole.to_csv(temporary, index=False, float_format="%.4g"))


def write_page(folder: Path, about: str) -> None:
    """README.md of all tables in a folder, by whichever run they were written; ``about`` stands above them."""
    lines = [about]
    for path in sorted(folder.glob("*.csv")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        lines += ["", f"## {path.stem}", ""]
        columns = [*table]
        if set(_ORIGIN) <= set(columns) and len(table[_ORIGIN].drop_duplicates()) == 1:
            lines += [f"{table.machine[0]}; torch {table.torch[0]}; commit {table.commit[0]}", ""]
            columns = [column for column in columns if column not in _ORIGIN]
        lines += [_row(columns), _row(["---"] * len(columns)), *map(_row, table[columns].itertuples(index=False))]
        if path.with_suffix(".png").exists():
            lines += ["", f"![{path.stem}]({path.stem}.png)"]
    write_text(folder / "README.md", "\n".join(lines) + "\n")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
