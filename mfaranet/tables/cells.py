"""Tables of cells, each of which knows the file and the run that its value came from."""

import csv
import io
import math
import statistics
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from mfaranet.errors import InputError
from mfaranet.files import read_json, write_json, write_text
from mfaranet.formats import FORMAT, KEY, check_format
from mfaranet.tables.writing import Footnotes, Page

Origin = dict[str, Any]
"""``file`` and ``pointer`` of a stored value and facts of its run; or ``computed``, how, and ``from``, of what."""


@dataclass(frozen=True)
class Cell:
    """``value`` as stored, ``text`` as shown, ``origin``: where it came from (None for a blank and a fixed label)."""

    value: Any
    text: str
    origin: Origin | None


BLANK = Cell(None, "", None)


def computed(value: Any, text: str, how: str, *sources: Cell) -> Cell:
    """A cell worked out of others."""
    return Cell(value, text, {"computed": how, "from": [source.origin for source in sources]})


def mean(cells: list[Cell], show: Callable[[float], str]) -> Cell:
    """The mean of cells that have a value; blank without any, and the cell itself where there is one."""
    if len(cells) < 2:
        return cells[0] if cells else BLANK
    value = statistics.fmean(cell.value for cell in cells)
    return computed(value, show(value), "mean", *cells)


def one_digit(value: float) -> str:
    """Text of a score."""
    return f"{value:.1f}"


def two_digits(value: float) -> str:
    """Text of a cost: two digits after the point, or as many as show two that count."""
    places = 2 if value == 0 or abs(value) >= 0.1 else 1 - math.floor(math.log10(abs(value)))
    return f"{value:.{places}f}"


def digits(value: float, places: int) -> str:
    """Text of a speed or size: ``places`` digits after the point, and below one as two_digits."""
    return f"{value:.{places}f}" if value >= 1 else two_digits(value)


@dataclass(frozen=True)
class Table:
    """Column headers, rows of cells, and notes that belong under the table; and what of it is for people to read."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    notes: list[str]
    narrow: Mapping[str, str]
    """The columns for people, each with a short header; the first one has the labels of the rows."""
    conditions: Collection[str] = ()
    """The columns that stand above the rows, once, where these have the same there."""
    beside: int = 0
    """How many rows at the end are only held beside the others, so that conditions are not theirs."""

    def write(self, stem: Path) -> None:
        """Write ``<stem>.csv`` (full precision) and ``.json`` (origins), which have all columns, and for people ``.md``
        and ``.tex`` (see Page)."""
        page = self.page(stem.name)
        write_text(stem.with_suffix(".md"), page.markdown())
        write_text(stem.with_suffix(".tex"), page.latex())
        write_text(stem.with_suffix(".csv"), self._csv())
        content = {
            KEY: FORMAT,
            "title": self.title,
            "columns": self.columns,
            "narrow": list(self.shown()),
            "headers": self.shown(),
            "same": self.same(),
            "notes": self.notes,
            "rows": [[asdict(cell) for cell in row] for row in self.rows],
        }
        write_json(stem.with_suffix(".json"), content)

    def same(self) -> dict[str, str]:
        """The conditions that are the same in all rows, and what they are."""
        rows = self.rows[: len(self.rows) - self.beside]
        texts = {name: {row[i].text for row in rows} for i, name in enumerate(self.columns) if name in self.conditions}
        return {name: found.pop() for name, found in texts.items() if len(found) == 1 and found != {""}}

    def shown(self) -> dict[str, str]:
        """The narrow columns, but for those that stand above or are blank in all rows; these of mIoU stay."""
        above, blank = self.same(), self._blank()
        return {column: header for column, header in self.narrow.items() if column not in {*above, *blank}}

    def page(self, name: str) -> Page:
        """The narrow columns, with what is the same in all rows above and the reasons of verdicts below.

        ``name``: that of the files with all columns.
        """
        shown, footnotes = self.shown(), Footnotes()
        places = [self.columns.index(column) for column in shown]
        rows = [[footnotes.shorten(row[i].text) for i in places] for row in self.rows]
        same = "; ".join(f"{_within(column)} {text}" for column, text in self.same().items())
        return Page(
            title=self.title,
            above=f"The same in all rows: {same}." if same else "",
            headers=list(shown.values()),
            rows=rows,
            right=[any(_is_number(row[i].value) for row in self.rows) for i in places],
            footnotes=[*footnotes.notes(), *self._said_of_columns(name)],
            notes=self.notes,
        )

    def _said_of_columns(self, name: str) -> list[str]:
        short = [f"{header} = {column}" for column, header in self.shown().items() if header != column]
        blank = self._blank()
        return [
            *([f"Headers in full: {'; '.join(short)}."] if short else []),
            *([f"Blank in every row, and so left out: {', '.join(blank)}."] if blank else []),
            f"All columns are in {name}.csv, in full precision, and in {name}.json, with the origin of every cell.",
        ]

    def _blank(self) -> list[str]:
        return [
            column
            for column, header in self.narrow.items()
            if self.rows and not any(row[self.columns.index(column)].text for row in self.rows)
            if not header.startswith("mIoU")
        ]

    def _csv(self) -> str:
        text = io.StringIO()
        rows = ([_plain(cell) for cell in row] for row in self.rows)
        csv.writer(text, lineterminator="\n").writerows([self.columns, *rows])
        return text.getvalue()


def describe(value: Any, origin: Origin | None) -> str:
    """A cell's value and where it came from, as YAML for people."""
    return yaml.dump({"value": value, "origin": origin}, Dumper=yaml.CSafeDumper, sort_keys=False)


