"""Which stages of this folder run, on any machine that shares it.

DVC knows the stages that run by the numbers of their processes alone. `dvc status` on another machine, or in another
container, takes them for dead and removes their locks; these stages then fail at their end, and nothing is recorded.
"""

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil

from mfaranet.errors import InputError
from mfaranet.files import write_json

FOLDER = Path("logs/running")
BEAT = 5.0
"""Seconds between two signs of life."""
DEAD = 60.0
"""Seconds without one, after which a process of another machine counts as dead."""


@contextmanager
def announced(stage: str) -> Iterator[None]:
    """Let others know, while the block runs, that this process is at a stage of this folder."""
    path = FOLDER / f"{uuid4().hex}.json"
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    write_json(path, {"stage": stage, "pid": os.getpid(), "since": since, **_place()})
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT):
            path.touch()

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        path.unlink(missing_ok=True)


def refuse_while_running() -> None:
    """Refuse to go on while other processes are at stages of this folder.

    Raises:
        InputError: it names them.
    """
    if running := [entry for entry in map(_read, sorted(FOLDER.glob("*.json"))) if entry]:
        raise InputError(
            "stages of this folder are running, and to ask DVC for its status now could remove their locks:\n  "
            + "\n  ".join(running)
            + "\nwait for their end, or stop them"
        )


def _read(path: Path) -> str | None:
    """Who wrote the file, if that process lives; the file is removed if not."""
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))
        here = all(entry[key] == value for key, value in _place().items())
        lives = psutil.pid_exists(entry["pid"]) if here else _now() - path.stat().st_mtime < DEAD
    except FileNotFoundError:  # it ended just now
        return None
    if not lives:
        path.unlink(missing_ok=True)
        return None
    return f"{entry['stage']} on {entry['host']}, process {entry['pid']}, since {entry['since']}"


def _place() -> dict[str, str]:
    """Where the number of a process means the same."""
    namespace = Path("/proc/self/ns/pid")
    return {"host": socket.gethostname(), "namespace": os.readlink(namespace) if namespace.exists() else ""}


def _now() -> float:
    """The time by the clock of the file system, which may be another machine's."""
    probe = FOLDER / f"{uuid4().hex}.now"
    probe.touch()
    try:
        return probe.stat().st_mtime
    finally:
        probe.unlink()
