"""Resume a training that was stopped: what it has come to, after each epoch, in a folder of its own.

No state of a random number generator is kept: what is random depends on seed and epoch (see mfaranet.data.loading).
"""

import fcntl
import hashlib
import json
import os
import signal
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from lightning_fabric import Fabric

from mfaranet.errors import InputError
from mfaranet.files import atomic_write, read_json, try_lock, write_json

KEPT = 2
"""States; the one before the last is for a disk that corrupt the last."""
FINGERPRINT = "fingerprint.json"
WRITER = "mfaranet"
"""The key in it of the version that wrote the states; it alone makes no other training."""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C, and what Slurm sends before it takes a machine back (SIGUSR1 at some sites)."""


class Part(Protocol):
    """What has a state: network, optimizer, schedule, loss scaler."""

    def state_dict(self) -> Mapping[str, Any]:
        """The state, of tensors and plain values."""

    def load_state_dict(self, state_dict: Any, /) -> Any:
        """Take such a state."""


@dataclass
class Progress:
    """How far a training has come."""

    epoch: int = 0
    """Complete ones."""
    best: float = -1.0
    """mIoU on the validation split, 0..1."""
    rows: list[dict[str, float]] = field(default_factory=list)
    """The points of the curves, by epoch and name."""
    times: list[dict[str, float]] = field(default_factory=list)
    """Where the time of each epoch went (see mfaranet.training.times)."""


@dataclass(frozen=True)
class Resume:
    """Where a training keeps its states, and what it must have in common with one that goes on from them.

    Each fingerprint has a folder of its own. States of another one are wanted again when an edit is taken back, and
    may be weeks of work: they stay, with a message that says where and what differs. A state that cannot be read is
    left out, as ``*.corrupt``.
    """

    root: Path
    fingerprint: Mapping[str, str]
    """By what a user would call it: "parameters", "code", ..."""

    @property
    def folder(self) -> Path:
        """Of the states with this fingerprint."""
        content = json.dumps(dict(self.fingerprint), sort_keys=True)
        return self.root / hashlib.sha256(content.encode()).hexdigest()[:12]

    def save(self, progress: Progress, parts: Mapping[str, Part], output: Path) -> None:
        """Write the state after an epoch, whole or not at all, with the checkpoints in ``output``; keep the last two.

        The checkpoints are in it because DVC removes the outputs of a stage before it runs it again. After the last
        epoch nothing is left to train: without parts, the state has what the outputs are made of, and alone is kept.
        """
        state = {
            "progress": asdict(progress),
            "parts": {name: part.state_dict() for name, part in parts.items()},
            "files": {
                path.name: torch.from_numpy(np.fromfile(path, np.uint8)) for path in output.glob("*.safetensors")
            },
        }
        write_json(self.folder / FINGERPRINT, {**self.fingerprint, WRITER: version("mfaranet")})
        atomic_write(self.folder / f"epoch_{progress.epoch:04d}.pt", lambda temporary: _write(state, temporary))
        for old in _states(self.folder)[: -KEPT if parts else -1]:
            old.unlink()

    def restore(self, parts: Mapping[str, Part], output: Path, fabric: Fabric) -> Progress:
        """Bring the parts and the checkpoints to the newest state, in every process; without one, leave them."""
        state = None
        if fabric.is_global_zero:
            for folder in (self.folder, output):
                for left_by_a_killed_process in folder.glob(".*.partial"):
                    left_by_a_killed_process.unlink()
            state = self._newest()
            for name, content in (state.pop("files") if state else {}).items():
                atomic_write(output / name, content.numpy().tofile)
        # The folder may be on a disk that the other nodes do not see.
        state = fabric.broadcast(state)
        if state is None:
            return Progress()
        for name, part in state["parts"].items():
            parts[name].load_state_dict(part)
        return Progress(**state["progress"])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from these states while the block runs.

        Raises:
            InputError: one has them, such as a training that outlived the DVC that had started it; or the file
                system has no locks.
        """
        path = self.root.with_name(f"{self.root.name}.lock")
        # It ends with this process, however that ends, and loader workers do not inherit it.
        descriptor = try_lock(path, fcntl.lockf)
        if descriptor is None:
            raise InputError(f"{path}: another process is at this training; wait for its end, or stop it")
        try:
            yield
        finally:
            os.close(descriptor)

    def _newest(self) -> dict[str, Any] | None:
        for path in reversed(_states(self.folder)):
            state = _read(path)
            if state is None:
                _say(f"{path} is corrupt and left out")
                path.rename(path.with_suffix(".corrupt"))
                continue
            _say(f"going on after epoch {state['progress']['epoch']}, from {path}")
            return state
        self._set_others_aside()
        return None

    def _set_others_aside(self) -> None:
        """Say what there is of other trainings, and keep the newest state of each."""
        for folder in sorted(self.root.glob("*/")):
            if paths := _states(folder):
                for old in paths[:-1]:
                    old.unlink()
                other = read_json(folder / FINGERPRINT)
                writer = other.pop(WRITER, "of an earlier version")
                known = {**other, **self.fingerprint}
                differ = " and ".join(name for name in known if other.get(name) != self.fingerprint.get(name))
                _say(f"{paths[-1]} stays; it is of another training, not with the same {differ} (mfaranet {writer})")


@contextmanager
def stop_on_signals(progress: Progress, resume: Resume | None, *, speak: bool) -> Iterator[None]:
    """Let SIGINT, SIGTERM and SIGUSR1 end the block at once, by SystemExit with the status that a shell would give.

    Nothing is saved then: the state after the last complete epoch is on disk.
    """

    status = 0

    def stop(number: int, frame: object) -> None:
        nonlocal status
        status = 128 + number
        raise SystemExit(status)

    main = threading.current_thread() is threading.main_thread()  # no other thread gets signals
    before = {number: signal.signal(number, stop) for number in SIGNALS} if main else {}
    try:
        yield
    except BaseException:
        if status:  # perhaps a loader worker got the signal too, and its end came through as an error
            raise SystemExit(status) from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if status and speak:
            again = f"to go on from epoch {progress.epoch}" if resume and progress.epoch else "to start afresh"
            _say(f"stopped in epoch {progress.epoch + 1}; run again {again}")


def _states(folder: Path) -> list[Path]:
    return sorted(folder.glob("epoch_*.pt"))


def _write(state: dict[str, Any], path: Path) -> None:
    torch.save(state, path)
    with path.open("rb") as file:
        os.fsync(file.fileno())  # before an older state is removed


def _read(path: Path) -> dict[str, Any] | None:
    """A state on the CPU; None for a corrupt file."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.testzip():  # torch does not look at the checksums
                return None
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state
    except Exception:  # a corrupt file may fail in any way
        return None


def _say(message: str) -> None:
    print(f"training: {message}", file=sys.stderr, flush=True)
