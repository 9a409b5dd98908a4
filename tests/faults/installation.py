"""An installation that is killed: `make .venv/.ready` at random moments, several times; then a next make goes on.

With the rule, and the pip, of this project, but few packages, from a folder: torch would take minutes each time.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from tests.faults.engine import end_group
from tests.faults.trial import Fault, NotHereError, Room
from tests.project import REPOSITORY

_PACKAGES = ("networkx", "numpy", "pyyaml", "tqdm")
_PROJECT = """
[build-system]
requires = ["{setuptools}"]
build-backend = "setuptools.build_meta"
[project]
name = "mfaranet"
version = "0.1.0"
dependencies = [{dependencies}]
[project.optional-dependencies]
dev = []
[tool.setuptools.packages.find]
include = ["mfaranet*"]
"""
_MAKE = ("make", f"PYTHON={sys.executable}", ".venv/.ready")


def faults() -> Iterator[Fault]:
    """Several times, each with kills of its own."""
    for number in range(1, 4):
        yield Fault(f"killed installation {number}", partial(kill, times=3))


def kill(room: Room, times: int) -> None:
    """What is installed in the end is what an undisturbed installation has."""
    expected, root = room.folder / "expected", room.folder / "project"
    environment = {**room.whole.environment, **_offline(room.folder / "wheels")}
    for each in (expected, root):
        _write(each)
    began = time.monotonic()
    subprocess.run(_MAKE, cwd=expected, env=environment, check=True, capture_output=True)
    longest = time.monotonic() - began
    for _ in range(times):
        make = subprocess.Popen(
            _MAKE,
            cwd=root,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(room.rng.uniform(0, longest))
        end_group(make)
        if (root / ".venv/.ready").exists():
            break
    done = subprocess.run(_MAKE, cwd=root, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _installed(root) == _installed(expected)
    subprocess.run(
        [root / ".venv/bin/python", "-c", "import mfaranet, networkx, numpy, tqdm, yaml"], cwd=root, check=True
    )
    again = subprocess.run(_MAKE, cwd=root, env=environment, capture_output=True, text=True)
    assert "is up to date" in again.stdout, again.stdout


def _write(root: Path) -> None:
    root.mkdir()
    for name in ("Makefile", "constraints.txt"):
        shutil.copy(REPOSITORY / name, root)
    for name in ("mfaranet", "workflow"):
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
    (root / "workflow/plots.py").touch()  # the real one takes packages that are not here
    dependencies = ", ".join(f'"{name}"' for name in _PACKAGES)
    (root / "pyproject.toml").write_text(_PROJECT.format(setuptools=_setuptools(), dependencies=dependencies))


def _setuptools() -> str:
    lines = (REPOSITORY / "pyproject.toml").read_text().splitlines()
    return next(line.split('"')[1] for line in lines if line.startswith("requires = "))


def _offline(folder: Path) -> dict[str, str]:
    """Variables by which pip takes packages from a folder, which is filled once."""
    words = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        "-d",
        str(folder),
        "-c",
        str(REPOSITORY / "constraints.txt"),
    ]
    done = subprocess.run([*words, _setuptools(), *_PACKAGES], capture_output=True, text=True)
    if done.returncode:
        raise NotHereError(f"packages cannot be downloaded here: {done.stderr[-300:]}")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def _installed(root: Path) -> set[str]:
    """All files of packages, but those that name the place or are made when first used."""
    site = next((root / ".venv/lib").glob("python*/site-packages"))
    return {
        str(path.relative_to(site))
        for path in site.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.relative_to(site).parts[0].startswith("~")
    }
