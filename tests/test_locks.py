"""GPUs and trainings belong to one process: whoever made the lock file, and whoever dies."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from project import REPOSITORY

from mfaranet.errors import InputError
from mfaranet.files import try_lock
from mfaranet.training.resume import Resume
from workflow.gpus import hold_gpus, take

NOBODY = 65534


@pytest.fixture
def shared(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Two GPUs, and a folder like /tmp for their locks."""
    with TemporaryDirectory() as name:  # pytest's own folders are closed for other users
        folder = Path(name)
        folder.chmod(0o1777)
        monkeypatch.setattr("tempfile.tempdir", name)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
        monkeypatch.delenv("SLURM_JOB_ID", raising=False)
        yield folder


def as_nobody(act: Callable[[], bool]) -> bool:
    """Whether something holds in a process of another user."""
    process = os.fork()
    if not process:
        os.setgroups([])
        os.setuid(NOBODY)
        try:
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    assert status != 2
    return status == 0


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as another user")
def test_users_of_one_machine_share_its_gpus(shared: Path) -> None:
    before = os.umask(0o077)
    try:
        held = take(1)
    finally:
        os.umask(before)
    assert list(held) == ["0"]
    assert as_nobody(lambda: list(take(1)) == ["1"] and take(2) == {})
    os.close(held["0"])
    assert as_nobody(lambda: list(take(2)) == ["0", "1"])
    assert list(take(2)) == ["0", "1"]  # of files that nobody made


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.EIO])
@pytest.mark.parametrize("name", ["flock", "lockf"])
def test_a_file_system_without_locks_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, name: str
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, name, refuse)
    with pytest.raises(InputError, match=f"cannot be locked .{os.strerror(code)}.: use a file system with working"):
        try_lock(tmp_path / "lock", getattr(fcntl, name))
    if name == "lockf":
        with pytest.raises(InputError, match="working locks"), Resume(tmp_path / "resume", {}).lock():
            pass


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_process_has_is_called_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "lockf", refuse)
    assert try_lock(tmp_path / "lock", fcntl.lockf) is None
    with pytest.raises(InputError, match="another process is at this training"), Resume(tmp_path / "r", {}).lock():
        pass


def test_a_lock_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(InputError, match=r"lock cannot be opened \(Is a directory"):
        try_lock(tmp_path / "lock", fcntl.lockf)


def test_the_processes_that_a_stage_starts_share_its_gpus(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MFARANET_GPUS", "1")
    hold_gpus()
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"
    assert "MFARANET_GPUS" not in os.environ
    hold_gpus()  # in a child, which would wait for its parent
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize(("count", "used"), [("1", {"0", "1"}), ("2", {"0,1"})])
def test_a_gpu_is_held_by_one_process(tmp_path: Path, count: str, used: set[str]) -> None:
    """Four at once on two GPUs: never two on one, each GPU is used, and none waits for ever."""
    show = (
        "import os, time; from workflow.gpus import hold_gpus; hold_gpus(); gpus = os.environ['CUDA_VISIBLE_DEVICES'];"
        f"log = lambda event: open({str(tmp_path / 'log')!r}, 'a').write(f'{{event}} {{gpus}}\\n');"
        "log('start'); time.sleep(0.5); log('end')"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "0,1", "TMPDIR": str(tmp_path), "MFARANET_GPUS": count}
    environment.pop("SLURM_JOB_ID", None)
    started = [subprocess.Popen([sys.executable, "-c", show], cwd=REPOSITORY, env=environment) for _ in range(4)]
    assert [each.wait(60) for each in started] == [0] * 4
    held: set[str] = set()
    for line in (tmp_path / "log").read_text().splitlines():
        event, gpus = line.split()
        assert (gpus in held) == (event == "end")
        held ^= {gpus}
    assert {line.split()[1] for line in (tmp_path / "log").read_text().splitlines()} == used
