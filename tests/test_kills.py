"""The stage train, killed under DVC, which removes its outputs before it runs it again."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from project import Project, copy

TRAIN = ("dvc", "repro", "--force", "--single-item", "train@sample-base")
EVALUATE = ("dvc", "repro", "--single-item", "evaluate@sample-base")
STATES = Path("runs/sample/resume/base")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a small sample and one thread, all prepared for the training."""
    copied = copy(tmp_path_factory.mktemp("project"))
    root = copied.root
    params = yaml.safe_load((root / "params.yaml").read_text())
    profile = params["profiles"]["sample"]
    profile["data"] |= {"train": 8, "val": 2, "test": 1}
    profile["train"] |= {"epochs": 3, "workers": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    run(root, "git", "init", "-q")
    run(root, "dvc", "init", "-q")
    copied.commit("start")
    run(root, "dvc", "repro", "data", "weights")
    return root


def environment(root: Path) -> dict[str, str]:
    return Project(root).environment


def run(root: Path, *command: str) -> str:
    return Project(root).run(*command)


def files(root: Path) -> dict[str, bytes]:
    folders = [root / "runs/sample/train", root / "results/sample/train"]
    return {str(path): path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}


def kill(root: Path) -> None:
    """Kill DVC and the training that it runs, at once, when an epoch is complete."""
    dvc = subprocess.Popen(TRAIN, cwd=root, env=environment(root), start_new_session=True)
    until = time.monotonic() + 120
    while not list((root / STATES).glob("epoch_*.pt")):
        assert dvc.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    os.killpg(dvc.pid, signal.SIGKILL)
    dvc.wait()


def test_a_killed_stage_goes_on_unless_its_code_changed(project: Path) -> None:
    run(project, *TRAIN)
    whole = files(project)
    # As after a kill before DVC has recorded the training.
    assert "going on after epoch 3" in run(project, *TRAIN)
    assert files(project) == whole
    run(project, *EVALUATE)
    assert not (project / STATES).exists()

    kill(project)
    assert "going on after epoch" in run(project, *TRAIN)
    assert files(project) == whole
    shutil.rmtree(project / STATES)

    kill(project)
    losses = project / "mfaranet/losses.py"
    losses.write_text(losses.read_text() + "# changed\n")
    assert "not with the same code; starting afresh" in run(project, *TRAIN)
    changed = {name for name, content in files(project).items() if content != whole[name]}
    assert {Path(name).name for name in changed} == {"run.json"}  # which says that the code is modified
