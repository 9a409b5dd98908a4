"""The same seed gives the same bits wherever it runs, and what another number of threads changes is bounded."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from project import Project, smallest
from tiny import CLASSES, FACTS, curve, settings, write_data

import mfaranet
from mfaranet.data.loading import training_loader
from mfaranet.training.loop import train

STAGES = """
import contextlib, locale
from workflow import complexity, data, decode, evaluate, plan, summary, tables, train, weights

with contextlib.suppress(locale.Error):
    locale.setlocale(locale.LC_ALL, "")
plan.main()
for stage in (data, decode, weights):
    stage.main("sample")
for stage in (train, evaluate):
    stage.main("sample", "base")
for stage in (complexity, summary):
    stage.main("sample")
tables.main("sample", "overall")
"""
HERE = {
    "USER": "ada",
    "LC_ALL": "C",
    "PYTHONUTF8": "0",  # else Python takes C for UTF-8
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
}
THERE = {
    "USER": "ayşe",
    "LC_ALL": "tr_TR.UTF-8",  # a comma in numbers, and an I without a dot
    "TZ": "Asia/Kathmandu",
    "PYTHONHASHSEED": "4242",
}


def written(root: Path, umask: str, **environment: str) -> dict[str, str]:
    """A digest of each file that the stages write in a folder, but for how long the epochs took."""
    project = Project(root)
    project.run("sh", "-c", f"umask {umask}; exec {sys.executable} -c '{STAGES}'", **environment)
    folders = ("plan", "data", "runs", "results")
    files = {path: digest for folder in folders for path, digest in project.digests(folder).items()}
    return {str(Path(path).relative_to(root)): digest for path, digest in files.items() if "/times/" not in path}


def make_locale(folder: Path) -> dict[str, str]:
    """The locale of THERE, where the system can make it: else its name alone, which programs then take for C."""
    command = ["localedef", "-i", "tr_TR", "-f", "UTF-8", folder / THERE["LC_ALL"]]
    made = shutil.which("localedef") and not subprocess.run(command, capture_output=True).returncode
    return {"LOCPATH": str(folder)} if made else {}


def test_surroundings_change_no_bit(tmp_path: Path) -> None:
    """Folder, user, locale, time zone, order of sets, rights of files: data, training, evaluation, counts, table."""
    here, there = tmp_path / "here", tmp_path / "there/ein anderer Ordner"
    project = smallest(here)
    sample = {"form": "sample", "size": [64, 128], "train": 4, "val": 1, "test": 1, "seed": 0}
    project.change("profiles", "sample", "data", value=sample)
    shutil.copytree(here, there, symlinks=True)  # with its commit
    first = written(here, "022", HOME=str(tmp_path), **HERE)
    assert {"data/sample/dataset.json", "runs/sample/train/base/last.safetensors"} <= first.keys()
    assert {"results/sample/evaluate/base/metrics.json", "results/sample/tables/overall.tex"} <= first.keys()
    assert first == written(there, "077", HOME=str(there), **THERE, **make_locale(tmp_path))


def test_another_number_of_threads_moves_little(tmp_path: Path) -> None:
    """Data not at all, the first steps in the last bits; the bounds that docs/running.md states."""
    data = write_data(tmp_path / "data")
    before = torch.get_num_threads()
    batches, losses = [], []
    for threads in (1, 4):
        torch.set_num_threads(threads)
        batches.append(list(training_loader(settings(), data, rank=0, processes=1)))
        torch.manual_seed(0)
        model, output = mfaranet.get_model("mfaranet", len(CLASSES)), tmp_path / str(threads)
        train(model, settings(), data, output=output, curves=output / "curves", facts=FACTS)
        losses.append(curve(output, "train/total"))
    torch.set_num_threads(before)
    assert all(torch.equal(a, b) for one, two in zip(*batches, strict=True) for a, b in zip(one, two, strict=True))
    (first, second), (again, after) = losses
    assert first == pytest.approx(again, rel=1e-5)
    assert second == pytest.approx(after, rel=0.1)
