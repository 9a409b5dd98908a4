"""Results of another revision, asked of DVC; what it cannot tell is said in a sentence."""

import subprocess
import sys
from pathlib import Path

import pytest

from mfaranet.errors import InputError
from mfaranet.report.revisions import checked_out, metrics

PREDICTIONS = Path("runs/sample/evaluate/base/full_image")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository of one commit, with a table of one data set."""
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "results/sample/tables/overall.md"
    table.parent.mkdir(parents=True)
    table.write_text("first\n")
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.invalid")
    for command in (
        ("git", "init", "-q"),
        (sys.executable, "-m", "dvc", "init", "-q"),
        ("git", "add", "."),
        ("git", *identity, "commit", "-qm", "first"),
    ):
        subprocess.run(command, check=True)
    table.write_text("second\n")
    return tmp_path


def test_results_as_they_were_without_predictions_that_nobody_has() -> None:
    with checked_out("HEAD", "sample", PREDICTIONS) as (results, predictions):
        assert (results / "tables/overall.md").read_text() == "first\n"
        assert predictions is None


def test_what_there_is_not() -> None:
    with pytest.raises(InputError, match="HEAD has no results of camvid"), checked_out("HEAD", "camvid", PREDICTIONS):
        pass
    with pytest.raises(InputError, match=r"nowhere.*name a commit"), checked_out("nowhere", "sample", PREDICTIONS):
        pass
    with pytest.raises(InputError, match=r"`dvc metrics diff nowhere` failed: .*nowhere"):
        metrics("nowhere", "sample")
