"""What DVC writes down of a stage when it ends, seen when it begins: an edit in between must not pass for what ran."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mfaranet.errors import InputError
from mfaranet.files import read_yaml, sha256

KEPT = Path("runs/edited")
"""Where the results of a stage go that was edited while it ran."""


@dataclass(frozen=True)
class Snapshot:
    """The files that a stage depends on: the digest of each text, and size and time of each other one.

    Settings and code are not among them: they are in the plan, and in memory (see workflow.planned).
    """

    files: dict[str, Any]

    @classmethod
    def take(cls, script: str, items: Mapping[str, str]) -> "Snapshot":
        """Look at what dvc.yaml says of the stage ``script``; ``items`` are the values of its matrix."""
        dependencies = _definition(script, items)["deps"]
        return cls({file.as_posix(): _state(file) for path in dependencies for file in _files(Path(path))})

    def differences(self, other: "Snapshot") -> list[str]:
        """The files that were edited."""
        return [name for name in {**self.files, **other.files} if self.files.get(name) != other.files.get(name)]


def keep_aside(script: str, items: Mapping[str, str], edited: list[str]) -> None:
    """Move what a stage wrote to a folder in ``KEPT``.

    Raises:
        InputError: always; it says what was edited, and where the results are.
    """
    name = "-".join([script, *items.values()])
    folder = KEPT / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"
    for out in _outputs(_definition(script, items)):
        if out.exists():
            (folder / out).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(out, folder / out)
    raise InputError(
        f"{name}: edited while it ran: {', '.join(edited)}. DVC would record the new state for what the old one made, "
        f"so it records nothing; the results are in {folder}. Run the stage again, with the edit or without"
    )


@cache
def commit() -> dict[str, Any]:
    """The code as git knows it at the first call: the commit, and whether mfaranet/ or workflow/ differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout.strip()

    try:
        # A folder around this one may be another project's repository.
        git("ls-files", "--error-unmatch", "workflow/snapshot.py")
        return {
            "commit": git("rev-parse", "HEAD"),
            # It writes nothing then, for which a full or read-only disk has no room.
            "modified": bool(git("--no-optional-locks", "status", "--porcelain", "mfaranet", "workflow")),
        }
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        print(f"no git commit: the results will not name the code they came from ({reason})", file=sys.stderr)
        return {"commit": "no git", "modified": None}


def _definition(script: str, items: Mapping[str, str]) -> Any:
    """The stage of dvc.yaml, its templates filled in."""
    stage = read_yaml(Path("dvc.yaml"))["stages"][script]
    text = json.dumps({key: stage.get(key, []) for key in ("deps", "outs", "metrics", "plots")})
    return json.loads(re.sub(r"\$\{item\.(\w+)\}", lambda found: items[found[1]], text))


def _outputs(stage: Any) -> Iterator[Path]:
    for out in (*stage["outs"], *stage["metrics"], *stage["plots"]):
        yield Path(out if isinstance(out, str) else next(iter(out)))


def _files(path: Path) -> Iterator[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    for file in found:
        if file.is_file() and "__pycache__" not in file.parts and not file.name.startswith("."):
            yield file


def _state(file: Path) -> str | tuple[int, int]:
    if file.suffix in (".py", ".yaml", ".json", ".txt"):
        return sha256(file)
    stat = file.stat()
    return stat.st_size, stat.st_mtime_ns
