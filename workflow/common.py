"""What every stage shares: where files are, how a run describes itself, how it starts."""

import hashlib
import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mfaranet.cli import report_errors
from mfaranet.files import read_json as read_json
from mfaranet.files import write_json
from mfaranet.settings import Settings

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


def start(stage: Callable[..., None]) -> None:
    """Run a stage with its command-line arguments; bad input ends it with one message and status 1."""
    report_errors(lambda: typer.run(stage))


def write_run(
    folder: Path, stage: str, settings: Sequence[Settings], used: Sequence[str], record: "DatasetRecord", **facts: Any
) -> None:
    """Describe the run that made the other files of ``folder``: every table cell points to such a description.

    ``used`` names the parts of the settings that the run depends on; ``params_sha256`` is over these, of the one
    experiment or of all in their order.
    """
    digests = [each.digest(*used) for each in settings]

    write_json(
        folder / "run.json",
        {
            "stage": stage,
            "params_used": list(used),
            "params_sha256": digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest(),
            **_commit(),
            "dataset": {
                "name": record.name,
                "title": record.title,
                "complete": record.complete,
                "fingerprint": record.fingerprint,
                "splits": record.splits,
            },
            **facts,
            "versions": {"python": platform.python_version(), **{p: importlib.metadata.version(p) for p in PACKAGES}},
        },
    )


def _commit() -> dict[str, Any]:
    """The code that ran: git's commit, and whether mfaranet/ or workflow/ differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "modified": bool(git("status", "--porcelain", "mfaranet", "workflow")),
        }
    except (OSError, subprocess.CalledProcessError):
        print(
            "this is no git checkout with a commit: the results will not name the code they came from", file=sys.stderr
        )
        return {"commit": None, "modified": None}
