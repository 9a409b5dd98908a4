"""The results of one data set that depend on no machine, made again from the recorded ones in the working folder."""

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.metrics import summarise
from mfaranet.evaluation.scoring import most_frequent_class
from mfaranet.files import read_json
from mfaranet.models import get_model
from mfaranet.params import Params
from mfaranet.schema import SampleData
from mfaranet.tables.results import training_of
from mfaranet.training.loop import train
from workflow import complexity, data, figures, report, summary, tables
from workflow.common import Paths, about
from workflow.differences import READERS, Values, leaves, values

RECORDED = ("complexity", "evaluate", "latency", "train")
"""Folders of results/<set> that the others are made of."""

Pair = tuple[str, Values, Values]
"""The name of a file, what is stored in it, and what it holds when it is made again."""


class Again:
    """Each method makes the results of one kind, and gives those that have a record beside what is stored.

    Args:
        dataset: its plan is in the working folder.
        params: of which the plan is.
        stored: the repository, to whose recorded results and images links are made.
        records: files and folders that DVC knows a run of. What is not in these was written by older code, and is left
            out.
    """

    def __init__(self, dataset: str, params: Params, stored: Path, records: Collection[Path]) -> None:
        self.dataset = dataset
        self.params = params
        self.stored = stored
        self.records = records
        self.left_out: set[Path] = set()
        self.paths = Paths(dataset)
        self.drawn = isinstance(params.profile(dataset).data, SampleData)
        """Whether a program makes the images."""
        images = stored / self.paths.data
        self.has_images = self.drawn or images.exists()
        self.paths.results.mkdir(parents=True)
        for name in RECORDED:
            (self.paths.results / name).symlink_to(stored / self.paths.results / name)
        self.paths.data.parent.mkdir(exist_ok=True)
        if self.drawn:
            _run(data.main, dataset)
        elif self.has_images:
            self.paths.data.symlink_to(images)

    def data(self) -> Iterator[Pair]:
        """What evaluations and their trainings say of the images."""
        now = about(DatasetRecord.load(self.paths.data))
        for folder in self._evaluations():
            path = folder / "run.json"
            run = read_json(path)
            said = {"dataset": run["dataset"], "training": {"dataset": training_of(run)["dataset"]}}
            yield path.as_posix(), leaves(said), leaves({"dataset": now, "training": {"dataset": now}})

    def scores(self) -> Iterator[Pair]:
        """Metrics, from the confusion matrices."""
        record = DatasetRecord.load(self.paths.data)
        for folder in self._evaluations():
            made: dict[str, Any] = {}
            for protocol, rows in pd.read_csv(folder / "confusion.csv").groupby("protocol"):
                made[str(protocol)] = summarise(torch.from_numpy(rows[record.classes].to_numpy()), record.classes)
            made["most_frequent_class"] = most_frequent_class(record, read_json(folder / "run.json")["split"])
            path = folder / "metrics.json"
            yield path.as_posix(), values(path), leaves(made)

    def complexity(self) -> Iterator[Pair]:
        """Parameters and multiply-accumulates, and what networks say of themselves; not which run counted."""
        folder = self.paths.complexity
        if not self._known(folder):
            return
        folder.unlink()  # a link
        _run(complexity.main, self.dataset)
        for name in ("complexity.json", "run.json"):
            kept = ("networks", "classes", "sizes") if name == "run.json" else ()
            stored, made = (_counted(read_json(root / folder / name), *kept) for root in (self.stored, Path()))
            yield (folder / name).as_posix(), stored, made

    def summary(self) -> Iterator[Pair]:
        """The scores that people compare, and digests of what tables show."""
        yield from self._made(summary.main, self.paths.metrics, self.paths.sources)

    def tables(self) -> Iterator[Pair]:
        """All four forms of each."""
        for name in self.params.tables:
            if self._known(self.paths.tables / f"{name}.md"):
                _run(tables.main, self.dataset, name)
        yield from self._files(self.paths.tables)

    def figures(self) -> Iterator[Pair]:
        """What the PDFs draw, and the points of the curves."""
        yield from self._made(figures.main, self.paths.vectors, self.paths.curves)

    def report(self) -> Iterator[Pair]:
        """What the index of pages says of the data set; tables and figures are made before."""
        card = self.paths.card
        if self._known(card):
            _run(report.main, self.dataset)
            yield card.as_posix(), values(self.stored / card), values(card)

    def training(self) -> Iterator[Pair]:
        """An epoch of the first experiment, and the same once more, on the CPU: other machines have other bits."""
        settings = self.params.settings(self.dataset, self.params.run.experiments[0])
        record, network = DatasetRecord.load(self.paths.data), settings.network
        facts = {"network": network.name, "options": network.options, "classes": record.classes}
        once, again = (self.paths.checkpoints / turn for turn in ("once", "again"))
        for folder in (once, again):
            torch.manual_seed(settings.train.seed)
            model = get_model(network.name, len(record.classes), **network.options)
            short = settings.train.model_copy(update={"epochs": 1, "device": "cpu"})
            train(model, short, self.paths.data, output=folder, curves=folder / "curves", facts=facts)
        for path in sorted([once / "last.safetensors", *once.rglob("*.tsv")]):
            name = path.relative_to(once)
            yield (again / name).as_posix(), values(path), values(again / name)

    def _known(self, path: Path) -> bool:
        """Whether there is a record of it, of what it lies in or of what lies in it."""
        known = any(path == each or path in each.parents or each in path.parents for each in self.records)
        if not known:
            self.left_out.add(path)
        return known

    def _evaluations(self) -> list[Path]:
        found = (path.parent for path in self.paths.results.glob("evaluate/*/run.json"))
        return sorted(filter(self._known, found))

    def _made(self, stage: Callable[[str], None], *folders: Path) -> Iterator[Pair]:
        if self._known(folders[0]):
            _run(stage, self.dataset)
            yield from self._files(*folders)

    def _files(self, *folders: Path) -> Iterator[Pair]:
        """Those that are stored or made."""
        for folder in folders:
            found = {path.relative_to(root) for root in (Path(), self.stored) for path in (root / folder).glob("*")}
            for path in sorted(found):
                if path.suffix in READERS and self._known(path):
                    yield path.as_posix(), values(self.stored / path), values(path)


def _run(stage: Callable[..., None], *items: str) -> None:
    """Run a stage, and keep to ourselves what it says of the files that it wrote."""
    with redirect_stdout(io.StringIO()):
        stage(*items)


def _counted(content: Any, *kept: str) -> Values:
    """Of a description of a run what is ``kept``; of counts all but the description of the run in each."""
    if kept:
        return leaves({key: content.get(key) for key in kept})
    return leaves({name: {key: value for key, value in each.items() if key != "run"} for name, each in content.items()})
