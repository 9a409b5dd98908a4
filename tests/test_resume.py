"""A training that was stopped goes on to the same files, bit for bit."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from tiny import FACTS, TinyNetwork, settings, write_data

from mfaranet.errors import InputError
from mfaranet.training import loop as training
from mfaranet.training.resume import Resume, stop_on_signals

# Dropout, workers, epochs without validation, and a best epoch that need not be the last.
RECIPE: dict[str, Any] = {"epochs": 5, "validate_every": 2, "workers": 1, "batch_size": 4, "accumulate": 2}
FINGERPRINT = {"parameters": "a", "code": "b"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"), train=8)


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a training that was never stopped and keeps no state."""
    root = tmp_path_factory.mktemp("whole")
    run(data, root, keep=False)
    return files(root)


def run(
    data: Path, root: Path, *, keep: bool = True, fingerprint: dict[str, str] | None = None, **changes: Any
) -> None:
    torch.manual_seed(0)
    training.train(
        TinyNetwork(dropout=0.5),
        settings(**RECIPE, **changes),
        data,
        output=root / "train",
        curves=root / "curves",
        facts=FACTS,
        times=root / "times.csv",
        resume=Resume(root / "resume", fingerprint or FINGERPRINT) if keep else None,
    )


def files(root: Path) -> dict[str, bytes]:
    found = [path for name in ("train", "curves") for path in (root / name).rglob("*") if path.is_file()]
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def states(root: Path) -> list[str]:
    return sorted(path.name for path in own(root).glob("epoch_*"))


def own(root: Path, fingerprint: dict[str, str] = FINGERPRINT) -> Path:
    """The folder of the states with a fingerprint, and with that of one process on a CPU."""
    return Resume(root / "resume", {**fingerprint, "devices": "1 x cpu"}).folder


class KilledError(Exception):
    pass


def killed(data: Path, root: Path, epoch: int, **changes: Any) -> None:
    """A training that fails at the start of an epoch."""
    real, calls = training._train_epoch, []

    def deadly(*arguments: Any) -> Any:
        calls.append(None)
        if len(calls) == epoch:
            raise KilledError
        return real(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "_train_epoch", deadly)
        with pytest.raises(KilledError):
            run(data, root, **changes)


def clear_outputs(root: Path) -> None:
    """As DVC does before it runs a stage again."""
    for path in files(root):
        (root / path).unlink()


@pytest.mark.parametrize("epoch", range(1, 6))
def test_killed_in_any_epoch(data: Path, tmp_path: Path, whole: dict[str, bytes], epoch: int) -> None:
    killed(data, tmp_path, epoch)
    clear_outputs(tmp_path)
    assert states(tmp_path) == [f"epoch_{number:04d}.pt" for number in range(1, epoch)][-2:]
    before = timed(tmp_path)
    (tmp_path / "times.csv").unlink()
    for half in (own(tmp_path) / ".epoch_0009.pt.1.partial", tmp_path / "train/.best.safetensors.1.partial"):
        half.parent.mkdir(parents=True, exist_ok=True)
        half.write_bytes(b"half")
    run(data, tmp_path)
    assert files(tmp_path) == whole
    assert not list(tmp_path.rglob("*.partial"))
    assert timed(tmp_path)[: epoch - 1] == before
    assert [int(row.split(",")[0]) for row in timed(tmp_path)] == [1, 2, 3, 4, 5]


def timed(root: Path) -> list[str]:
    """The rows of the epochs' times."""
    return (root / "times.csv").read_text().splitlines()[1:]


