"""Tables of cells, each of which knows the file and the run that its value came from."""

import csv
import io
import math
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml
from tabulate import tabulate

from mfaranet.errors import InputError
from mfaranet.files import read_json, write_json, write_text

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
    """Column headers, rows of cells, and notes that belong under the table."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    notes: list[str]

    def write(self, stem: Path) -> None:
        """Write ``<stem>.md``, ``.csv`` (full precision), ``.tex`` and ``.json`` (origins).

        The LaTeX needs the packages booktabs and graphicx, and longtable for tables longer than a page.
        """
        texts = [[cell.text for cell in row] for row in self.rows]
        notes = "\n".join(f"- {note}" for note in self.notes)
        markdown = tabulate(texts, self.columns, "pipe", disable_numparse=True, colalign=self._alignment())
        write_text(stem.with_suffix(".md"), f"# {self.title}\n\n{markdown}\n\n{notes}\n")
        write_text(stem.with_suffix(".csv"), self._csv())
        write_text(stem.with_suffix(".tex"), self._latex(texts))
        content = {"title": self.title, "columns": self.columns, "notes": self.notes}
        write_json(
            stem.with_suffix(".json"), {**content, "rows": [[asdict(cell) for cell in row] for row in self.rows]}
        )

    def _alignment(self) -> list[str]:
        numeric = [any(isinstance(row[i].value, int | float) for row in self.rows) for i in range(len(self.columns))]
        return ["right" if is_number else "left" for is_number in numeric]

    def _csv(self) -> str:
        text = io.StringIO()
        rows = ([_plain(cell) for cell in row] for row in self.rows)
        csv.writer(text, lineterminator="\n").writerows([self.columns, *rows])
        return text.getvalue()

    def _latex(self, texts: list[list[str]]) -> str:
        sides = "".join(side[0] for side in self._alignment())
        heading, *rows = (" & ".join(map(_escape, row)) + r" \\" for row in (self.columns, *texts))
        notes = "".join(f"\\par {_escape(note)}\n" for note in self.notes)
        top, bottom = ["\\toprule", heading, "\\midrule"], [*rows, "\\bottomrule"]
        if len(rows) > _PAGE:
            caption = f"\\caption{{{_escape(self.title)}}} \\\\"
            # The heading stands again on each page.
            lines = [caption, *top, "\\endfirsthead", *top, "\\endhead", *bottom]
            body = "\n".join([f"\\begin{{longtable}}{{{sides}}}", *lines, "\\end{longtable}"])
            return f"{{\\tiny\\setlength{{\\tabcolsep}}{{2pt}}\n{body}\n{notes}}}\n"
        body = "\n".join([f"\\begin{{tabular}}{{{sides}}}", *top, *bottom, "\\end{tabular}"])
        # A wide table shrinks to the line, a narrow one keeps its size.
        return (
            f"\\begin{{table}}\n\\caption{{{_escape(self.title)}}}\n"
            "\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n"
            f"{body}\n}}\n\\footnotesize\n{notes}\\end{{table}}\n"
        )


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


def trace(path: Path, row: str, column: str) -> Iterator[tuple[list[str], Cell]]:
    """The cells of a stored table in a column, and the texts of the labels of their rows.

    Args:
        path: the table, in any of its four forms.
        row: the text or stored value of one of the row's labels, in any case.
        column: the header, with or without what stands there in parentheses, in any case.

    Raises:
        InputError: there is no such table, row or column.
    """
    table = read_json(path.with_suffix(".json"))
    names = [name.lower() for name in table["columns"]]
    short = [name.split(" (")[0] for name in names]
    wanted = column.lower()
    if wanted not in names + short:
        raise InputError(f"{path} has no column {column!r}; it has: {', '.join(table['columns'])}")
    index = names.index(wanted) if wanted in names else short.index(wanted)
    rows = [[Cell(**cell) for cell in each] for each in table["rows"]]
    labels = [[cell for cell in each if isinstance(cell.value, str)] for each in rows]
    found = [
        i for i, cells in enumerate(labels) if row.lower() in {t.lower() for c in cells for t in (c.text, c.value)}
    ]
    if not found:
        known = dict.fromkeys(cells[0].text for cells in labels if cells)
        raise InputError(f"{path} has no row {row!r}; it has: {', '.join(known)}")
    return (([cell.text for cell in labels[i]], rows[i][index]) for i in found)


def _plain(cell: Cell) -> Any:
    return cell.value if isinstance(cell.value, int | float) else cell.text


_PAGE = 45
"""Rows that fit on one."""
_LATEX = {
    **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
}


def _escape(text: str) -> str:
    return "".join(_LATEX.get(symbol, symbol) for symbol in text)
