"""What a training waits for, and what it says of it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny import run_tiny, write_data

from mfaranet.evaluation import background
from mfaranet.training.times import Stopwatch, advice, write_times


def test_the_wait_for_batches_is_apart_from_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("mfaranet.training.times.time.perf_counter", lambda: clock[0])

    def batches() -> Iterator[int]:
        for batch in range(3):
            clock[0] += 0.02
            yield batch

    stopwatch, seen = Stopwatch(began=0.0), []
    for batch in stopwatch.batches(batches()):
        seen.append(batch)
        clock[0] += 0.05
    row = stopwatch.row(7)
    assert seen == [0, 1, 2]
    assert row == pytest.approx({"epoch": 7, "data_time": 0.06, "step_time": 0.15})
    write_times(tmp_path / "times.csv", [{"epoch": 1, "data_time": 0.5, "step_time": 2.0}])
    assert (tmp_path / "times.csv").read_text() == "epoch,data_time,step_time\n1,0.500,2.000\n"


@pytest.mark.parametrize(
    ("waited", "steps", "workers", "enough"),
    [
        (1.0, 9.0, 4, None),
        (20.0, 80.0, 4, None),
        (50.0, 50.0, 2, 4),  # two bring a batch in twice the time of a step
        (25.0, 75.0, 6, 8),
        (30.0, 70.0, 0, 1),  # one has all of a step's time for what was done between steps
        (90.0, 30.0, 0, 3),
    ],
)
def test_how_many_workers_would_do(waited: float, steps: float, workers: int, enough: int | None) -> None:
    said = advice({"epoch": 1, "data_time": waited, "step_time": steps}, workers)
    assert said is None if enough is None else f"train.workers {enough} instead of {workers}" in (said or "")


def test_a_training_says_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_data(tmp_path / "data")
    monkeypatch.setattr("mfaranet.training.loop.advice", lambda row, workers: f"epoch {row['epoch']}, {workers}")
    run_tiny(data, tmp_path / "run", epochs=3)
    assert capsys.readouterr().err.count("training: epoch") == 1


def test_threads_work_ahead_in_order_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_THREADS", 4)
    monkeypatch.setattr(background, "_WAITING", 8)
    together = threading.Barrier(4, timeout=10)
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(40):
            taken.append(item)
            yield item

    def work(item: int) -> int:
        if item < 4:
            together.wait()  # which passes only where four are at work
        time.sleep(0.001 * (item % 3))
        return item

    for expected, found in enumerate(background.in_background(work, items())):
        assert found == expected
        assert len(taken) <= found + 10
    assert len(taken) == 40
