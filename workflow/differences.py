"""Where two files differ in what they hold: JSON, CSV, tables for people, PDFs of figures, checkpoints."""

import csv
import hashlib
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load_file

from mfaranet.tables.cells import pointer_part

POINTS = 0.01
"""How far what a figure shows may lie off, in points of its page: a 36000th of the width of a column."""
NOTHING = "nothing"


@dataclass(frozen=True)
class Difference:
    """A value that is not the same in a stored file and in the one made anew."""

    place: str
    stored: str
    recomputed: str

    def __str__(self) -> str:
        return f"{self.place}: stored {self.stored}, recomputed {self.recomputed}"


Values = dict[str, str]
"""What a file holds, each value as text, by its place there."""


def values(path: Path) -> Values:
    """What a file of a kind of READERS holds; nothing where there is none, and of a damaged one what is wrong."""
    try:
        return dict(READERS[path.suffix](path)) if path.exists() else {}
    except (ValueError, SafetensorError, zlib.error) as error:
        return {"the file": f"damaged ({error})"}


def leaves(content: Any) -> Values:
    """The values of what JSON can hold, by JSON pointer."""
    return dict(_leaves(content))


def differences(stored: Values, made: Values, *, drawn: bool = False) -> list[Difference]:
    """What differs; of what is ``drawn`` in a PDF, by more than eyes can see."""
    same = _drawn_alike if drawn else str.__eq__
    pairs = (Difference(each, stored.get(each, NOTHING), made.get(each, NOTHING)) for each in {**stored, **made})
    return [each for each in pairs if not same(each.stored, each.recomputed)]


class _Number(str):
    """As it is written: a digit too many would get lost in a float."""


def _json(path: Path) -> Iterator[tuple[str, str]]:
    """Values by JSON pointer."""
    return _leaves(json.loads(path.read_text(encoding="utf-8"), parse_float=_Number))


def _leaves(content: Any, pointer: str = "") -> Iterator[tuple[str, str]]:
    if content and isinstance(content, dict | list):
        entries = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in entries:
            yield from _leaves(value, f"{pointer}/{pointer_part(str(key))}")
    else:
        yield pointer, content if isinstance(content, _Number) else json.dumps(content, ensure_ascii=False)


def _csv(path: Path) -> Iterator[tuple[str, str]]:
    """Cells by row and column, and the columns themselves."""
    with path.open(encoding="utf-8", newline="") as file:
        columns, *rows = csv.reader(file)
    yield "columns", ", ".join(columns)
    for number, row in enumerate(rows, 1):
        for column, cell in zip(columns, row, strict=True):
            yield f"row {number} ({row[0]}), {column}", cell


def _tsv(path: Path) -> Iterator[tuple[str, str]]:
    return _lines(path.read_text(encoding="utf-8"), "\t")


def _text(path: Path) -> Iterator[tuple[str, str]]:
    """Cells of a table in Markdown or LaTeX by line, whatever space is around them; other lines as they are."""
    return _lines(path.read_text(encoding="utf-8"), r"(?<!\\)[|&]")


def _lines(text: str, between: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        for place, cell in enumerate(re.split(between, line.removeprefix("|").removesuffix("|")), 1):
            yield f"line {number}, cell {place}", cell.strip()


def _pdf(path: Path) -> Iterator[tuple[str, str]]:
    """What a PDF of matplotlib draws: paths, markers and texts by line, images as a whole; fonts are left out."""
    for number, each in enumerate(path.read_bytes().split(b"endobj")):
        head, is_stream, body = each.partition(b"stream\n")
        if is_stream and b"/Length1" not in head:
            drawn = zlib.decompressobj().decompress(body)
            if b"/Image" in head:
                yield f"image {number}", hashlib.sha256(head + drawn).hexdigest()  # the head has its palette
            else:
                lines = drawn.decode("latin-1").splitlines()
                yield from ((f"drawing {number}, line {i}", line) for i, line in enumerate(lines, 1))


def _drawn_alike(stored: str, made: str) -> bool:
    """Whether two lines of a drawing are the same to what eyes can see."""
    before, now = stored.split(), made.split()
    return len(before) == len(now) and all(map(_alike, before, now))


def _alike(stored: str, made: str) -> bool:
    try:
        return math.isclose(float(stored), float(made), rel_tol=0, abs_tol=POINTS)
    except ValueError:
        return stored == made


def _tensors(path: Path) -> Iterator[tuple[str, str]]:
    """A digest of each tensor."""
    for name, tensor in load_file(path).items():
        yield name, hashlib.sha256(tensor.tobytes()).hexdigest()


READERS: dict[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".md": _text,
    ".tex": _text,
    ".pdf": _pdf,
    ".safetensors": _tensors,
}
