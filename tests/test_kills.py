"""The stage train, killed under DVC, which removes its outputs before it runs it again."""

import os
import shutil
import signal
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from project import STATES, Project, finished

TRAIN = ("dvc", "repro", "--force", "--single-item", "train@sample-base")
EVALUATE = ("dvc", "repro", "--single-item", "evaluate@sample-base")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With more epochs, and a process that loads images, planned."""
    project = finished(tmp_path_factory)
    profile = project.params()["profiles"]["sample"]
    project.change("profiles", "sample", "train", value={**profile["train"], "epochs": 3, "workers": 1})
    project.commit("start")
    project.run("dvc", "repro", "plan")
    return project


def files(project: Project) -> dict[str, bytes]:
    folders = [project.root / "runs/sample/train", project.root / "results/sample/train"]
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def kill(project: Project) -> None:
    """Kill DVC and the training that it runs, at once, when an epoch is complete."""
    dvc = subprocess.Popen(TRAIN, cwd=project.root, env=project.environment, start_new_session=True)
    project.await_epoch(dvc)
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()


def test_a_killed_stage_goes_on_unless_its_code_changed(project: Project, tmp_path: Path) -> None:
    project.run(*TRAIN)
    whole = files(project)
    # As after a kill before DVC has recorded the training.
    assert "going on after epoch 3" in project.run(*TRAIN)
    assert files(project) == whole
    project.run(*EVALUATE)
    assert not list((project.root / STATES).iterdir())

    kill(project)
    shutil.copytree(project.root / STATES, tmp_path / "states")
    assert "going on after epoch" in project.run(*TRAIN)
    assert files(project) == whole

    # As the kill left it.
    shutil.rmtree(project.root / STATES)
    shutil.copytree(tmp_path / "states", project.root / STATES)
    losses = project.root / "mfaranet/training/losses.py"
    losses.write_text(losses.read_text() + "UNUSED = 1\n")
    project.run("dvc", "repro", "plan")
    said = project.run(*TRAIN)
    writer = f"(mfaranet {version('mfaranet')})"
    assert f"stays; it is of another training, not with the same code {writer}\n" in said
    assert "going on" not in said
    changed = {name for name, content in files(project).items() if content != whole[name]}
    assert {Path(name).name for name in changed} == {"run.json"}  # which says that the code is modified
