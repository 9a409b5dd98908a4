"""What DVC writes down of a stage when it ends, seen when it begins: an edit in between must not pass for what ran."""

import hashlib
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
    """The settings and files that a stage depends on.

    ``settings`` are the values of params.yaml by their dotted keys, ``files`` has the digest of each text, and size and
    time of each other file: reading all images once more would take too long.
    """

    settings: dict[str, Any]
    files: dict[str, Any]

    @classmethod
    def take(cls, script: str, items: Mapping[str, str]) -> "Snapshot":
        """Look at what dvc.yaml says of the stage ``script``; ``items`` are the values of its matrix."""
        stage = _definition(script, items)
        params = read_yaml(Path("params.yaml"))
        return cls(
            settings=dict(leaf for key in stage["params"] for leaf in _leaves(key, _value(params, key))),
            files={file.as_posix(): _state(file) for path in stage["deps"] for file in _files(Path(path))},
        )

    def code_digest(self) -> str:
        """SHA-256 over the paths and digests of the source files."""
        lines = "".join(f"{path} {digest}\n" for path, digest in sorted(self.files.items()) if path.endswith(".py"))
        return hashlib.sha256(lines.encode()).hexdigest()

    def differences(self, other: "Snapshot") -> list[str]:
        """What was edited, as a user would call it."""
        return [
            f"{prefix}{key}"
            for before, now, prefix in (
                (self.settings, other.settings, "params.yaml: "),
                (self.files, other.files, ""),
            )
            for key in {**before, **now}
            if before.get(key) != now.get(key)
        ]


@cache
def at_start(script: str, **items: str) -> Snapshot:
    """The snapshot of this process's stage when it was first asked for, which is when the stage begins."""
    return Snapshot.take(script, items)


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
            "modified": bool(git("status", "--porcelain", "mfaranet", "workflow")),
        }
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        print(f"no git commit: the results will not name the code they came from ({reason})", file=sys.stderr)
        return {"commit": "no git", "modified": None}


def _definition(script: str, items: Mapping[str, str]) -> Any:
    """The stage of dvc.yaml, its templates filled in."""
    stage = read_yaml(Path("dvc.yaml"))["stages"][script]
    text = json.dumps({key: stage.get(key, []) for key in ("deps", "params", "outs", "metrics", "plots")})
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


def _value(params: Any, key: str) -> Any:
    for part in key.split("."):
        params = params.get(part) if isinstance(params, Mapping) else None
    return params


def _leaves(key: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _leaves(f"{key}.{name}", inner)
    else:
        yield key, value
