"""The page that shows what changed of a data set's results since an earlier revision."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from mfaranet.files import write_text
from mfaranet.report import charts
from mfaranet.report.environment import templates
from mfaranet.report.layers import Pictures
from mfaranet.report.stored import CURVES, Stored, StoredTable
from mfaranet.tables.cells import Cell


@dataclass(frozen=True)
class Change:
    """A value before and after; None where there was or is none."""

    name: str
    before: Any
    after: Any

    @property
    def difference(self) -> float | None:
        """Of two numbers."""
        numbers = [value for value in (self.before, self.after) if isinstance(value, int | float)]
        return float(self.after - self.before) if len(numbers) == 2 else None


@dataclass(frozen=True)
class ChangedTable:
    """The rows of a table in which a text changed: their labels, and the cells that did by header, before and after."""

    title: str
    rows: list[tuple[str, list[Change]]]


def write_difference(
    path: Path,
    revision: str,
    before: Stored,
    after: Stored,
    parameters: Sequence[Change],
    metrics: Sequence[Change],
    pictures: Mapping[str, Pictures],
) -> None:
    """Write the page.

    Args:
        path: the HTML file.
        revision: with which the results are compared, for people.
        before: its results.
        after: those of the folder.
        parameters: of params.yaml, as DVC compares them.
        metrics: the same.
        pictures: of predictions, by ``before`` and ``after`` as far as they are here.
    """
    page = templates().get_template("difference.html.j2")
    text = page.render(
        title=f"{after.dataset}: what changed since {revision}",
        revision=revision,
        parameters=parameters,
        metrics=metrics,
        tables=list(changed_tables(before, after)),
        curves=dict(_curves(before, after, revision)),
        pictures=list(_side_by_side(pictures)),
    )
    write_text(path, text)


def changed_tables(before: Stored, after: Stored) -> Iterator[ChangedTable]:
    """The tables in which something changed, in the order of their names."""
    for name in sorted(before.tables.keys() | after.tables.keys()):
        old, new = before.tables.get(name), after.tables.get(name)
        title = next(table.title for table in (new, old) if table)
        if rows := list(_changed_rows(old, new)):
            yield ChangedTable(title, rows)


def _changed_rows(old: StoredTable | None, new: StoredTable | None) -> Iterator[tuple[str, list[Change]]]:
    olds, news = _by_label(old), _by_label(new)
    for label in dict.fromkeys([*news, *olds]):
        before, after = olds.get(label, {}), news.get(label, {})
        changes = [
            Change(header, _text(before.get(header)), _text(after.get(header)))
            for header in dict.fromkeys([*after, *before])
            if _text(before.get(header)) != _text(after.get(header))
        ]
        if changes:
            yield label, changes


def _by_label(table: StoredTable | None) -> dict[str, dict[str, Cell]]:
    """The rows of a table, each by what tells it from the others: the texts that no run has made, and its number if
    those are not enough."""
    found: dict[str, dict[str, Cell]] = {}
    if table is None:
        return found
    places = [
        place
        for place in map(table.column, ("Experiment", "Network", "Class", "Protocol", "Input"))
        if place is not None
    ]
    for row in table.rows:
        label = ", ".join(dict.fromkeys(row[place].text.rstrip("*") for place in places if row[place].text))
        while label in found:
            label += " (again)"
        found[label] = dict(zip(table.columns, row, strict=True))
    return found


def _text(cell: Cell | None) -> str:
    return cell.text if cell else ""


def _curves(before: Stored, after: Stored, revision: str) -> Iterator[tuple[str, Markup]]:
    """Those of experiments whose curve changed, both over each other."""
    for name, title in CURVES.items():
        old, new = before.curve(name), after.curve(name)
        changed = [
            each
            for each in dict.fromkeys([*new["experiment"], *old["experiment"]])
            if _values(old, each) != _values(new, each)
        ]
        frames = [_of(old, changed, f" at {revision}"), _of(new, changed, " now")]
        if changed:
            yield title, charts.curves(pd.concat(frames), name, title)


def _of(curve: pd.DataFrame, experiments: Sequence[str], when: str) -> pd.DataFrame:
    rows = curve[curve["experiment"].isin(experiments)]
    return rows.assign(experiment=rows["experiment"] + when)


def _values(curve: pd.DataFrame, experiment: str) -> list[Any]:
    rows: list[Any] = curve[curve["experiment"] == experiment].to_numpy().tolist()
    return rows


def _side_by_side(pictures: Mapping[str, Pictures]) -> Iterator[dict[str, str]]:
    """Each image with its predictions at both times, where both are there."""
    if pictures.keys() != {"before", "after"}:
        return
    olds = {each["name"]: each for each in pictures["before"].images}
    for new in pictures["after"].images:
        if old := olds.get(new["name"]):
            shown = {"image": new["image"], "ground truth": new["ground truth"]}
            yield {"name": new["name"], **shown, "before": old["prediction"], "now": new["prediction"]}
