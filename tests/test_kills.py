"""The stage train, killed under DVC, which removes its outputs before it runs it again."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).parents[1]
TRAIN = ("dvc", "repro", "--force", "--single-item", "train@sample-base")
STATES = Path("runs/sample/resume/base")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository with a small sample and one thread, all prepared for the training."""
    root = tmp_path_factory.mktemp("project")
    for name in ("mfaranet", "workflow"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml", ".gitignore"):
        shutil.copy(REPOSITORY / name, root / name)
    params = yaml.safe_load((root / "params.yaml").read_text())
    profile = params["profiles"]["sample"]
    profile["data"] |= {"train": 8, "val": 2, "test": 1}
    profile["train"] |= {"epochs": 3, "workers": 1}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    run(root, "git", "init", "-q")
    run(root, "dvc", "init", "-q")
    run(root, "git", "add", ".")
    run(root, "git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", "start")
    run(root, "dvc", "repro", "data", "weights")
    return root


def environment(root: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}


def run(root: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=root, env=environment(root), capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


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
    assert not (project / STATES).exists()

    kill(project)
    assert "going on after epoch" in run(project, *TRAIN)
    assert files(project) == whole
    assert not (project / STATES).exists()

    kill(project)
    losses = project / "mfaranet/losses.py"
    losses.write_text(losses.read_text() + "# changed\n")
    assert "not with the same code; starting afresh" in run(project, *TRAIN)
    changed = {name for name, content in files(project).items() if content != whole[name]}
    assert {Path(name).name for name in changed} == {"run.json"}  # which says that the code is modified
