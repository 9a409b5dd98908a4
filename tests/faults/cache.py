"""Objects of DVC's cache that are missing or corrupt, where what they are copies of is gone.

DVC takes an object that cannot be written for whole, and what it brings back of it for unchanged: nobody says so. After
the command of docs/running.md it reads all files, removes what is corrupt from its cache, and makes it anew.
"""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import yaml

from tests.faults.engine import run
from tests.faults.trial import Fault, Room, content, remove
from tests.fuzz.damage import cut, flipped

_LOOK = "chmod -R u+w .dvc/cache/files && find data runs plan -type f -exec touch {} +"
_KINDS = ("data/sample", "runs/sample/train/base", "runs/sample/evaluate/base", "plan", "runs/sample/weights")


def _flipped(path: Path, rng: Random) -> None:
    _write(path, flipped(path.read_bytes(), rng))


def _cut(path: Path, rng: Random) -> None:
    _write(path, cut(path.read_bytes(), rng))


def _missing(path: Path, rng: Random) -> None:
    path.unlink()


def _write(path: Path, data: bytes) -> None:
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(data)
    path.chmod(mode)  # DVC trusts what cannot be written


_DAMAGES: dict[str, Callable[[Path, Random], None]] = {"flipped": _flipped, "cut": _cut, "missing": _missing}


def faults() -> Iterator[Fault]:
    """Each damage of each output, of a file in it or of its list of files."""
    for out in _KINDS:
        for name, change in _DAMAGES.items():
            for listed in (False, True):
                what = "the list of" if listed else "a file of"
                yield Fault(f"{what} {out} {name}", partial(spoil, out=out, change=change, listed=listed))


def spoil(room: Room, out: str, change: Callable[[Path, Random], None], listed: bool) -> None:
    """Spoil an object whose output is gone: what is brought back passes for whole to nobody, and is mended."""
    project = room.finished()
    lock = yaml.safe_load((project.root / "dvc.lock").read_text())["stages"]
    (digest,) = {each["md5"] for stage in lock.values() for each in stage["outs"] if each["path"] == out}
    cache = project.root / ".dvc/cache/files/md5"
    path = cache / digest[:2] / digest[2:]
    if not listed:
        digest = room.rng.choice(json.loads(path.read_text()))["md5"]
        path = cache / digest[:2] / digest[2:]
    change(path, room.rng)
    remove(project.root / out)
    done = project.ran("dvc", "repro")
    assert "Traceback" not in done.stderr, done.stderr
    project.run("sh", "-c", _LOOK)
    if content(project.root) != content(room.whole.root):
        assert project.changed(), "what is corrupt passes for whole"
        run(project, "dvc")
        room.assert_same(project)
    for _ in range(2):  # what is in the cache in the end is whole too
        remove(project.root / out)
        run(project, "dvc")
        room.assert_same(project)
