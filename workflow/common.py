"""What every stage shares: where files are, how a run describes itself, how it starts."""

import functools
import importlib.metadata
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import mfaranet
from mfaranet.errors import InputError, report_errors
from mfaranet.files import read_json as read_json
from mfaranet.files import write_json
from mfaranet.records import keep_lock
from mfaranet.runs import predictions_folder, run_folder
from workflow.gpus import hold_gpus
from workflow.planned import Planned
from workflow.running import announced
from workflow.snapshot import Snapshot, commit, keep_aside

if TYPE_CHECKING:
    from mfaranet.data.record import DatasetRecord

PACKAGES = ("mfaranet", "torch", "opencv-python-headless")


class Paths:
    """Every path of one data set and experiment: data/ and runs/ are DVC's, results/ is git's."""

    def __init__(self, dataset: str, experiment: str = "") -> None:
        self.data = Path("data", dataset)
        self.decoded = Path("data", f"{dataset}-decoded.json")
        self.weights = Path("runs", dataset, "weights")
        self.checkpoints = run_folder(dataset, experiment)
        self.times = Path("runs", dataset, "times", f"{experiment}.csv")
        self.resume = Path("runs", dataset, "resume", experiment)
        self.predictions = predictions_folder(dataset, experiment)
        self.submission = Path("runs", dataset, "submission", experiment)
        self.results = Path("results", dataset)
        self.training = self.results / "train" / experiment
        self.evaluation = self.results / "evaluate" / experiment
        self.complexity = self.results / "complexity"
        self.latency = self.results / "latency"
        self.sources = self.results / "sources"
        self.metrics = self.results / "metrics"
        self.pictures = Path("runs", dataset, "figures")
        self.curves = self.results / "curves"
        self.figures = self.results / "figures"
        self.vectors = self.results / "figures-pdf"
        self.tables = self.results / "tables"
        self.report = self.results / "report.html"
        self.card = Path("results", "reports", f"{dataset}.json")


def start(stage: Callable[..., bool | None]) -> None:
    """Run a stage with its command-line arguments; bad input ends it with one message and status 1.

    A stage returns False in a process that leaves the results to another one.
    """

    @functools.wraps(stage)  # for its arguments
    def run(**arguments: str) -> None:
        script = Path(stage.__code__.co_filename)
        refuse_other_code(script)
        Planned.read(script.stem, *arguments.values()).load_code()
        hold_gpus()
        keep_lock()
        with announced("-".join([script.stem, *arguments.values()])):
            before = Snapshot.take(script.stem, arguments)
            commit()
            writes = stage(**arguments)
            if writes is not False and (edited := before.differences(Snapshot.take(script.stem, arguments))):
                keep_aside(script.stem, arguments, edited)

    report_errors(lambda: typer.run(run))


def refuse_other_code(script: Path) -> None:
    """Refuse to run code that does not lie in this folder, as DVC records this folder's.

    Raises:
        InputError: ``script`` or mfaranet is another folder's.
    """
    for file in (script, Path(mfaranet.__file__)):
        here = Path.cwd() / file.parent.name / file.name
        if not here.exists() or not here.samefile(file):
            raise InputError(
                f"{file} would run, but what is recorded is {here}; start the stage in the root of its repository, by "
                f"DVC, Snakemake or `python -m workflow.{script.stem}`"
            )


def kept(path: Path, wanted: Mapping[str, str]) -> dict[str, Any]:
    """The entries of an earlier result that still hold, so that a new network adds its own and no more.

    Args:
        path: the result, each entry with its ``run`` (see entry_run); it need not be there.
        wanted: of each entry a digest of all that it comes from.
    """
    entries = read_json(path) if path.exists() else {}
    return {
        name: entry for name, entry in entries.items() if wanted.get(name, "") == entry.get("run", {}).get("made_of")
    }


def entry_run(made_of: str) -> dict[str, Any]:
    """What an entry says of its own run, where the result as a whole may be of a later one."""
    return {"made_of": made_of, **commit()}


def write_run(folder: Path, planned: Planned, record: "DatasetRecord", **facts: Any) -> None:
    """Describe the run that made the other files of ``folder``: every table cell points to such a description."""
    write_json(
        folder / "run.json",
        {
            "stage": planned.stage,
            "params_sha256": planned.digest(),
            "code_sha256": planned.code_digest(),
            **commit(),
            "dataset": about(record),
            **facts,
            "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}},
            "plan": {"settings": planned.settings, "code": planned.code},
        },
    )


def about(record: "DatasetRecord") -> dict[str, Any]:
    """What a run says of its data set."""
    return {
        "name": record.name,
        "title": record.title,
        "complete": record.complete,
        "fingerprint": record.fingerprint,
        "splits": record.splits,
        "classes": len(record.classes),
        "classes_present": {split: sum(map(bool, pixels)) for split, pixels in record.class_pixels.items()},
    }
