"""What every stage shares: where files are, how a run describes itself, how it starts."""

import functools
import importlib.metadata
import platform
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import mfaranet
from mfaranet.errors import InputError, report_errors
from mfaranet.files import read_json as read_json
from mfaranet.files import write_json
from workflow.gpus import hold_gpus
from workflow.planned import Planned
from workflow.running import announced
from workflow.snapshot import Snapshot, commit, keep_aside

if TYPE_CHECKING:
    from mfaranet.data.prepared import DatasetRecord

PACKAGES = ("mfaranet", "torch", "opencv-python-headless")


class Paths:
    """Every path of one data set and experiment: data/ and runs/ are DVC's, results/ is git's."""

    def __init__(self, dataset: str, experiment: str = "") -> None:
        self.data = Path("data", dataset)
        self.weights = Path("runs", dataset, "weights")
        self.checkpoints = Path("runs", dataset, "train", experiment)
        self.resume = Path("runs", dataset, "resume", experiment)
        self.predictions = Path("runs", dataset, "evaluate", experiment)
        self.submission = Path("runs", dataset, "submission", experiment)
        self.results = Path("results", dataset)
        self.training = self.results / "train" / experiment
        self.evaluation = self.results / "evaluate" / experiment
        self.complexity = self.results / "complexity"
        self.latency = self.results / "latency"
        self.figures = self.results / "figures"
        self.tables = self.results / "tables"


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


def write_run(folder: Path, planned: Planned, record: "DatasetRecord", **facts: Any) -> None:
    """Describe the run that made the other files of ``folder``: every table cell points to such a description."""
    write_json(
        folder / "run.json",
        {
            "stage": planned.stage,
            "params_sha256": planned.digest(),
            "code_sha256": planned.code_digest(),
            **commit(),
            "dataset": {
                "name": record.name,
                "title": record.title,
                "complete": record.complete,
                "fingerprint": record.fingerprint,
                "splits": record.splits,
                "classes": len(record.classes),
                "classes_present": {split: sum(map(bool, pixels)) for split, pixels in record.class_pixels.items()},
            },
            **facts,
            "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}},
            "plan": {"settings": planned.settings, "code": planned.code},
        },
    )
