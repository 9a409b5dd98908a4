"""The README's commands in a folder as "Download ZIP" leaves it, with nothing of the environment on the path."""

import shutil
import sys
from pathlib import Path

import pytest
from project import REPOSITORY, Project, smallest


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """In which all is left to do: what was counted before would name the commit of then."""
    project = smallest(tmp_path_factory.mktemp("project"))
    shutil.rmtree(project.root / ".git")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(REPOSITORY / name, project.root)
    (project.root / ".venv").symlink_to(sys.prefix)
    project.environment["PATH"] = "/usr/bin:/bin"
    return project


def test_the_readmes_commands_run(project: Project) -> None:
    (Path(sys.prefix) / ".ready").touch()  # nothing is installed again
    assert "results/sample/tables/overall.md" in project.run("make", "repro")
    run = project.json("runs/sample/train/base/run.json")
    assert (run["commit"], run["modified"]) == ("no git", None)
    table = project.json("results/sample/tables/overall.json")
    assert {
        cell["origin"]["commit"] for row in table["rows"] for cell in row if "commit" in (cell["origin"] or {})
    } == {"no git"}
    assert "up to date" in project.run(".venv/bin/dvc", "status")
    assert "up to date" in project.run(".venv/bin/dvc", "repro")
    assert "Nothing to be done" in project.run(".venv/bin/snakemake", "-n")
    project.run(".venv/bin/snakemake", "-j1", "-f", "tables_sample_overall")
    assert "table:" in (project.root / "logs/snakemake/tables_sample_overall.log").read_text()
    assert "results/sample/metrics/base.json" in project.run(".venv/bin/dvc", "metrics", "show")


def test_a_repository_around_the_folder_is_not_named(project: Project) -> None:
    """The zip, unpacked in another project's folder."""
    around = project.root.parent
    project.run("git", "init", "-q", str(around))
    try:
        project.run(
            "git",
            "-C",
            str(around),
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t.invalid",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "another project",
        )
        project.run(".venv/bin/dvc", "repro", "-f", "-s", "complexity@sample")
        assert project.json("results/sample/complexity/run.json")["commit"] == "no git"
    finally:
        shutil.rmtree(around / ".git")
