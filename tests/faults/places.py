"""A repository that was moved or copied, is reached through a link, or lies on a path with spaces and Unicode, whose
data lie on a file system that does not tell capitals from small letters; a folder that may only be read.

Without git: see tests/test_without_git.py. A second clone and a worktree: tests/test_code.py. Many kernels have neither
vfat nor ext4 with casefold; exfat-fuse is none of the kernel's, and keeps names but finds A as a.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from tests.faults.engine import ENGINES, Running, assert_message, run
from tests.faults.trial import Fault, NotHereError, Room, can_mount, goes_on
from tests.project import Project

_NAME = "my project, größe 漢字 (1) & 'two'"
_READ_ONLY = ("results", "runs", "data", ".dvc", ".")


def faults() -> Iterator[Fault]:
    """Each place with each engine."""
    for engine in ENGINES:
        yield Fault(f"moved, {engine}", partial(move, engine=engine, how=os.rename))
        yield Fault(f"copied, {engine}", partial(move, engine=engine, how=_copy))
        yield Fault(f"through a link, {engine}", partial(through_link, engine=engine))
        yield Fault(f"spaces and Unicode, {engine}", partial(odd_path, engine=engine))
        yield Fault(f"capitals are small letters, {engine}", partial(without_case, engine=engine))
        for folder in _READ_ONLY:
            yield Fault(f"{folder} is read-only, {engine}", partial(read_only, engine=engine, folder=folder))


def _copy(source: Path, target: Path) -> None:
    shutil.copytree(source, target, symlinks=True)
    shutil.rmtree(source)  # nothing may point there


def _nothing_runs(room: Room, project: Project, engine: str) -> None:
    assert "Running stage" not in run(project, engine)
    room.assert_same(project)


def move(room: Room, engine: str, how: object) -> None:
    """Nothing runs again."""
    project = room.finished("before")
    project.changed()  # DVC's own notes of where files are
    assert callable(how)
    how(project.root, room.folder / "after")
    project.root = room.folder / "after"
    _nothing_runs(room, project, engine)


def through_link(room: Room, engine: str) -> None:
    """What runs there is the same as what runs in the folder itself."""
    project = room.before("evaluate")
    link = room.folder / "link"
    link.symlink_to(project.root)
    linked = Project(link)
    linked.environment = {**project.environment, "PWD": str(link)}
    goes_on(room, linked, engine)
    _nothing_runs(room, project, "dvc" if engine == "snakemake" else "snakemake")


def odd_path(room: Room, engine: str) -> None:
    """A whole run, with an environment that lies there too."""
    project = room.fresh(_NAME)
    binaries = project.root / ".venv/bin"
    binaries.mkdir(parents=True)
    (project.root / ".venv/pyvenv.cfg").write_bytes((Path(sys.prefix) / "pyvenv.cfg").read_bytes())
    (project.root / ".venv/lib").symlink_to(Path(sys.prefix) / "lib")
    (binaries / "python").symlink_to(Path(sys.executable).resolve())
    for name in ("dvc", "snakemake"):
        (binaries / name).write_text(f'#!/bin/sh\nexec "$(dirname "$0")/python" -m {name} "$@"\n')
        (binaries / name).chmod(0o755)
    project.environment["PATH"] = f"{binaries}{os.pathsep}{os.environ['PATH']}"
    goes_on(room, project, engine)


def without_case(room: Room, engine: str) -> None:
    """The data lie on a file system that finds A as a, and has neither links nor rights."""
    project = room.before("data")
    shutil.rmtree(project.root / "data")
    with _exfat(room.folder / "image", project.root / "data") as disk:
        (disk / "A").touch()
        assert (disk / "a").exists()
        (disk / "A").unlink()
        goes_on(room, project, engine)


@contextmanager
def _exfat(image: Path, disk: Path) -> Iterator[Path]:
    if not (shutil.which("mount.exfat-fuse") and shutil.which("mkfs.exfat") and can_mount()):
        raise NotHereError(
            "no file system that ignores case can be mounted here; it takes root, exfat-fuse, exfatprogs"
        )
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(1 << 30)
    subprocess.run(["mkfs.exfat", image], check=True, capture_output=True)
    found = subprocess.run(["losetup", "--find", "--show", image], check=True, capture_output=True, text=True)
    device = found.stdout.strip()
    try:
        subprocess.run(["mount.exfat-fuse", device, disk], check=True, capture_output=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", disk], check=True)
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def read_only(room: Room, engine: str, folder: str) -> None:
    """The engine says so and removes nothing; then the folder can be written again."""
    if not can_mount():
        raise NotHereError("root writes whatever the rights of a folder are, and nothing may be mounted here")
    project = room.before("evaluate")
    bind = f'mount --bind {folder} {folder} && mount -o remount,bind,ro {folder} && cd "$PWD" && exec "$@"'
    running = Running(project, engine, prefix=("unshare", "--mount", "sh", "-c", bind, "sh"))
    status, _ = running.end()
    if folder == "data":  # which evaluate only reads
        assert status == 0, running.said()
    else:
        assert status != 0
        assert_message(running.stages(), "ead-only")
    goes_on(room, project, engine)
