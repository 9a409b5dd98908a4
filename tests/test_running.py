"""Nobody asks DVC for its status while a stage runs where its process cannot be seen."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from project import Project, finished

from mfaranet.errors import InputError
from workflow.running import DEAD, FOLDER, announced, refuse_while_running

TRAIN = "train@sample-base"
NAMESPACE = ("unshare", "--pid", "--fork", "--mount-proc")


def has_namespaces() -> bool:
    return bool(shutil.which("unshare")) and not subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = finished(tmp_path_factory)
    project.change("profiles", "sample", "train", "epochs", value=6)
    project.commit("start")
    project.run("dvc", "repro", "plan")
    return project


@pytest.mark.skipif(not has_namespaces(), reason="no PID namespace can be made here")
def test_a_stage_in_another_pid_namespace_keeps_its_locks(project: Project) -> None:
    """As on another node, or in another container: Snakemake refuses to look, and the stage is recorded."""
    job = subprocess.Popen(
        [*NAMESPACE, sys.executable, "-m", "workflow.job", TRAIN],
        cwd=project.root,
        env=project.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    project.await_epoch(job)
    said = project.run("snakemake", "-n", status=1)
    assert f"{TRAIN} on {os.uname().nodename}" in said
    assert "wait for their end, or stop them" in said
    output, _ = job.communicate()
    assert job.returncode == 0, output
    assert TRAIN not in project.changed()
    assert not list((project.root / FOLDER).iterdir())
    assert "rule evaluate_sample_base" in project.run("snakemake", "-n")


def test_a_training_that_outlives_dvc_holds_its_gpu(project: Project, tmp_path: Path) -> None:
    """DVC alone is killed; the next training waits until the first has ended, though that is nobody's stage now."""
    shutil.rmtree(project.root / "runs/sample/resume", ignore_errors=True)
    environment = {"CUDA_VISIBLE_DEVICES": "0", "MFARANET_GPUS": "1", "TMPDIR": str(tmp_path)}
    dvc = subprocess.Popen(
        ["dvc", "repro", "--force", "--single-item", TRAIN],
        cwd=project.root,
        env={**project.environment, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    project.await_epoch(dvc)
    dvc.kill()
    dvc.wait()
    (running,) = (json.loads(path.read_text())["pid"] for path in (project.root / FOLDER).glob("*.json"))
    said = project.run("snakemake", "-n", status=1)
    assert f"process {running}" in said
    wait = "import time, workflow.gpus; workflow.gpus.hold_gpus(); print(time.time())"
    got_it = float(project.run(sys.executable, "-c", wait, **environment))
    assert (project.root / "runs/sample/train/base/run.json").stat().st_mtime < got_it


def test_who_is_dead_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with announced("train@a"):
        (own,) = FOLDER.glob("*.json")
        entry = json.loads(own.read_text())
        with pytest.raises(InputError, match=rf"train@a on {entry['host']}, process {os.getpid()}"):
            refuse_while_running()
    refuse_while_running()
    # One of this machine is dead when there is no such process, at once.
    dead = subprocess.Popen(["true"])
    dead.wait()
    own.write_text(json.dumps({**entry, "pid": dead.pid}))
    refuse_while_running()
    assert not own.exists()
    # One of another machine, when it has given no sign of life.
    own.write_text(json.dumps({**entry, "host": "other"}))
    with pytest.raises(InputError, match="on other"):
        refuse_while_running()
    os.utime(own, (time.time() - DEAD - 1,) * 2)
    refuse_while_running()
    assert not own.exists()
