"""What is edited while a stage runs is not recorded as what ran."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from project import STATES, Project, smallest

TRAIN = ("dvc", "repro", "train@sample-base")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Ready for a training of several epochs."""
    project = smallest(tmp_path_factory.mktemp("project"))
    project.change("profiles", "sample", "train", "epochs", value=6)
    project.commit("start")
    project.run("dvc", "repro", "data", "weights")
    return project


def train(project: Project, meanwhile: Callable[[], None], status: int) -> str:
    """Train, do something after the first epoch, and return what DVC said in the end."""
    dvc = subprocess.Popen(
        TRAIN, cwd=project.root, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    project.await_epoch(dvc)
    meanwhile()
    said, _ = dvc.communicate()
    assert dvc.returncode == status, said
    assert "Traceback" not in said
    return said


def replace(path: Path, old: str, new: str) -> None:
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_an_edit_while_a_stage_runs_is_not_recorded(project: Project) -> None:
    def edit() -> None:
        replace(project.root / "params.yaml", "base_lr: 0.005", "base_lr: 0.5")
        replace(project.root / "mfaranet/losses.py", '"""', '"""Edited. ')

    said = train(project, edit, status=255)
    assert "edited while it ran: params.yaml: train.base_lr, mfaranet/losses.py" in said
    assert "train@sample-base" not in (project.root / "dvc.lock").read_text()
    (kept,) = (project.root / "runs/edited").iterdir()
    assert (kept / "results/sample/train/base/metrics.json").exists()
    assert not (project.root / "runs/sample/train/base").exists()
    # With the edits taken back, the training that has ended is recorded without another.
    project.run("git", "checkout", "-q", ".")
    assert "going on after epoch 6" in project.run(*TRAIN)
    last = "runs/sample/train/base/last.safetensors"
    assert (project.root / last).read_bytes() == (kept / last).read_bytes()
    assert "train@sample-base" not in project.changed()


def test_an_edit_of_what_a_stage_does_not_use_leaves_it_alone(project: Project) -> None:
    shutil.rmtree(project.root / STATES)
    project.change("profiles", "sample", "train", "epochs", value=5)
    project.commit("shorter")
    head = project.run("git", "rev-parse", "HEAD").strip()

    def edit() -> None:
        project.change("tables", "overall", "title", value="Another title")
        replace(project.root / "mfaranet/tables.py", '"""', '"""Edited. ')
        project.commit("meanwhile")

    train(project, edit, status=0)
    run = project.json("runs/sample/train/base/run.json")
    assert (run["commit"], run["modified"]) == (head, False)  # as at the start
    assert "train@sample-base" not in project.changed()
