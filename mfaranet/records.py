"""dvc.lock, DVC's record of what ran, and a copy of it: DVC writes it in place, and a kill may leave a part."""

from pathlib import Path
from typing import Any

import yaml

from mfaranet.errors import InputError
from mfaranet.files import read_yaml, write_text

LOCK = Path("dvc.lock")
COPY = Path("logs/dvc.lock")
"""As it was when the last stage began."""
_VERSION = "2.0"


def read_lock(path: Path) -> dict[str, Any]:
    """The stages of dvc.lock, or of its copy.

    Raises:
        InputError: the file cannot be read, is not whole, or of another version.
    """
    try:
        content = read_yaml(path)
        stages: dict[str, Any] = content["stages"]
        whole = all(_whole(stage) for stage in stages.values())
    except (OSError, yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"not readable ({str(error).splitlines()[0]})") from None
    if content.get("schema") != _VERSION:
        raise InputError(f"not readable (of the version {content.get('schema')}, not {_VERSION})")
    if not whole:
        raise InputError("not readable (it ends within a stage)")
    return stages


def keep_lock() -> None:
    """Copy dvc.lock; one that another process is just writing is left for the next stage to copy."""
    try:
        read_lock(LOCK)
    except InputError:
        return
    write_text(COPY, LOCK.read_text(encoding="utf-8"))


def mend_lock() -> str:
    """The command that brings back a dvc.lock which is not whole."""
    try:
        read_lock(COPY)
        merged = b"<<<<<<<" in LOCK.read_bytes()  # a branch wrote it, and git has both
    except (InputError, OSError):
        merged = True
    return f"git checkout {LOCK}" if merged else f"cp {COPY} {LOCK}"


def _whole(stage: dict[str, Any]) -> bool:
    """Whether nothing that a stage has of its files is cut off."""
    files = [file for part in ("deps", "outs") for file in stage.get(part, [])]
    return "cmd" in stage and all({"path", "md5"} <= file.keys() and None not in file.values() for file in files)
