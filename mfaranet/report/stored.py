"""What results/<data set> holds, as the report reads it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from mfaranet.errors import InputError
from mfaranet.files import read_json
from mfaranet.tables.cells import BLANK, Cell, read_table

CURVES = {"loss": "loss of the output", "miou": "validation mIoU", "learning_rate": "learning rate"}


@dataclass(frozen=True)
class StoredTable:
    """A table as its JSON file has it."""

    name: str
    title: str
    columns: list[str]
    narrow: list[str]
    """The columns that are shown first."""
    same: dict[str, str]
    """What is the same in all rows, by column."""
    rows: list[list[Cell]]
    notes: list[str]

    @classmethod
    def read(cls, path: Path) -> "StoredTable":
        """Of ``path``, a JSON file of the stage tables; one of an earlier version has no narrow columns, so all are."""
        content = read_table(path)
        rows = [[Cell(**cell) for cell in row] for row in content["rows"]]
        columns = content["columns"]
        narrow, same = content.get("narrow", columns), content.get("same", {})
        return cls(path.stem, content["title"], columns, narrow, same, rows, content["notes"])

    def column(self, start: str) -> int | None:
        """The index of the first column whose header is ``start`` or begins with it and a unit."""
        found = (
            i for i, name in enumerate(self.columns) if name == start or name.startswith((f"{start} ", f"{start},"))
        )
        return next(found, None)

    def cells(self, *starts: str) -> Iterator[list[Cell]]:
        """Of each row the cells of some columns (see column), blank ones where there is no such column."""
        places = [self.column(start) for start in starts]
        for row in self.rows:
            yield [BLANK if place is None else row[place] for place in places]


class Stored:
    """The results of one data set."""

    def __init__(self, root: Path) -> None:
        """Of the folder ``root``.

        Raises:
            InputError: no table was made there.
        """
        self.root = root
        self.dataset = root.name
        if not self.tables:
            raise InputError(f"{root / 'tables'} has no tables; `dvc repro` makes them, or name another data set")

    @cached_property
    def tables(self) -> dict[str, StoredTable]:
        """By name."""
        return {path.stem: StoredTable.read(path) for path in sorted((self.root / "tables").glob("*.json"))}

    @cached_property
    def runs(self) -> dict[str, Any]:
        """What each evaluation says of itself, by experiment."""
        return {path.parent.name: read_json(path) for path in sorted(self.root.glob("evaluate/*/run.json"))}

    def curve(self, name: str) -> pd.DataFrame:
        """Epoch, experiment and value, a row each; empty where nothing was trained."""
        path = self.root / "curves" / f"{name}.csv"
        return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["epoch", "experiment", name])

    def confusion(self, experiment: str, protocol: str) -> pd.DataFrame:
        """Pixels by ground truth, the rows, and prediction; empty where that was not evaluated."""
        path = self.root / "evaluate" / experiment / "confusion.csv"
        if not path.exists():
            return pd.DataFrame()
        table = pd.read_csv(path)
        return (
            table[table["protocol"] == protocol]
            .drop(columns="protocol")
            .pipe(lambda each: each.set_index(each.columns[0]))
        )
