"""The same graph under Snakemake: it runs what DVC calls changed, and leaves DVC nothing to do."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from project import Project, copy, finished, smallest

from mfaranet.weights.checkpoints import load_trained

# All stages of the smallest project, and those below a training.
STAGES = {
    "plan",
    "check",
    "data@sample",
    "decode@sample",
    "weights@sample",
    "train@sample-base",
    "evaluate@sample-base",
    "complexity@sample",
    "summary@sample",
    "tables@sample-overall",
}
TRAINED = {"train@sample-base", "evaluate@sample-base", "summary@sample", "tables@sample-overall"}
DECODED = {"decode@sample"}
EDITED = {"tables@sample-overall"}
SHOWN = {"summary@sample", *EDITED}
SECRET = "opensesame"  # noqa: S105
TABLE = "results/sample/tables/overall"


def rules(stages: set[str]) -> set[str]:
    return {re.sub(r"\W", "_", stage) for stage in stages}


def wanted(project: Project, *arguments: str) -> set[str]:
    """The rules that Snakemake would run."""
    said = project.run("snakemake", "-n", *arguments)
    found = set(re.findall(r"^rule (\w+):", said, re.MULTILINE))
    assert found or "Nothing to be done" in said
    return found - {"all"}


def edges(dot: str, node: str) -> set[tuple[str, str]]:
    """The edges of a graph in the language of Graphviz; ``node`` matches the definition of one, if names are apart."""
    names = dict(re.findall(node, dot))
    found = re.findall(r'^\s*"?([^"\s]+)"? -> "?([^";\s]+)"?;?$', dot, re.MULTILINE)
    return {(names.get(one, one), names.get(other, other)) for one, other in found}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """The pipeline run once, by Snakemake."""
    project = finished(tmp_path_factory)
    yield project
    assert project.changed() == set()


def test_both_engines_read_one_graph(tmp_path: Path) -> None:
    """All stages of the repository, and what each depends on."""
    project = copy(tmp_path)
    project.change("run", "experiments", value=project.params()["groups"]["ablations"])
    project.run("dvc", "init", "-q", "--no-scm")
    # DVC draws from a stage to those below it, as Snakemake does.
    of_dvc = edges(project.run("dvc", "dag", "--dot"), r"(?!)()()")
    drawn = subprocess.run(
        ["snakemake", "--rulegraph"],
        cwd=tmp_path,
        env=project.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    of_snakemake = edges(drawn, r'(\d+)\[label = "(\w+)"')
    stages = {line.split()[0] for line in project.run("dvc", "stage", "list", "--all").splitlines()}
    assert len(stages) > 80
    assert {one for one, other in of_snakemake if other == "all"} == rules(stages)
    assert {edge for edge in of_snakemake if edge[1] != "all"} == {
        (re.sub(r"\W", "_", one), re.sub(r"\W", "_", other)) for one, other in of_dvc
    }


def test_all_is_to_do_before_the_first_run(tmp_path: Path) -> None:
    assert wanted(smallest(tmp_path)) == rules(STAGES - {"plan"})  # which is made by then


def test_dvc_finds_nothing_to_do_after_snakemake(project: Project) -> None:
    assert project.changed() == set()
    assert project.repro() == set()
    assert wanted(project) == set()
    assert project.run("git", "status", "--porcelain", "data", "runs", "logs", ".snakemake", "mfaranet") == ""


def test_neither_lost_records_nor_times_make_a_change(project: Project) -> None:
    shutil.rmtree(project.root / ".snakemake")  # as after a plain `dvc repro`
    for path in [*project.root.glob("*.yaml"), *project.root.glob("data/sample/*"), *project.root.glob("runs/**/*")]:
        os.utime(path)
    assert project.changed() == set()
    assert wanted(project) == set()


def test_an_edited_table_runs_alone_by_either_engine(project: Project) -> None:
    project.change("tables", "overall", "title", value="Another title")
    assert project.changed() == {"plan"}
    assert wanted(project) == rules(EDITED)
    assert wanted(project, "complexity_sample") == set()
    assert project.repro() == EDITED
    assert wanted(project) == set()
    # Not by Snakemake's records either, in which the inputs are others.
    project.change("tables", "overall", "title", value="A third title")
    project.run("snakemake", "-j1")
    assert "# A third title" in (project.root / f"{TABLE}.md").read_text()


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"{TABLE}.csv", {"tables@sample-overall"}),
        ("results/sample/evaluate/base/metrics.json", TRAINED - {"train@sample-base"}),
        ("runs/sample/train/base/last.safetensors", TRAINED),  # 50 MB
    ],
)
def test_a_spoilt_or_deleted_output_runs_its_stage(project: Project, path: str, expected: set[str]) -> None:
    file = project.root / path
    content, times = file.read_bytes(), file.stat()
    file.unlink()
    assert wanted(project) == rules(expected)
    file.write_bytes(content[:-1] + b"~")
    assert wanted(project) == rules(expected)
    assert expected & project.changed()
    file.write_bytes(content)
    os.utime(file, (times.st_atime, times.st_mtime - 1000))
    assert wanted(project) == set()
    if path.startswith(TABLE):
        file.unlink()
        project.run("snakemake", "-j1", path)
        assert file.read_bytes() == content


@pytest.mark.night
def test_a_decoded_set_is_made_anew_and_not_its_trainings(project: Project) -> None:
    """Where it is lost, and where params.yaml asks for it or no longer does; its pixels are not in DVC's cache."""
    folder = project.root / "data/sample-decoded"
    sizes = {path.stat().st_size for path in (project.root / ".dvc/cache").rglob("*")}
    assert sizes.isdisjoint(path.stat().st_size for path in folder.glob("*.bin"))
    shutil.rmtree(folder)
    assert project.changed() == DECODED
    assert wanted(project) == rules(DECODED)
    project.run("snakemake", "-j1")
    assert {path.name for path in folder.glob("[!.]*")} == {"index.json", "train.bin", "val.bin"}
    project.change("profiles", "sample", "data", "cache", value=False)
    assert wanted(project) == rules(DECODED)
    assert project.repro() == DECODED
    assert list(folder.glob("[!.]*")) == []
    assert project.changed() == set()
    assert wanted(project) == set()
    project.change("profiles", "sample", "data", "cache", value=True)
    assert project.repro() == {"plan", *DECODED}
    assert (folder / "index.json").exists()


