"""One fault: where it is injected, and what must hold after it.

Where a process lives to say it, it ends with a message that has no traceback, and with an exit status that is not 0.
The next run ends well, after what the message or docs/running.md says, if it says something. Then results, runs and
prepared data are byte for byte those of an undisturbed run, and DVC has nothing left to do.
"""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from mfaranet.errors import InputError
from mfaranet.records import COPY, LOCK, read_lock
from tests.faults.engine import refused, run
from tests.project import Project

STAGES = {  # in the order in which `dvc repro` runs them
    "plan": "plan",
    "check": "check",
    "data": "data@sample",
    "decode": "decode@sample",
    "weights": "weights@sample",
    "train": "train@sample-base",
    "evaluate": "evaluate@sample-base",
    "complexity": "complexity@sample",
    "summary": "summary@sample",
    "tables": "tables@sample-overall",
}
_MADE = ("plan", "data", "runs", "results")
_CLOCK = "runs/sample/times"
"""Seconds, which no two runs have the same."""
_LEFT = ("runs/sample/resume", "runs/edited")
"""What a stop leaves for the next run, or for a user to look at."""


class NotHereError(Exception):
    """This machine cannot have such a fault; the text says why."""


class MissedError(Exception):
    """What ran ended before the fault could strike."""


@dataclass(frozen=True)
class Fault:
    """One that is injected once."""

    name: str
    inject: Callable[["Room"], None]
    """AssertionError where something does not hold; NotHereError, MissedError."""


@dataclass(frozen=True)
class Room:
    """A folder for one fault, an undisturbed run to begin with and to compare with, and its chance."""

    folder: Path
    whole: Project
    rng: Random

    def finished(self, name: str = "project") -> Project:
        """A copy of the undisturbed run."""
        root = self.folder / name
        shutil.copytree(self.whole.root, root, symlinks=True)
        for log in (root / "logs/snakemake").glob("*.log"):
            log.unlink()
        return self._project(root)

    def fresh(self, name: str = "project") -> Project:
        """A copy in which nothing has run."""
        root = self.folder / name
        left = shutil.ignore_patterns(*_MADE, "dvc.lock", "logs", ".snakemake", "cache", "tmp")
        shutil.copytree(
            self.whole.root,
            root,
            symlinks=True,
            ignore=lambda folder, names: (
                left(folder, names) if Path(folder).name in (self.whole.root.name, ".dvc") else ()
            ),
        )
        return self._project(root)

    def _project(self, root: Path) -> Project:
        project = Project(root)
        project.environment = {**self.whole.environment, "PYTHONUNBUFFERED": "1"}
        return project

    def before(self, stage: str, name: str = "project") -> Project:
        """A copy of a run that has come to a stage of dvc.yaml: of this one and those below nothing is there."""
        project = self.finished(name)
        path = project.root / "dvc.lock"
        lock = yaml.safe_load(path.read_text())
        gone = below(lock["stages"], STAGES[stage])
        objects = {digest for each in lock["stages"] if each not in gone for digest in _objects(project, lock, each)}
        for each in gone:
            for digest in _objects(project, lock, each) - objects:
                _object(project, digest).unlink(missing_ok=True)
            for out in lock["stages"].pop(each)["outs"]:
                remove(project.root / out["path"])
        shutil.rmtree(project.root / ".dvc/cache/runs", ignore_errors=True)
        for each in (path, project.root / COPY):
            each.write_text(yaml.safe_dump(lock, sort_keys=False))
        return project

    def seconds(self, stage: str) -> float:
        """How long a stage took in the undisturbed run."""
        rule = STAGES[stage].replace("@", "_").replace("-", "_")
        path = self.whole.root / f"logs/snakemake/{rule}.benchmark.tsv"
        return float(path.read_text().splitlines()[1].split("\t")[0]) if path.exists() else 3.0

    def assert_same(self, project: Project) -> None:
        """All that a run makes is as in the undisturbed one, and recorded."""
        here, there = content(project.root), content(self.whole.root)
        differ = sorted(name for name in {*here, *there} if here.get(name) != there.get(name))
        assert not differ, f"not as in an undisturbed run: {differ}"
        assert recorded(project) == recorded(self.whole), "dvc.lock differs"
        assert project.changed() == set()


