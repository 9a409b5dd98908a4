"""Tables from stored results: every cell knows the file and the run that its value came from."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from mfaranet.errors import InputError
from mfaranet.files import read_json, write_json, write_text
from mfaranet.settings import TableSettings

PUBLISHED = Path(__file__).with_name("published.yaml")


@dataclass(frozen=True)
class Cell:
    """``value`` as stored, ``text`` as shown, ``origin``: where it came from (None for a blank)."""

    value: Any
    text: str
    origin: dict[str, Any] | None


BLANK = Cell(None, "", None)


@dataclass(frozen=True)
class Table:
    """Column headers, rows of cells, and notes that belong under the table."""

    title: str
    columns: list[str]
    rows: list[list[Cell]]
    notes: list[str]

    def write(self, stem: Path) -> None:
        """Write ``<stem>.md``, ``.csv`` (full precision), ``.tex`` (booktabs) and ``.json`` (origins)."""
        texts = pd.DataFrame([[cell.text for cell in row] for row in self.rows], columns=self.columns)
        values = pd.DataFrame([[_plain(cell) for cell in row] for row in self.rows], columns=self.columns)
        notes = "\n".join(f"- {note}" for note in self.notes)
        markdown = texts.to_markdown(index=False, disable_numparse=True, colalign=self._alignment())
        write_text(stem.with_suffix(".md"), f"# {self.title}\n\n{markdown}\n\n{notes}\n")
        write_text(stem.with_suffix(".csv"), values.to_csv(index=False))
        write_text(stem.with_suffix(".tex"), self._latex(texts))
        content = {"title": self.title, "columns": self.columns, "notes": self.notes}
        write_json(
            stem.with_suffix(".json"), {**content, "rows": [[asdict(cell) for cell in row] for row in self.rows]}
        )

    def _alignment(self) -> list[str]:
        numeric = [any(isinstance(row[i].value, int | float) for row in self.rows) for i in range(len(self.columns))]
        return ["right" if is_number else "left" for is_number in numeric]

    def _latex(self, texts: pd.DataFrame) -> str:
        columns = "".join(side[0] for side in self._alignment())
        escaped = pd.DataFrame(texts.map(_escape).to_numpy(), columns=[_escape(column) for column in texts.columns])
        body = escaped.to_latex(index=False, escape=False, column_format=columns, caption=_escape(self.title))
        return "".join(f"% {note}\n" for note in self.notes) + body


class Results:
    """The stored results of one data set, as cells."""

    def __init__(self, root: Path, table: str, selected: Collection[str]) -> None:
        self.root = root
        self.table = table
        self.selected = selected
        self._read = cache(read_json)

    def cell(self, folder: str, file: str, pointer: str, show: Callable[[Any], str] = str) -> Cell:
        """The value at a JSON pointer of ``<folder>/<file>``; its run is described in run.json beside it."""
        path = self.root / folder / file
        value = resolve(self._read(path), pointer, path)
        run = self.run(folder)
        origin = {
            "file": path.as_posix(),
            "pointer": pointer,
            "stage": run["stage"],
            "params_sha256": run["params_sha256"],
            "commit": run["commit"],
            "modified": run["modified"],
            "dataset": run["dataset"]["title"],
            "weights": run["weights"],
        }
        return BLANK if value is None else Cell(value, show(value), origin)

    def run(self, folder: str) -> Any:
        """The description of the run that wrote a folder."""
        return self._read(self.root / folder / "run.json")

    def rows(self, settings: TableSettings) -> list[tuple[int, str, int, str]]:
        """The experiments and protocols that a table has results of, each with its place in the definition."""
        return [
            (i, experiment, j, protocol)
            for i, experiment in enumerate(settings.experiments)
            if experiment in self.selected
            for j, protocol in enumerate(settings.protocols)
            if protocol in self._read(self.root / "evaluate" / experiment / "metrics.json")
        ]

    def defined(self, pointer: str, value: str, text: str | None = None) -> Cell:
        """A row or column name, which the table's definition in params.yaml gives."""
        origin = {"file": "params.yaml", "pointer": f"/tables/{self.table}/{pointer}"}
        return Cell(value, text or value, origin)


def build(name: str, settings: TableSettings, selected: Collection[str], results: Path) -> Table:
    """Make a table from ``results``, the folder of one data set, of those of its experiments that are selected.

    Raises:
        InputError: a result that the table needs is missing, or holds no such value.
    """
    make = {"overall": _overall, "per_class": _per_class}[settings.kind]
    return make(settings, Results(results, name, selected))


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


def _overall(settings: TableSettings, results: Results) -> Table:
    columns = [
        "Experiment",
        "Network",
        "Data",
        "Weights",
        "Protocol",
        "Input",
        "mIoU (%)",
        "mIoU published (%)",
        "Pixel accuracy (%)",
        "Params (M)",
        "GMACs (1e9)",
        "GFLOPs of the paper (MACs / 1024^3)",
    ]
    rows = [_result(results, *place) for place in results.rows(settings)]
    if rows:
        rows.append(_baseline(results, f"evaluate/{results.rows(settings)[0][1]}", columns))
    return Table(settings.title, columns, rows, _notes(settings, results))


