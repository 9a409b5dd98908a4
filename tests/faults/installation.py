"""An installation that is killed: `make .venv/.ready` at random moments, several times; then a next make goes on.

With the rule, the pip and the checksums of this project, but few packages, from a folder: torch would take minutes each
time.
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

_PACKAGES = ("setuptools", "networkx", "numpy", "pyyaml", "tqdm")
_PROJECT = """
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "mfaranet"
version = "0.1.0"
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
    done = subprocess.run(_MAKE, cwd=expected, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
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
    differ = sorted(_installed(root) ^ _installed(expected))
    assert not differ, differ
    subprocess.run(
        [root / ".venv/bin/python", "-c", "import mfaranet, networkx, numpy, tqdm, yaml"], cwd=root, check=True
    )
    again = subprocess.run(_MAKE, cwd=root, env=environment, capture_output=True, text=True)
    assert "is up to date" in again.stdout, again.stdout


def _write(root: Path) -> None:
    root.mkdir()
    shutil.copy(REPOSITORY / "Makefile", root)
    (root / "constraints.txt").write_text(_locked())
    for name in ("mfaranet", "workflow"):
        (root / name).mkdir()
        (root / name / "__init__.py").touch()
    (root / "workflow/plots.py").touch()  # the real one takes packages that are not here
    (root / "pyproject.toml").write_text(_PROJECT)


def _locked() -> str:
    """The packages' pins, with their checksums."""
    pins = (REPOSITORY / "constraints.txt").read_text().replace("\\\n", "").splitlines(keepends=True)
    return "".join(pin for pin in pins if pin.split("==")[0] in _PACKAGES)


def _offline(folder: Path) -> dict[str, str]:
    """Variables by which pip takes packages from a folder, which is filled once."""
    folder.mkdir()
    (folder / "locked.txt").write_text(_locked())
    words = ("-m", "pip", "download", "-q", "--no-deps", "--require-hashes", "-d", folder, "-r", folder / "locked.txt")
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True)
    if done.returncode:
        raise NotHereError(f"packages cannot be downloaded here: {done.stderr[-300:]}")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}


def _installed(root: Path) -> set[str]:
    """All files of packages, but those that name the place or are made when first used, and those in which pip notes,
    after all others of a package, that it was pip: a package that it was killed at then is whole."""
    site = next((root / ".venv/lib").glob("python*/site-packages"))
    left_out = {"__pycache__", "INSTALLER", "REQUESTED"}
    files = (path.relative_to(site) for path in site.rglob("*") if path.is_file())
    return {str(path) for path in files if not left_out.intersection(path.parts) and not path.parts[0].startswith("~")}