def content(root: Path) -> dict[str, str]:
    """The digests of all files that a run makes, but of those that tell times or are left of a stop."""
    found = {}
    for folder in _MADE:
        for path in sorted((root / folder).rglob("*")):
            name = str(path.relative_to(root))
            if path.is_file() and path.name != ".snakemake_timestamp" and not name.startswith((_CLOCK, *_LEFT)):
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def recorded(project: Project) -> dict[str, Any]:
    """What dvc.lock says of each stage, but of the file of times, and of rights, which not all disks have."""
    stages = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]
    for stage in stages.values():
        stage["outs"] = [out for out in stage["outs"] if not out["path"].startswith(_CLOCK)]
        for file in (*stage["outs"], *stage.get("deps", [])):
            file.pop("isexec", None)
    return dict(stages)


def below(stages: dict[str, Any], stage: str) -> set[str]:
    """A stage and those that depend on it, by what dvc.lock says."""

    def made(one: str, other: str) -> bool:
        return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")

    found = {stage}
    while more := {
        name
        for name, each in stages.items()
        if name not in found
        and any(
            made(out["path"], dependency["path"])
            for above in found
            for out in stages[above]["outs"]
            for dependency in each.get("deps", [])
        )
    }:
        found |= more
    return found


def _objects(project: Project, lock: Any, stage: str) -> set[str]:
    """The digests of what DVC's cache has of a stage."""
    found = {out["md5"] for out in lock["stages"][stage]["outs"]}
    for digest in [each for each in found if each.endswith(".dir") and _object(project, each).exists()]:
        found |= {entry["md5"] for entry in json.loads(_object(project, digest).read_text())}
    return found


def _object(project: Project, digest: str) -> Path:
    return project.root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def remove(path: Path) -> None:
    """A file or a folder, or none."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def mend(project: Project, name: str) -> None:
    """Mend a file as `mfaranet doctor` says."""
    said = refused(project, "mfaranet", "doctor", "--quiet", names=name)
    (command,) = re.findall(rf"missing +{name}: .*((?:git|cp) .*)", said)
    project.run("sh", "-c", command)


def records(project: Project) -> set[str]:
    """The stages that dvc.lock has, which is mended where it is not whole."""
    path = project.root / LOCK
    if not path.exists():
        return set()
    try:
        return set(read_lock(path))
    except InputError:
        mend(project, str(LOCK))
    return set(read_lock(path))


def goes_on(room: Room, project: Project, engine: str) -> None:
    """The next run makes what is missing and no more, and comes to the same."""
    done = records(project)
    states = list((project.root / "runs/sample/resume/base").glob("*/epoch_*.pt"))
    said = run(project, engine)
    again = {stage for stage in done if f"Running stage '{stage}'" in said}
    assert not again, f"recorded, and run again: {again}"
    if states and STAGES["train"] not in done:
        assert "going on after epoch" in said, f"{states} are there, and it began anew: {said}"
    room.assert_same(project)


@cache
def can_mount() -> bool:
    """Whether this process may mount something, in a name space of its own."""
    command = ["unshare", "--mount", "mount", "-t", "tmpfs", "-o", "size=64k", "none", "/mnt"]
    return bool(shutil.which("unshare")) and subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def mounted(kind: str, options: str, device: str, folder: Path) -> Iterator[Path]:
    """A file system in a folder, while the block runs."""
    if not can_mount():
        raise NotHereError("nothing may be mounted here; it takes root, in a machine or container that lets it")
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", kind, "-o", options, device, folder], check=True, capture_output=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True, capture_output=True)