def _result(results: Results, i: int, experiment: str, j: int, protocol: str) -> list[Cell]:
    evaluated, counted = f"evaluate/{experiment}", f"/{experiment}/{protocol}"
    return [
        results.defined(f"experiments/{i}", experiment),
        results.cell(evaluated, "run.json", "/network/name"),
        results.cell(evaluated, "run.json", "/dataset/title"),
        results.cell(evaluated, "run.json", "/weights", _weights),
        results.defined(f"protocols/{j}", protocol, protocol.replace("_", " ")),
        results.cell("complexity", "complexity.json", f"{counted}/input_size", _size),
        results.cell(evaluated, "metrics.json", f"/{protocol}/miou", _percent),
        _published(results, experiment, protocol),
        results.cell(evaluated, "metrics.json", f"/{protocol}/pixel_accuracy", _percent),
        results.cell("complexity", "complexity.json", f"{counted}/params", _millions),
        results.cell("complexity", "complexity.json", f"{counted}/macs", _billions),
        results.cell("complexity", "complexity.json", f"{counted}/macs", _paper_gflops),
    ]


def _baseline(results: Results, evaluated: str, columns: list[str]) -> list[Cell]:
    """The row of predicting the most frequent class of the training split everywhere."""
    scores = "/most_frequent_class"
    known = {
        "Experiment": results.cell(evaluated, "metrics.json", f"{scores}/class", "most frequent class: {}".format),
        "Data": results.cell(evaluated, "run.json", "/dataset/title"),
        "mIoU (%)": results.cell(evaluated, "metrics.json", f"{scores}/miou", _percent),
        "Pixel accuracy (%)": results.cell(evaluated, "metrics.json", f"{scores}/pixel_accuracy", _percent),
    }
    return [known.get(column, BLANK) for column in columns]


def _per_class(settings: TableSettings, results: Results) -> Table:
    runs = [(experiment, protocol) for _, experiment, _, protocol in results.rows(settings)]
    columns = ["Class", *(f"{experiment}, {protocol.replace('_', ' ')} (%)" for experiment, protocol in runs)]
    rows = []
    if runs:
        classes = results.cell(f"evaluate/{runs[0][0]}", "metrics.json", f"/{runs[0][1]}/iou")
        for name in classes.value:
            key = name.replace("~", "~0").replace("/", "~1")
            cells = [results.cell(f"evaluate/{e}", "metrics.json", f"/{p}/iou/{key}", _percent) for e, p in runs]
            rows.append([replace(classes, value=name, text=name), *cells])
        means = [results.cell(f"evaluate/{e}", "metrics.json", f"/{p}/miou", _percent) for e, p in runs]
        rows.append([Cell("mean", "mean", None), *means])
    return Table(settings.title, columns, rows, _notes(settings, results))


def _published(results: Results, experiment: str, protocol: str) -> Cell:
    """The published mIoU of the same experiment and network on the same data at the same input size, or blank."""
    run = results.run(f"evaluate/{experiment}")
    size = results.cell("complexity", "complexity.json", f"/{experiment}/{protocol}/input_size").value
    wanted = {
        "experiment": experiment,
        "network": run["network"]["name"],
        "dataset": run["dataset"]["name"],
        "split": run["split"],
        "protocol": protocol,
        "input_size": size,
    }
    if not run["dataset"]["complete"]:
        return BLANK
    for index, entry in enumerate(yaml.safe_load(PUBLISHED.read_text())):
        if all(entry[key] == value for key, value in wanted.items()):
            origin = {"file": "mfaranet/published.yaml", "pointer": f"/{index}/miou", "source": entry["source"]}
            return Cell(entry["miou"], _percent(entry["miou"]), origin)
    return BLANK


def _notes(settings: TableSettings, results: Results) -> list[str]:
    shown = list(dict.fromkeys(experiment for _, experiment, _, _ in results.rows(settings)))
    notes = []
    absent = [experiment for experiment in settings.experiments if experiment not in shown]
    if absent:
        notes.append(f"Not measured, because params.yaml does not select them here: {', '.join(absent)}.")
    if not shown:
        return notes
    runs = {experiment: results.run(f"evaluate/{experiment}") for experiment in shown}
    run = runs[shown[0]]
    notes.insert(0, f"Measured on the {run['split']} split of: {run['dataset']['title']}.")
    if not run["dataset"]["complete"]:
        notes.append("This is not a whole public data set: no number here can be compared with a published one.")
    if run["weights"] == "none":
        notes.append("Trained from scratch, without ImageNet weights.")
    seen = [experiment for experiment, each in runs.items() if each["training"]["split"] == "trainval"]
    if seen:
        notes.append(f"Trained on the validation split as well, so that their scores say nothing: {', '.join(seen)}.")
    notes.append("mIoU is the mean over the classes that occur, from one confusion matrix over all images.")
    return notes


def _plain(cell: Cell) -> Any:
    return cell.value if isinstance(cell.value, int | float) else cell.text


def _weights(value: Any) -> str:
    if value == "none":
        return "from scratch"
    return "the authors'" if "released" in value else "ImageNet"


def _size(value: Sequence[int]) -> str:
    return "x".join(str(length) for length in value)


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _millions(value: int) -> str:
    return f"{value / 1e6:.2f}"


def _billions(value: int) -> str:
    return f"{value / 1e9:.2f}"


def _paper_gflops(value: int) -> str:
    return f"{value / 1024**3:.2f}"


def _escape(text: str) -> str:
    for symbol in "&%$#_{}":
        text = text.replace(symbol, f"\\{symbol}")
    return text
