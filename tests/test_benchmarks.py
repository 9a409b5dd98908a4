"""What benchmarks write; and their code for GPUs, on a CPU and on small images: it runs, and it times what it says."""

from pathlib import Path

import pandas as pd
import pytest
import torch

from benchmarks import __main__ as bench
from benchmarks import gpu, step
from benchmarks.pages import write_page, write_table
from benchmarks.rows import Row

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


def test_the_page_has_every_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "FOLDER", tmp_path)
    bench.write("step", [Row("a step", 3.0, 4.0, "s", 0.7), Row("memory", 2.0, 4.0, "GiB", 0.8)])
    (tmp_path / "growth.csv").write_text("what,exponent\na pass,1.02\n")
    (tmp_path / "growth.png").touch()
    bench.write_page(tmp_path, "# Head")
    page = (tmp_path / "README.md").read_text()
    assert page.startswith("# Head\n")
    assert "| a step | 3 | 4 | s | 0.75 | 0.7 | missed |" in page
    assert "| memory | 2 | 4 | GiB | 0.5 | 0.8 | met |" in page
    assert "| a pass | 1.02 |" in page
    assert "![growth](growth.png)" in page
    assert torch.__version__ in page


def test_rows_of_other_runs_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "faults.csv"
    commits = iter(["a" * 40, "b" * 40])
    monkeypatch.setattr("benchmarks.pages.commit", lambda: {"commit": next(commits), "modified": False})
    write_table(path, pd.DataFrame({"kind": ["kills", "disks"], "survived": [3, 4]}), "kind")
    write_table(path, pd.DataFrame({"kind": ["disks"], "survived": [5]}), "kind")
    write_page(tmp_path, "# Head")
    page = (tmp_path / "README.md").read_text()
    assert "| kills | 3 |" in page
    assert f"| {'a' * 12} |" in page
    assert "| disks | 5 |" in page
    assert "| disks | 4 |" not in page