def pointer_part(key: str) -> str:
    """A key as a part of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


def resolve(content: Any, pointer: str, path: Path) -> Any:
    """The value at a JSON pointer such as ``/full_image/iou/road``.

    Raises:
        InputError: there is none.
    """
    for part in pointer.removeprefix("/").split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        try:
            content = content[int(key) if isinstance(content, list) else key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise InputError(f"{path} has no {pointer}; run the stage that makes it again") from None
    return content


def read_table(path: Path) -> Any:
    """The content of a table's JSON file, as ``Table.write`` leaves it.

    Raises:
        InputError: the file is missing, corrupt or of a later version.
    """
    content = read_json(path)
    check_format(content, path)
    return content


def trace(path: Path, row: str, column: str) -> Iterator[tuple[list[str], Cell]]:
    """The cells of a stored table in a column, and the texts of the labels of their rows.

    Args:
        path: the table, in any of its four forms.
        row: the text or stored value of one of the row's labels, in any case.
        column: the header, in full, as people read it, or without what stands there in parentheses, in any case.

    Raises:
        InputError: there is no such table, row or column, or the table is of a later version.
    """
    table = read_table(path.with_suffix(".json"))
    columns = table["columns"]
    headers = [table.get("headers", {}).get(name, name) for name in columns]  # tables of earlier code have none
    named: dict[str, int] = {}
    for names in (columns, headers, [name.split(" (")[0] for name in columns]):
        for i, name in enumerate(names):
            named.setdefault(name.lower(), i)
    if column.lower() not in named:
        raise InputError(f"{path} has no column {column!r}; it has: {', '.join(columns)}")
    rows = [[Cell(**cell) for cell in each] for each in table["rows"]]
    labels = [[cell for cell in each if isinstance(cell.value, str)] for each in rows]
    found = [
        i for i, cells in enumerate(labels) if row.lower() in {t.lower() for c in cells for t in (c.text, c.value)}
    ]
    if not found:
        known = dict.fromkeys(cells[0].text for cells in labels if cells)
        raise InputError(f"{path} has no row {row!r}; it has: {', '.join(known)}")
    return (([cell.text for cell in labels[i]], rows[i][named[column.lower()]]) for i in found)


def _plain(cell: Cell) -> Any:
    return cell.value if isinstance(cell.value, int | float) else cell.text


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _within(header: str) -> str:
    """A header as it stands within a sentence: GFLOPs and mIoU stay, Data becomes data."""
    return header if header[1].isupper() else header[0].lower() + header[1:]