def test_stages_whose_inputs_come_out_as_they_were_do_not_run(project: Project) -> None:
    with (project.root / "mfaranet/datasets/sample.py").open("a") as code:
        code.write("# a comment\n")
    assert wanted(project) == set()
    with (project.root / "mfaranet/datasets/sample.py").open("a") as code:
        code.write("UNUSED = 1\n")
    trained = (project.root / "runs/sample/train/base/last.safetensors").read_bytes()
    assert wanted(project) == rules(STAGES - {"plan", "check", "weights@sample"})
    project.run("snakemake", "-j2")
    logs = {path.stem: path.read_text() for path in (project.root / "logs/snakemake").glob("*.log")}
    assert "Running stage" in logs["data_sample"]
    header, seconds = (project.root / "logs/snakemake/data_sample.benchmark.tsv").read_text().splitlines()
    assert header == "s\tuser\tsystem"
    assert all(float(value) > 0 for value in seconds.split("\t"))
    for rule in rules(STAGES - {"plan", "check", "data@sample", "decode@sample", "weights@sample"}):
        assert "didn't change, skipping" in logs[rule]
    assert (project.root / "runs/sample/train/base/last.safetensors").read_bytes() == trained


@pytest.mark.night
def test_a_forced_stage_runs_by_either_engine(project: Project) -> None:
    logs = project.root / "logs/snakemake"

    def ran() -> set[str]:
        return {path.stem for path in logs.glob("*.log") if "Running stage" in path.read_text()}

    shutil.rmtree(logs)
    project.run("snakemake", "-j1", "-f", "complexity_sample")
    assert ran() == {"complexity_sample"}
    shutil.rmtree(logs)
    project.run("snakemake", "-j1", "-f", f"{TABLE}.md")
    assert "tables_sample_overall" in ran() <= rules(SHOWN)  # the counts name another run now
    # -R takes along what depends on it, for which DVC finds that nothing changed.
    shutil.rmtree(logs)
    below = rules(TRAINED - {"train@sample-base"})
    assert wanted(project, "-R", "evaluate_sample_base") == below
    project.run("snakemake", "-j1", "-R", "evaluate_sample_base")
    assert "evaluate_sample_base" in ran() <= below
    assert wanted(project, "-F") == rules(STAGES)
    assert project.repro("--force", "--single-item", "complexity@sample") == {"complexity@sample"}
    # Not for ever.
    shutil.rmtree(logs)
    project.run("snakemake", "-j1")
    assert ran() == set()


def test_a_table_needs_its_own_experiments(project: Project) -> None:
    """Of two that are selected, one; all for the graph as a whole."""
    before = (project.root / "params.yaml").read_text()
    project.change("experiments", "other", value={})
    project.change("run", "experiments", value=["base", "other"])
    own = {f"{stage}@sample-other" for stage in ("train", "evaluate")}
    whole, table = wanted(project), wanted(project, "tables_sample_overall")
    (project.root / "params.yaml").write_text(before)
    assert rules(own) <= whole
    assert rules(own).isdisjoint(table)
    assert "summary_sample" in table
    project.run("dvc", "repro", "plan")
    assert wanted(project) == set()


