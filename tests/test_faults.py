"""A few of the faults of `make faults`, and that it sees what is not survived; what the machine lacks is told.

All others are for a night. See also test_kills, test_resume, test_snakemake (kills), test_locks, test_running (two at
once), test_snapshot (edits), test_without_git and test_code (places), test_processes (NaN in one of several processes).
"""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from project import Project, finished
from torch.utils.data import DataLoader, Dataset

from mfaranet.errors import lacking
from mfaranet.records import COPY, LOCK, keep_lock, mend_lock
from tests.faults.__main__ import KINDS, of_kind, try_fault
from tests.faults.engine import run
from tests.faults.trial import Fault, Room

CHOSEN = {
    "kills": "as dvc.lock is written, then snakemake",
    "disks": "tables and dvc.lock in 2 pages",
    "records": "dvc.lock with markers",
    "places": "moved, snakemake",
    "clocks": "by two hours before an edit, snakemake",
}
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here, a file on a disk that is always full")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return finished(tmp_path_factory)


@pytest.mark.parametrize(("kind", "name"), CHOSEN.items(), ids=CHOSEN)
def test_survived(whole: Project, kind: str, name: str) -> None:
    (fault,) = (each for each in of_kind(kind) if each.name == name)
    outcome = try_fault(kind, fault, whole, seed=0)
    if outcome.state == "not here":
        pytest.skip(outcome.text)
    assert outcome.state == "survived", outcome.text


def test_what_is_not_survived_is_seen(whole: Project) -> None:
    def spoil(room: Room) -> None:
        project = room.finished()
        with (project.root / "results/sample/tables/overall.md").open("a") as table:
            table.write("\n")
        room.assert_same(project)

    def lose(room: Room) -> None:
        project = room.before("tables")
        (project.root / "params.yaml").write_text("")
        run(project, "dvc")

    for inject, text in ((spoil, "results/sample/tables/overall.md"), (lose, "run.datasets")):
        outcome = try_fault("kills", Fault("", inject), whole, seed=0)
        assert (outcome.state, text in outcome.text) == ("failed", True), outcome


def test_each_has_a_name_of_its_own() -> None:
    for kind in KINDS:
        names = [fault.name for fault in of_kind(kind)]
        assert len(names) == len(set(names)) > 0


class Deadly(Dataset[int]):
    """Whose reader is killed."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return index


LACKING: dict[str, tuple[Callable[[], object], str]] = {
    "text": (lambda: FULL.write_text("x"), "the disk is full: make room"),
    "array": (lambda: np.zeros(1 << 20).tofile(FULL), "the disk is full: make room"),
    "torch": (lambda: torch.save(torch.zeros(1 << 20), FULL), "the disk is full: make room"),
    "rights": (lambda: Path("/sys/kernel/nothing").write_text("x"), "may not be used"),
    "numpy": (lambda: np.zeros(1 << 45), "memory ran out"),
    "torch memory": (lambda: torch.zeros(1 << 60), "memory ran out"),
    "loader": (lambda: list(DataLoader(Deadly(), num_workers=1)), "a process that loads images was killed"),
}


@needs_full
@pytest.mark.parametrize(("act", "says"), LACKING.values(), ids=LACKING)
def test_what_the_machine_lacks_is_told_in_a_sentence(act: Callable[[], object], says: str) -> None:
    with pytest.raises((OSError, RuntimeError, MemoryError)) as raised:
        act()
    told = lacking(raised.value)
    assert told
    assert says in told
    assert "\n" not in told


def test_what_is_a_mistake_of_ours_is_shown_whole() -> None:
    for error in (ValueError("x"), KeyError("memory"), FileNotFoundError(2, "No such file or directory")):
        assert lacking(error) is None


def test_a_copy_outlives_a_lock_that_is_cut(whole: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, rng = (whole.root / LOCK).read_text(), Random(0)
    monkeypatch.chdir(tmp_path)
    LOCK.write_text(text)
    keep_lock()
    for end in (0, *(rng.randrange(len(text) - 200) for _ in range(20))):
        LOCK.write_text(text[:end])
        assert mend_lock() == f"cp {COPY} {LOCK}"
    LOCK.write_text("")
    keep_lock()
    assert COPY.read_text() == text
    LOCK.write_text(f"<<<<<<< HEAD\n{text}")
    assert mend_lock() == f"git checkout {LOCK}"
