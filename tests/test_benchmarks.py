"""The benchmarks' code for GPUs, on a CPU and on small images: it runs, and it times what it says."""

import pytest
import torch

from benchmarks import gpu, step

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "TURNS", 1)
    monkeypatch.setattr(step, "SIZE", 64)
    monkeypatch.setattr(step, "BATCH", 2)


def test_passes() -> None:
    rows = gpu.passes(CPU, (64, 128), ("unfolded", "deployed"))
    forms = [f"{form}, {precision}" for precision in gpu.PRECISIONS for form in ("unfolded", "deployed")]
    assert [row.what for row in rows] == [f"pass at 64x128: {form}" for form in forms]
    assert all(row.value > 0 for row in rows)


def test_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "peak_memory", lambda work, _: work(None) or 2**30)
    ways = {name: way for name, way in gpu.STEPS.items() if "16-mixed" not in way.values() and "compile" not in way}
    rows = gpu.steps(CPU, ways)
    assert [row.what for row in rows] == [f"training step: {name}{of}" for name in ways for of in ("", ", memory")]
    assert all(row.value > 0 for row in rows)