@pytest.mark.parametrize(
    "changes",
    [
        {"optimizer": "adam", "schedule": "step"},
        {"schedule": "cosine", "warmup": 0.2},  # killed after the warm-up, and in it
        {"optimizer": "adam", "schedule": "cosine", "warmup": 0.5},
    ],
)
def test_killed_with_another_optimizer_or_schedule(data: Path, tmp_path: Path, changes: dict[str, Any]) -> None:
    run(data, tmp_path / "whole", keep=False, **changes)
    killed(data, tmp_path / "killed", 3, **changes)
    run(data, tmp_path / "killed", **changes)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_killed_after_the_last_epoch(
    data: Path,
    tmp_path: Path,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(data, tmp_path)
    assert states(tmp_path) == ["epoch_0005.pt"]
    clear_outputs(tmp_path)
    (tmp_path / "times.csv").unlink()
    monkeypatch.delattr(training, "_train_epoch")
    run(data, tmp_path)
    assert files(tmp_path) == whole
    assert len(timed(tmp_path)) == 5
    assert "going on after epoch 5" in capsys.readouterr().err


def test_a_corrupt_state_falls_back_to_the_one_before(
    data: Path, tmp_path: Path, whole: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    killed(data, tmp_path, 5)
    kept = tmp_path / "kept"
    shutil.copytree(own(tmp_path), kept)
    content = (kept / "epoch_0004.pt").read_bytes()
    middle = len(content) // 2
    overwritten = content[:middle] + b"~" * 100 + content[middle + 100 :]  # longer than what only fills up
    for spoilt in (overwritten, content[:-100], b""):
        shutil.rmtree(own(tmp_path))
        shutil.copytree(kept, own(tmp_path))
        (own(tmp_path) / "epoch_0004.pt").write_bytes(spoilt)
        clear_outputs(tmp_path)
        run(data, tmp_path)
        said = capsys.readouterr().err
        assert "epoch_0004.pt is corrupt" in said
        assert (own(tmp_path) / "epoch_0004.corrupt").read_bytes() == spoilt
        assert "going on after epoch 3" in said
        assert files(tmp_path) == whole


def test_a_state_that_would_run_code_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    resume = Resume(tmp_path / "resume", FINGERPRINT)
    resume.folder.mkdir(parents=True)
    state = resume.folder / "epoch_0001.pt"
    torch.save({"progress": {"epoch": 1}, "parts": {"network": KilledError()}, "files": {}}, state)
    fabric = Fabric(accelerator="cpu", devices=1)
    assert resume.restore({}, tmp_path / "train", fabric) == training.Progress()
    assert f"{state} is corrupt and left out" in capsys.readouterr().err


def test_the_only_state_of_another_training_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    theirs, ours = (Resume(tmp_path / "resume", {"code": code}) for code in "ab")
    theirs.save(training.Progress(epoch=1), {}, tmp_path)
    fabric = Fabric(accelerator="cpu", devices=1)
    assert ours.restore({}, tmp_path, fabric) == training.Progress()
    assert f"{theirs.folder / 'epoch_0001.pt'} stays; it is of another" in capsys.readouterr().err
    assert theirs.restore({}, tmp_path, fabric).epoch == 1


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"parameters": "x", "code": "b"}, "the same parameters ("),
        ({"parameters": "x", "code": "y"}, "the same parameters and code ("),
        ({"parameters": "a"}, "the same code ("),
    ],
)
def test_states_of_another_training_stay(
    data: Path,
    tmp_path: Path,
    whole: dict[str, bytes],
    capsys: pytest.CaptureFixture[str],
    other: dict[str, str],
    named: str,
) -> None:
    killed(data, tmp_path, 4, fingerprint=other)
    theirs = own(tmp_path, other)
    assert sorted(path.name for path in theirs.glob("epoch_*")) == ["epoch_0002.pt", "epoch_0003.pt"]
    killed(data, tmp_path, 2)
    newest = theirs / "epoch_0003.pt"
    assert f"{newest} stays; it is of another training, not with {named}" in capsys.readouterr().err
    assert list(theirs.glob("epoch_*")) == [newest]
    assert states(tmp_path) == ["epoch_0001.pt"]
    clear_outputs(tmp_path)
    run(data, tmp_path, fingerprint=other)  # the edit is taken back
    assert f"going on after epoch 3, from {newest}" in capsys.readouterr().err
    assert files(tmp_path) == whole
    clear_outputs(tmp_path)
    run(data, tmp_path)
    assert "going on after epoch 1" in capsys.readouterr().err
    assert files(tmp_path) == whole


def test_the_best_checkpoint_outlives_a_stop(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "validate", lambda model, *_: 0.9 if (tmp_path / "young").exists() else 0.1)
    (tmp_path / "young").touch()
    killed(data, tmp_path, 4)
    best = files(tmp_path)["train/best.safetensors"]
    (tmp_path / "young").unlink()
    clear_outputs(tmp_path)
    run(data, tmp_path)
    assert files(tmp_path)["train/best.safetensors"] == best != files(tmp_path)["train/last.safetensors"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_stops_with_a_message(
    data: Path,
    tmp_path: Path,
    whole: dict[str, bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    validate = training.validate

    def signalled(*arguments: Any) -> float:
        os.kill(os.getpid(), number)
        return validate(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "validate", signalled)
        with pytest.raises(SystemExit) as stopped:
            run(data, tmp_path)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    assert "stopped in epoch 2; run again to go on from epoch 1" in capsys.readouterr().err
    assert states(tmp_path) == ["epoch_0001.pt"]
    clear_outputs(tmp_path)
    run(data, tmp_path)
    assert files(tmp_path) == whole


def test_without_a_complete_epoch_there_is_nothing_to_go_on_from(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), stop_on_signals(training.Progress(), None, speak=True):
        os.kill(os.getpid(), signal.SIGTERM)
    assert "stopped in epoch 1; run again to start afresh" in capsys.readouterr().err


def test_sigkill(data: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """A real process, killed while it writes or trains, whatever it does after its second epoch."""
    process = start(data, tmp_path)
    wait_for(lambda: (own(tmp_path) / "epoch_0002.pt").exists(), process)
    process.kill()
    assert process.wait(60) == -signal.SIGKILL
    assert (own(tmp_path) / "epoch_0002.pt").exists()
    clear_outputs(tmp_path)
    (own(tmp_path) / ".epoch_0003.pt.1.partial").write_bytes(b"half")
    assert start(data, tmp_path).wait(120) == 0
    assert files(tmp_path) == whole
    assert states(tmp_path) == ["epoch_0005.pt"]


def test_two_at_one_training(data: Path, tmp_path: Path) -> None:
    """As where DVC was killed, and the training that it had started was not."""
    code = "import sys, test_resume as t\nwith t.Resume(t.Path(sys.argv[1]), {}).lock(): print(); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(tmp_path / "resume")]
    with subprocess.Popen(command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout
        first.stdout.readline()
        with pytest.raises(InputError, match="another process is at this training"):
            run(data, tmp_path)
        first.kill()
    run(data, tmp_path)


def start(data: Path, root: Path) -> "subprocess.Popen[bytes]":
    code = "import sys; from pathlib import Path; import test_resume; test_resume.run(*map(Path, sys.argv[1:]))"
    return subprocess.Popen([sys.executable, "-c", code, str(data), str(root)], cwd=Path(__file__).parent)


def wait_for(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.002)
