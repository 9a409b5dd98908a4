"""Results of an earlier commit or experiment, and what DVC says has changed since: the one place that asks DVC."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mfaranet.errors import InputError
from mfaranet.report.difference import Change

PARTS = ("tables", "evaluate", "curves")
"""Of results/<data set>, what a page is made of."""


def parameters(revision: str) -> list[Change]:
    """What `dvc params diff` finds.

    Raises:
        InputError: DVC cannot compare, as it says itself.
    """
    return list(_changes("params", revision))


def metrics(revision: str, dataset: str) -> list[Change]:
    """What `dvc metrics diff` finds of a data set.

    Raises:
        InputError: DVC cannot compare, as it says itself.
    """
    found = _changes("metrics", revision)
    return sorted((each for each in found if each.name.startswith(f"results/{dataset}/")), key=lambda each: each.name)


@contextmanager
def checked_out(revision: str, dataset: str, predictions: Path) -> Iterator[tuple[Path, Path | None]]:
    """Folders of the results, and of some predictions where DVC has them, as they were at a revision.

    Raises:
        InputError: there is no such revision, or it has no results of the data set.
    """
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(rev=revision)
        with TemporaryDirectory() as folder:
            results = Path(folder, dataset)
            for part in PARTS:
                source = f"results/{dataset}/{part}"
                if files.isdir(source):
                    files.get(source, str(results / part), recursive=True)
            if not results.exists():
                raise InputError(f"{revision} has no results of {dataset}")
            there: Path | None = Path(folder, "predictions")
            try:
                files.get(predictions.as_posix(), str(there), recursive=True)
            except (DvcException, OSError):  # not in the cache of this machine
                there = None
            yield results, there
    except (DvcException, SCMError) as error:
        raise InputError(f"{revision}: {error}; name a commit, a branch or an experiment of `dvc exp show`") from None


def _changes(kind: str, revision: str) -> Iterator[Change]:
    command = [sys.executable, "-m", "dvc", kind, "diff", "--json", revision]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`dvc {kind} diff {revision}` failed: {done.stderr.strip()}")
    found: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout or "{}")
    for path, values in found.items():
        for key, value in values.items():
            yield Change(f"{path}: {key}", value.get("old"), value.get("new"))