def test_a_wrong_key_removes_nothing(project: Project) -> None:
    """It is refused before DVC removes the results of the stages that would run with it."""
    before = {folder: project.digests(folder) for folder in ("data", "runs", "results")}
    params = project.root / "params.yaml"
    right = params.read_text()
    said = project.run("dvc", "exp", "run", "-S", "+train.epoch=1", "train@sample-base", status=255)
    assert "error: params.yaml: train.epoch: unknown key" in said
    assert "Traceback" not in said
    said = project.run("snakemake", "-j2", status=1)
    assert "error: params.yaml: train.epoch: unknown key" in said
    assert "Traceback" not in said
    assert {folder: project.digests(folder) for folder in before} == before
    params.write_text(right)
    assert project.changed() == set()


def test_a_dry_run_in_a_fresh_clone_names_what_is_stale(project: Project, tmp_path: Path) -> None:
    project.commit("results")
    project.run("git", "clone", "-q", str(project.root), str(tmp_path / "clone"))
    clone = Project(tmp_path / "clone")
    clone.change("tables", "overall", "title", value="In a clone")
    assert clone.repro("plan", "--allow-missing") == {"plan"}
    said = clone.run("dvc", "repro", "--dry", "--allow-missing", "--keep-going")
    assert set(re.findall(r"Running stage '([^']+)'", said)) == EDITED


def test_a_killed_run_goes_on(project: Project) -> None:
    project.change("profiles", "sample", "train", "epochs", value=1)
    assert project.changed() == {"plan"}
    assert wanted(project) == rules(TRAINED)
    log = project.root / "logs/snakemake/train_sample_base.log"
    log.unlink(missing_ok=True)
    started = subprocess.Popen(
        ["snakemake", "-j1"], cwd=project.root, env=project.environment, stderr=subprocess.DEVNULL, process_group=0
    )
    trained = project.root / "runs/sample/train/base/last.safetensors"
    try:
        for _ in range(3000):
            if log.exists() and "Running stage" in log.read_text() and trained.exists():
                break
            time.sleep(0.02)
    finally:
        os.killpg(started.pid, signal.SIGKILL)
        started.wait()
    await_end_of_group(started.pid)
    project.run("snakemake", "--unlock")
    assert "train_sample_base" in wanted(project)
    project.run("snakemake", "-j1")
    assert project.changed() == set()
    assert load_trained(project.root / "runs/sample/train/base/last.safetensors")[1]["epoch"] == 1


def await_end_of_group(group: int) -> None:
    """DVC respects the lock of a process until init has taken notice of its death, which may take seconds."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("killed processes are still there")


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """A server on this machine, with one bucket; its address."""
    (folder / "bucket").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = "{}:{}".format(*free.getsockname())
    rclone = Path(sys.executable).parent / "rclone"
    command = [rclone, "serve", "s3", "--addr", address, "--auth-key", f"name,{SECRET}", folder]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        try:
            assert any("Starting s3 server" in line for line in server.stderr)
            yield f"http://{address}"
        finally:
            server.terminate()


@pytest.fixture(params=["folder", "s3"])
def remote(
    request: pytest.FixtureRequest, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """The project has a remote, whose keys are in the environment alone."""
    add = ("dvc", "remote", "add", "--force", "--default", "store")
    if request.param == "folder":
        project.run(*add, str(tmp_path / "store"))
        yield
        return
    with s3_server(tmp_path / "s3") as address:
        project.run(*add, "s3://bucket/results")
        project.run("dvc", "remote", "modify", "store", "endpointurl", address)
        for name, value in {"AWS_ACCESS_KEY_ID": "name", "AWS_SECRET_ACCESS_KEY": SECRET}.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(project.environment, name, value)
        yield


@pytest.mark.usefixtures("remote")
def test_a_colleague_goes_on_from_what_was_pushed(project: Project, tmp_path: Path) -> None:
    project.commit("results")
    project.run("dvc", "push")

    def clone(name: str) -> Project:
        project.run("git", "clone", "-q", str(project.root), str(tmp_path / name))
        return Project(tmp_path / name)

    colleague = clone("colleague")
    colleague.run("dvc", "pull")
    assert colleague.changed() == DECODED
    assert colleague.repro() == DECODED
    assert wanted(colleague) == set()
    # Without the data: a table needs the results alone, which git has.
    laptop = clone("laptop")
    laptop.change("tables", "overall", "title", value="On a laptop")
    assert laptop.repro("--pull", "--allow-missing") == {"plan", *EDITED}
    assert "# On a laptop" in (laptop.root / f"{TABLE}.md").read_text()
    assert not (laptop.root / "data").exists()
    assert not (laptop.root / "runs").exists()
    assert [project.holds(SECRET), colleague.holds(SECRET), laptop.holds(SECRET)] == [[], [], []]


def test_the_linter_has_two_complaints(project: Project) -> None:
    said = project.run("snakemake", "--lint", status=1)
    # Two exceptions: all rules run in the environment of constraints.txt; the stage plan makes a folder of its name.
    assert set(re.findall(r"^    \* (.*):$", said, re.MULTILINE)) == {
        "Specify a conda environment or container for each rule.",
        "Param stage is a prefix of input or output file but hardcoded",
    }
