"""What is edited while a stage runs is not recorded as what ran."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from project import STATES, Project, finished

TRAIN = ("dvc", "repro", "train@sample-base")
LAST = Path("runs/sample/train/base/last.safetensors")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Ready for a training of several epochs."""
    project = finished(tmp_path_factory)
    project.change("profiles", "sample", "train", "epochs", value=6)
    project.commit("start")
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


def test_an_edit_while_a_stage_runs_waits_for_the_next_run(project: Project) -> None:
    """What is recorded is what ran, with the settings and the code of its start; then the edit runs."""
    head = project.run("git", "rev-parse", "HEAD").strip()

    def edit() -> None:
        replace(project.root / "params.yaml", "base_lr: 0.005", "base_lr: 0.05")
        replace(
            project.root / "mfaranet/training/losses.py",
            "import torch\n",
            "import torch\n\nraise SystemExit('edited')\n",
        )
        project.commit("meanwhile")

    train(project, edit, status=0)
    run = project.json("runs/sample/train/base/run.json")
    assert (run["commit"], run["modified"]) == (head, False)
    assert run["plan"]["settings"]["train"]["base_lr"] == 0.005
    assert "train@sample-base" not in project.changed() > {"plan"}
    said = project.run(*TRAIN, status=255)
    assert "edited" in said
    project.run("git", "checkout", "-q", head, "--", "params.yaml", "mfaranet")
    project.run("dvc", "repro", "plan")
    assert "train@sample-base" not in project.changed()


def test_code_that_is_not_the_plans_does_not_run(project: Project) -> None:
    replace(project.root / "mfaranet/training/losses.py", "import torch\n", "import torch\n\nUNUSED = 1\n")
    said = project.run("dvc", "repro", "--single-item", "--force", "train@sample-base", status=255)
    assert (
        "train@sample-base: edited since the plan was made: mfaranet.training.losses. `dvc repro` makes the plan anew"
        in said
    )
    project.run("git", "checkout", "-q", "mfaranet")


@pytest.mark.night
def test_an_edit_of_the_data_while_a_stage_runs_is_not_recorded(project: Project) -> None:
    record = project.root / "data/sample/dataset.json"
    before = record.read_bytes()

    def edit() -> None:
        record.unlink()  # it may be a link to DVC's cache
        record.write_bytes(before + b"\n")

    project.change("profiles", "sample", "train", "epochs", value=5)
    shutil.rmtree(project.root / STATES)
    said = train(project, edit, status=255)
    assert "train-sample-base: edited while it ran: data/sample/dataset.json" in said
    (kept,) = (project.root / "runs/edited").iterdir()
    assert (kept / "results/sample/train/base/metrics.json").exists()
    assert not (project.root / LAST).exists()
    # With the edit taken back, the training that has ended is recorded without another.
    record.write_bytes(before)
    assert "going on after epoch 5" in project.run(*TRAIN)
    assert (project.root / LAST).read_bytes() == (kept / LAST).read_bytes()
    assert "train@sample-base" not in project.changed()
