"""The page says what the tables say, and nothing else."""

import base64
import gzip
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pages import BREAKING, EVIL, LONG, REPOSITORY, write_hard_page, write_page

from mfaranet.errors import InputError
from mfaranet.report.content import differences, scores, summary, verdicts
from mfaranet.report.difference import Change, changed_tables, write_difference
from mfaranet.report.index import card, write_index
from mfaranet.report.layers import LAYERS, Pictures
from mfaranet.report.stored import Stored
from mfaranet.tables.cells import describe

CELL = re.compile(r'<td data-cell="(\d+),(\d+)"[^>]*>(.*?)</td>', re.S)
TABLE = re.compile(r'<table data-table="([^"]+)"(.*?)</table>', re.S)


@pytest.mark.parametrize("dataset", ["sample", "camvid"])
def test_every_cell_is_that_of_the_tables(dataset: str, tmp_path: Path) -> None:
    write_page(dataset, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert len(text) < 3_000_000
    shown = {name: CELL.findall(body) for name, body in TABLE.findall(text)}
    stored = {
        path.stem: json.loads(path.read_text()) for path in (REPOSITORY / "results" / dataset / "tables").glob("*.json")
    }
    assert shown.keys() == stored.keys()
    for name, table in stored.items():
        expected = [(str(i), str(j), cell["text"]) for i, row in enumerate(table["rows"]) for j, cell in enumerate(row)]
        assert [(i, j, html.unescape(value)) for i, j, value in shown[name]] == expected
    assert unpacked(text) == {
        name: [[describe(cell["value"], cell["origin"]) for cell in row] for row in table["rows"]]
        for name, table in stored.items()
    }


def unpacked(text: str) -> Any:
    """The origins that a page holds."""
    (packed,) = re.findall(r'id="origins">([^<]+)<', text)
    return json.loads(gzip.decompress(base64.b64decode(packed)))


class Code(HTMLParser):
    """What of a page a browser would run: the attributes of scripts, and of other elements those that are code."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.handlers: list[tuple[str, str | None]] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs))
        links = [(name, value) for name, value in attrs if name in ("href", "src")]
        self.handlers += [each for each in attrs if each[0].startswith("on")]
        self.handlers += [each for each in links if not re.match(r"#|data:|https://|\w+/report\.html", each[1] or "")]


def test_names_from_data_are_escaped(tmp_path: Path) -> None:
    write_hard_page(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert EVIL not in text
    assert html.escape(EVIL) in text
    assert LONG in text
    code = Code(tmp_path / "report.html")
    assert [each["type"] for each in code.scripts] == ["text/plain", "text/plain", "module"]
    assert code.handlers == []


@pytest.mark.parametrize("name", [EVIL, BREAKING])
def test_no_name_is_markup_in_any_page(tmp_path: Path, name: str) -> None:
    """Of an experiment, a table, a metric, a file, a class, a revision, a data set."""
    before = write_table(tmp_path / "before", [row(name, 30.0, None, name)], COLUMNS)
    after = write_table(tmp_path / "after", [row(name, 31.0, None, "match")], COLUMNS)
    pictures = Pictures([{"name": name, **dict.fromkeys(("image", *LAYERS), "data:,")}], [(name, (1, 2, 3))])
    both, changes = {"before": pictures, "after": pictures}, [Change(name, name, name)]
    write_difference(tmp_path / "difference.html", name, before, after, changes, changes, both)
    write_index(tmp_path / "index.html", [{**card(after, name), "dataset": "sample", "sentence": name}])
    write_page("camvid", tmp_path / "report.html", pictures=pictures)
    for page, scripts in ("difference", 0), ("index", 0), ("report", 3):
        text, code = (tmp_path / f"{page}.html").read_text(), Code(tmp_path / f"{page}.html")
        assert name not in text
        assert html.escape(name) in text.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
        assert len(code.scripts) == scripts
        assert code.handlers == []


def test_the_same_results_give_the_same_page(tmp_path: Path) -> None:
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        write_page("camvid", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no tables"):
        Stored(tmp_path)


def write_table(root: Path, rows: list[list[tuple[Any, str]]], columns: list[str]) -> Stored:
    cells = [[{"value": value, "text": text, "origin": None} for value, text in row] for row in rows]
    content = {"title": "T", "columns": columns, "notes": [], "rows": cells}
    (root / "tables").mkdir(parents=True, exist_ok=True)
    (root / "tables/overall.json").write_text(json.dumps(content))
    return Stored(root)


COLUMNS = ["Experiment", "Protocol", "Data", "Weights", "mIoU (%)", "Std over seeds (points)", "Verdict"]


def row(name: str, miou: float, spread: float | None, verdict: str, data: str = "D") -> list[tuple[Any, str]]:
    shown = (spread, "" if spread is None else f"{spread:.1f}")
    return [
        (name, name),
        ("full_image", "full image"),
        (data, data),
        ("none", "from scratch"),
        (miou, f"{miou:.1f}"),
        shown,
        (verdict, verdict),
    ]


def test_differences_are_from_base_on_the_same_data(tmp_path: Path) -> None:
    rows = [row("base", 30.0, 0.5, "match"), row("less", 28.5, None, "differs"), row("other", 60.0, None, "", data="E")]
    stored = write_table(tmp_path, rows, COLUMNS)
    found = differences(scores(stored.tables.values(), "full_image"), ["base", "less", "other", "absent"])
    assert [(each["name"], each["difference"], each["low"], each["high"]) for each in found] == [
        ("less", -1.5, -1.5, -1.5)
    ]
    assert differences(scores(stored.tables.values(), "single_scale"), ["less"]) == []


def test_verdicts_are_counted_with_their_reasons(tmp_path: Path) -> None:
    reasons = ["match", "not comparable: published on cityscapes", "not comparable: published on cityscapes", ""]
    stored = write_table(tmp_path, [row(str(i), 1.0, None, text) for i, text in enumerate(reasons)], COLUMNS)
    assert summary(verdicts(stored.tables.values())) == [
        ("not comparable", 2, [("published on cityscapes", 2)]),
        ("match", 1, []),
    ]


def test_a_difference_names_each_changed_cell(tmp_path: Path) -> None:
    before = write_table(tmp_path / "a", [row("base", 30.0, None, "match"), row("gone", 1.0, None, "")], COLUMNS)
    after = write_table(tmp_path / "b", [row("base", 31.0, None, "match")], COLUMNS)
    (table,) = changed_tables(before, after)
    assert table.rows[0] == ("base, full image", [Change("mIoU (%)", "30.0", "31.0")])
    assert table.rows[1][0] == "gone, full image"
    assert list(changed_tables(after, after)) == []
    page = tmp_path / "page.html"
    write_difference(page, "v1", before, after, [Change("train.epochs", 2, 3)], [], {})
    text = page.read_text()
    assert "train.epochs" in text
    assert "<del>30.0</del> → <ins>31.0</ins>" in text
    assert "No metric changed." in text


def test_the_index_puts_data_sets_side_by_side(tmp_path: Path) -> None:
    stored = write_table(tmp_path / "sample", [row("base", 30.0, None, "match")], COLUMNS)
    cards = [card(stored, "full_image"), {**card(stored, "full_image"), "dataset": "other"}]
    write_index(tmp_path / "report.html", cards)
    text = (tmp_path / "report.html").read_text()
    assert '<a href="sample/report.html">sample</a>' in text
    assert text.count('<td class="number">30.0</td>') == 2
