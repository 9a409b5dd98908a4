"""What the report says of one data set, worked out of its stored tables: no number comes from elsewhere."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mfaranet.report.stored import Stored, StoredTable
from mfaranet.tables.cells import Cell

BASE = "base"
OURS = ("MFARANet", "MFARANet-Pruned")


@dataclass(frozen=True)
class Verdict:
    """A cell that says whether a value is the published one."""

    table: StoredTable
    row: str
    column: str
    text: str

    @property
    def kind(self) -> str:
        """``match``, ``differs`` or ``not comparable``."""
        return self.text.partition(":")[0]

    @property
    def reason(self) -> str:
        """Why it cannot be compared; empty otherwise."""
        return self.text.partition(": ")[2]


def sentence(stored: Stored) -> str:
    """What was reproduced, on what data, with what weights, on what machine."""
    runs = stored.runs
    trained = _each(run["training"].get("processor") or run["training"].get("device", "") for run in runs.values())
    weights = _each(
        "from scratch" if run["weights"] == "none" else "with trained or ImageNet weights" for run in runs.values()
    )
    data = _each(run["dataset"]["title"] for run in runs.values())
    part = "" if all(run["dataset"]["complete"] for run in runs.values()) else ", which is not a whole public data set"
    return f"{len(runs)} networks were trained {weights} on {trained} and evaluated on {data}{part}."


def verdicts(tables: Iterable[StoredTable]) -> list[Verdict]:
    """All that the tables say of published values."""
    return [
        Verdict(table, row[0].text, name, row[index].text)
        for table in tables
        for index, name in enumerate(table.columns)
        if name.startswith("Verdict")
        for row in table.rows
        if row[index].text
    ]


def summary(found: Sequence[Verdict]) -> list[tuple[str, int, list[tuple[str, int]]]]:
    """Each kind of verdict, how often, and its reasons with how often."""
    kinds = Counter(verdict.kind for verdict in found)
    return [
        (kind, count, Counter(each.reason for each in found if each.kind == kind and each.reason).most_common())
        for kind, count in kinds.most_common()
    ]


def networks(table: StoredTable, measure: str) -> list[dict[str, Any]]:
    """The points of a chart of mIoU here over a column (see charts.networks), of rows that have both.

    Of several with one name, which are variants of a network, the first.
    """
    points: dict[str, dict[str, Any]] = {}
    for row in table.cells("Network", measure, "mIoU here", "Params", "GFLOPs", "FPS here"):
        name, x, miou, params, gflops, fps = row
        if _known(x, miou, params):
            says = f"{name.text}: mIoU {miou.text} %, {params.text} million parameters, {gflops.text} GFLOPs"
            says += f", {fps.text} images a second" if fps.text else ""
            values = {"x": x.value, "miou": miou.value, "params": params.value}
            points.setdefault(name.text, {"name": name.text, "says": says, "ours": name.text in OURS, **values})
    return list(points.values())


@dataclass(frozen=True)
class Score:
    """What a table says of an experiment's accuracy by one protocol."""

    label: Cell
    data: Cell
    weights: Cell
    miou: Cell
    spread: Cell


def scores(tables: Iterable[StoredTable], protocol: str) -> dict[str, Score]:
    """Of each experiment that a table shows by a protocol with an mIoU."""
    found: dict[str, Score] = {}
    for table in tables:
        if table.column("Std over seeds") is None:
            continue
        for label, by, *cells in table.cells("Experiment", "Protocol", "Data", "Weights", "mIoU", "Std over seeds"):
            if by.value == protocol and _known(cells[2]):
                found.setdefault(label.value, Score(label, *cells))
    return found


def differences(found: Mapping[str, Score], names: Sequence[str]) -> list[dict[str, Any]]:
    """How far experiments are from base, in points (see charts.differences).

    Those alone that were trained on the same data from the same weights.
    """
    base = found.get(BASE)
    return [
        _difference(score, base.miou.value)
        for name in names
        if base and name != BASE and (score := found.get(name))
        if (score.data.text, score.weights.text) == (base.data.text, base.weights.text)
    ]


def _difference(score: Score, base: float) -> dict[str, Any]:
    difference, deviation = score.miou.value - base, score.spread.value or 0.0
    seeds = f"deviation over seeds {score.spread.text}" if score.spread.text else "one seed"
    return {
        "name": score.label.text,
        "says": f"{score.label.text}: {difference:+.1f} points, mIoU {score.miou.text} %, {seeds}",
        "difference": difference,
        "low": difference - deviation,
        "high": difference + deviation,
    }


def class_scores(table: StoredTable) -> list[dict[str, Any]]:
    """IoU of each class by each column of a table of classes (see charts.classes)."""
    return [
        {
            "class": row[0].text,
            "experiment": column,
            "iou": cell.value,
            "says": f"{row[0].text}, {column}: {cell.text} %",
        }
        for row in table.rows
        for column, cell in zip(table.columns[1:], row[1:], strict=True)
        if _known(cell)
    ]


def environment(stored: Stored) -> list[tuple[str, str]]:
    """On what the results came about, and by which code."""
    runs = list(stored.runs.values())
    facts = {
        "data": (run["dataset"]["title"] for run in runs),
        "images": (", ".join(f"{count} {split}" for split, count in run["dataset"]["splits"].items()) for run in runs),
        "evaluated on": (_machine(run) for run in runs),
        "trained on": (_machine(run["training"]) for run in runs),
        "code of commit": (f"{run['commit'][:12]}{', edited' if run['modified'] else ''}" for run in runs),
        "versions": (", ".join(f"{name} {version}" for name, version in run["versions"].items()) for run in runs),
    }
    return [(name, _each(values)) for name, values in facts.items()]


def _machine(run: Any) -> str:
    parts = [
        run.get("processor") or run.get("device"),
        run.get("instructions"),
        f"{run['threads']} threads" if "threads" in run else "",
    ]
    return ", ".join(part for part in parts if part)


def _each(values: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(value for value in values if value))


def _known(*cells: Cell) -> bool:
    return all(isinstance(cell.value, int | float) for cell in cells)
