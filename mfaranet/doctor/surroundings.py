"""What the pipeline runs on: packages, processors, tools, and the repository with its records."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from mfaranet.doctor.findings import Finding
from mfaranet.errors import InputError
from mfaranet.files import read_yaml
from mfaranet.records import LOCK, mend_lock, read_lock

PACKAGES = ("mfaranet", "torch", "torchvision", "dvc", "snakemake", "opencv-python-headless")
_INSTALL = (
    "make a new environment: rm -rf .venv && make test, or pip install --require-hashes --no-deps -r constraints.txt"
)
_ENVIRONMENT = "source .venv/bin/activate"


def versions() -> dict[str, str | None]:
    """Of Python and of the packages that matter most, None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def packages() -> Iterator[Finding]:
    """Each with its version."""
    for name, version in versions().items():
        if version:
            yield Finding(name, "ok", version)
        else:
            yield Finding(name, "missing", "not installed", _INSTALL)


def machine() -> Iterator[Finding]:
    """Processors, memory, and the devices that torch finds."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory()
    yield Finding("cores", "ok", f"{cores}")
    yield Finding("memory", "ok", f"{memory.total / 2**30:.1f} GiB, of which {memory.available / 2**30:.1f} are free")
    names = list(devices())
    if len(names) > 1:
        yield Finding("devices", "ok", ", ".join(names))
    else:
        yield Finding("devices", "note", "torch finds no GPU: the sample will do, Cityscapes is not practical")


def devices() -> dict[str, str]:
    """What torch can compute on, ``cpu`` always, each by the name of settings with a description."""
    found = {"cpu": "cpu"}
    try:
        import torch
    except ImportError:  # packages() says so
        return found
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        found["cuda"] = ", ".join(names)
    if torch.backends.mps.is_available():
        found["mps"] = "mps"
    return found


def tools() -> Iterator[Finding]:
    """The programs that the pipeline starts, or is started by."""
    for name in ("dvc", "snakemake"):
        if path := shutil.which(name):
            yield Finding(name, "ok", path)
        elif (beside := Path(sys.executable).with_name(name)).exists():
            yield Finding(name, "missing", f"not on the path; {beside} is there", _ENVIRONMENT)
        else:
            yield Finding(name, "missing", "not on the path", _INSTALL)
    if path := shutil.which("git"):
        yield Finding("git", "ok", path)
    elif Path(".git").exists():
        yield Finding("git", "missing", "not on the path, so that results would not name their commit", "install git")
    else:
        yield Finding("git", "note", "not on the path", "install it to compare commits")
    for name, use in (("pdflatex", "compiles tables/*.tex"), ("sbatch", "is Slurm's, for profiles/slurm")):
        if not shutil.which(name):
            yield Finding(name, "note", f"not on the path; it {use}, and nothing else needs it")


def repository() -> Iterator[Finding]:
    """Git's state, and DVC's records."""
    status = _git("status", "--porcelain", "--untracked-files=no")
    if status is not None:
        changed = len(status.splitlines())
        commit = _git("rev-parse", "--short", "HEAD") or "no commit yet"
        if changed:
            said = f"at {commit}; {changed} files differ from it, and results will say so"
            yield Finding("repository", "note", said, "commit, to name what made them")
        else:
            yield Finding("repository", "ok", f"clean, at {commit}")
    elif any("no_scm = true" in path.read_text() for path in Path(".dvc").glob("config*")):
        yield Finding("repository", "note", "no git here, as DVC was told: results will say 'no git'")
    elif shutil.which("git"):
        yield Finding("repository", "missing", "no git repository, and DVC wants to be told", "make scm, or git init")
    if not Path(".dvc").is_dir():
        yield Finding(".dvc", "missing", "the folder is not here", "git checkout .dvc, or dvc init")
    yield _graph()
    yield _lock()


def _graph() -> Finding:
    back = "git checkout dvc.yaml"
    try:
        content: Any = read_yaml(Path("dvc.yaml"))
        return Finding("dvc.yaml", "ok", f"readable, {len(content['stages'])} stages")
    except FileNotFoundError:
        return Finding("dvc.yaml", "missing", "not here", back)
    except (OSError, yaml.YAMLError, TypeError, KeyError) as error:
        reason = str(error).splitlines()[0]
        return Finding("dvc.yaml", "missing", f"not readable ({reason}), perhaps after a merge", back)


def _lock() -> Finding:
    about = str(LOCK)
    if not LOCK.exists():
        return Finding(about, "note", "not here: nothing has run yet", "dvc repro")
    try:
        return Finding(about, "ok", f"readable, {len(read_lock(LOCK))} stages")
    except InputError as error:
        return Finding(about, "missing", f"{error}, perhaps after a merge or a kill", mend_lock())


def _git(*arguments: str) -> str | None:
    """What git says of the repository of this folder itself, None where there is none."""
    try:
        top = subprocess.run(["git", "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=True).stdout
        if not Path(top.strip()).samefile("."):
            return None  # a folder around this one may be another project's repository
        return subprocess.run(
            ["git", "--no-optional-locks", *arguments], capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
