"""The code that runs is that of the folder in which a stage is started, and whose commit its results name."""

import json
import re
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from project import REPOSITORY, Project, finished

STAGE = "complexity@sample"
CODE = "mfaranet/datasets/preparation.py"
RUN = "results/sample/complexity/run.json"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has run once, with another one's installation: here that of the repository under test."""
    project = finished(tmp_path_factory)
    project.commit("results")
    assert_runs(project, "drawn sample", project.json(RUN))
    return project


def edit(project: Project, title: str) -> None:
    """Change the code so that the results show it, and commit."""
    path = project.root / CODE
    before = path.read_text()
    path.write_text(re.sub(r'title = f"[^{]*', f'title = f"{title} ', before))
    assert path.read_text() != before
    project.commit(title)


def assert_runs(project: Project, title: str, run: dict[str, Any]) -> None:
    """The results are of the code that shows this title, and so is the commit that they name."""
    assert run["dataset"]["title"].startswith(title)
    assert f'title = f"{title}' in project.run("git", "show", f"{run['commit']}:{CODE}")
    assert run["modified"] is False


@pytest.mark.night
@pytest.mark.parametrize("command", [("clone", "-q", "."), ("worktree", "add", "-q", "-b", "other")])
def test_a_second_checkout_runs_its_own_code(project: Project, tmp_path: Path, command: tuple[str, ...]) -> None:
    project.run("git", *command, str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    edit(second, f"of a {command[0]}")
    second.run("dvc", "repro", STAGE)
    assert_runs(second, f"of a {command[0]}", second.json(RUN))


@pytest.mark.parametrize("where", ["temp", pytest.param("queue", marks=pytest.mark.night)])
def test_an_experiment_elsewhere_runs_the_code_that_it_records(project: Project, where: str) -> None:
    edit(project, f"by {where}")
    seed = "profiles.sample.data.seed=7"
    project.run("dvc", "exp", "run", f"--{where}", "-n", where, "-S", seed, STAGE)
    if where == "queue":
        project.run("dvc", "queue", "start")
        await_queue(project)
    project.run("dvc", "exp", "branch", where, where)
    assert_runs(project, f"by {where}", json.loads(project.run("git", "show", f"{where}:{RUN}")))
    # A plain run takes nothing else from the run cache.
    project.run("dvc", "exp", "run", "-S", seed, STAGE)
    assert_runs(project, f"by {where}", project.json(RUN))
    project.commit("results")


def await_queue(project: Project) -> None:
    until = time.monotonic() + 180
    while "Running" in (said := project.run("dvc", "queue", "status")) or "Queued" in said:
        assert time.monotonic() < until, said
        time.sleep(0.5)
    assert "Success" in said, said


def test_an_installed_copy_is_not_used(project: Project, tmp_path: Path) -> None:
    """As after `pip install .`: site-packages come after the folder, with the environment's variables or without."""
    shutil.copytree(project.root / "mfaranet", tmp_path / "mfaranet")
    (tmp_path / "mfaranet/__init__.py").write_text("raise SystemExit('the installed code')")
    project.run("dvc", "repro", "--force", "--single-item", STAGE, PYTHONPATH=str(tmp_path))


def test_code_of_another_folder_is_refused_with_both_paths(project: Project, tmp_path: Path) -> None:
    for name in ("mfaranet", "workflow"):
        shutil.copytree(project.root / name, tmp_path / name)
    command = (sys.executable, "-P", "-m", "workflow.complexity", "sample")  # -P leaves the folder off the path
    said = project.run(*command, status=1, PYTHONPATH=str(tmp_path))
    assert f"{tmp_path}/workflow/complexity.py would run" in said
    assert f"what is recorded is {project.root}/workflow/complexity.py" in said
    assert "Traceback" not in said


def test_the_installed_command_does_not_check_another_folders_settings(project: Project) -> None:
    assert "epochs" in project.run("mfaranet", "params", "sample")
    installed = str(Path(sys.executable).parent / "mfaranet")
    said = project.run(installed, "params", status=1, PYTHONPATH=str(REPOSITORY))
    assert f"this is the code of {REPOSITORY}; for that of this folder run `python -m mfaranet`" in said
