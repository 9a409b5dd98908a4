"""A copy of the repository, small enough that tests run its stages."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

REPOSITORY = Path(__file__).parents[1]
STATES = Path("runs/sample/resume/base")
SIZES = {"size": [64, 128], "crop": [64, 64], "window": [64, 64], "base_size": 128}
TRAIN = {"epochs": 2, "batch_size": 2, "workers": 1, "size": SIZES["size"], "crop": SIZES["crop"]}
EVALUATE = {"size": SIZES["size"], "window": SIZES["window"], "base_size": SIZES["base_size"]}


class Project:
    """A copy of the repository in which stages run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "DVC_NO_ANALYTICS": "1",
            "OMP_NUM_THREADS": "1",  # on images so small, threads only wait for each other
            # Without a cluster each Snakemake would wait nine seconds for the answer of Debian's Slurm.
            "SLURM_CONF": os.devnull,
        }
        for name in ("MFARANET_CAMVID", "CITYSCAPES_DATASET"):
            self.environment.pop(name, None)

    def ran(self, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        """A command that ended, well or not."""
        if command[0] == "mfaranet":  # the copy's, not what is installed
            command = (sys.executable, "-m", *command)
        return subprocess.run(
            command, cwd=self.root, env={**self.environment, **environment}, capture_output=True, text=True
        )

    def run(self, *command: str, status: int = 0, **environment: str) -> str:
        done = self.ran(*command, **environment)
        assert done.returncode == status, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def repro(self, *arguments: str, **environment: str) -> set[str]:
        """Run the graph, and name the stages that it ran."""
        return set(re.findall(r"Running stage '([^']+)'", self.run("dvc", "repro", *arguments, **environment)))

    def changed(self) -> set[str]:
        """The stages that DVC calls changed."""
        return set(json.loads(self.run("dvc", "status", "--json")))

    def await_epoch(self, process: "subprocess.Popen[Any]") -> None:
        """Wait until the training of ``base`` that a process runs has completed an epoch."""
        until = time.monotonic() + 120
        while not list((self.root / STATES).glob("*/epoch_*.pt")):
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.01)

    def start(self) -> None:
        """Make it a repository, with one commit."""
        self.run("git", "init", "-q")
        shutil.copytree(REPOSITORY / ".dvc/plots", self.root / ".dvc/plots")
        shutil.copy(REPOSITORY / ".dvc/.gitignore", self.root / ".dvc")
        (self.root / ".dvc/config").write_text("[core]\n    analytics = false\n")
        self.commit("start")

    def commit(self, message: str) -> None:
        self.run("git", "add", ".")
        self.run("git", "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", message)

    def params(self) -> Any:
        return yaml.safe_load((self.root / "params.yaml").read_text())

    def change(self, *keys: str, value: Any) -> None:
        path = self.root / "params.yaml"
        content = self.params()
        inner = content
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value
        path.write_text(yaml.safe_dump(content, sort_keys=False))

    def json(self, path: str) -> Any:
        return json.loads((self.root / path).read_text())

    def holds(self, text: str) -> list[str]:
        """The files of the folder, of git and of DVC's cache that have a text in them or in their names."""
        files = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        return [str(path) for path in files if text in str(path) or text.encode() in path.read_bytes()]

    def digests(self, folder: str) -> dict[str, str]:
        files = sorted(path for path in (self.root / folder).rglob("*") if path.is_file())
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


HOOK = """
import atexit, json, os, sys, uuid

def write():
    names = [name for name in sys.modules if name.split('.')[0] in ('mfaranet', 'workflow')]
    if names:
        with open(os.path.join(FOLDER, uuid.uuid4().hex + '.json'), 'w') as file:
            json.dump([sys.argv, names], file)

atexit.register(write)
"""


def watch_imports(project: Project, folder: Path) -> None:
    """Let each Python process of the project write to ``folder`` which of our modules it has at its end."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(HOOK.replace("FOLDER", repr(str(folder))))
    project.environment["PYTHONPATH"] = str(folder)


def copy(root: Path) -> Project:
    """What the engines read of the repository, without data, results or a repository of its own."""
    for name in ("mfaranet", "workflow"):
        shutil.copytree(REPOSITORY / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("params.yaml", "dvc.yaml", "Snakefile", ".gitignore", ".dvcignore"):
        shutil.copy(REPOSITORY / name, root / name)
    (root / "profiles").symlink_to("workflow/profiles")
    return Project(root)


def smallest(root: Path) -> Project:
    """Ten stages, of one experiment and one table, in a repository with one commit; nothing has run."""
    project = copy(root)
    sample = {"form": "sample", "size": [64, 128], "train": 2, "val": 1, "test": 1, "seed": 0}
    profile: dict[str, Any] = {
        "data": sample,
        "weights": "none",
        "train": {**TRAIN, "workers": 0},
        "evaluate": EVALUATE,
    }
    profile["measurements"] = {}
    project.change("profiles", "sample", value=profile)
    run = {"datasets": ["sample"], "experiments": ["base"], "pruned": [], "submissions": [], "measurements": ["strict"]}
    project.change("run", value=run)
    project.change("groups", value={})
    project.change("experiments", value={"base": {}})
    project.change("evaluate", "protocols", value=["full_image"])
    project.change("tables", value={"overall": {**project.params()["tables"]["overall"], "experiments": ["base"]}})
    project.change("complexity", "sizes", value=[[64, 128]])
    project.change("figures", value=figures(["base"]))
    project.change("measurements", value={"strict": {"experiments": ["base"]}})
    for name in project.params()["profiles"].keys() - {"sample"}:
        project.change("profiles", name, "measurements", value={})
    graph = yaml.safe_load((root / "dvc.yaml").read_text())
    kept = ("plan", "check", "data", "decode", "weights", "train", "evaluate", "complexity", "summary", "tables")
    graph["stages"] = {name: graph["stages"][name] for name in kept}
    graph["stages"]["summary"]["deps"].remove("results/${item.dataset}/latency")
    (root / "dvc.yaml").write_text(yaml.safe_dump(graph, sort_keys=False))
    project.start()
    return project


def figures(experiments: list[str]) -> dict[str, Any]:
    """The section of params.yaml that shows some experiments, and one measurement."""
    named = dict.fromkeys(("experiments", "ablations"), experiments)
    return {**named, **dict.fromkeys(("speed", "comparison"), "strict"), "pictures": 1}


def finished(factory: pytest.TempPathFactory) -> Project:
    """A copy of the smallest project after a run of it by Snakemake, which all processes of a test run share."""
    mine = factory.getbasetemp()
    shared = (mine.parent if "PYTEST_XDIST_WORKER" in os.environ else mine) / "finished"
    ready = shared.with_suffix(".ready")
    with FileLock(f"{shared}.lock"):
        if not ready.exists():
            smallest(shared).run("snakemake", "-j2")
            ready.touch()
    root = factory.mktemp("project")
    shutil.copytree(shared, root, symlinks=True, dirs_exist_ok=True)
    return Project(root)
