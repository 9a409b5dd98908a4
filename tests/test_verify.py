"""What is committed is made again and compared: one changed digit is named."""

import re
import shutil
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from project import REPOSITORY, Project, finished

from mfaranet.errors import InputError
from mfaranet.figures.style import save
from workflow import verify
from workflow.differences import Difference, differences, values

DIGITS = {
    "tables/overall.md": ("line 7, cell 2", r"base +\| +\d\.\d"),
    "tables/overall.csv": ("row 1 (base), mIoU (%)", r"64x128,\d+\.\d+"),
    "tables/overall.tex": ("line 11, cell 2", r"base & \d\.\d"),
    "tables/overall.json": ("/rows/0/6/value", r'"value": \d+\.\d+'),
    "complexity/complexity.json": ("/base/params", r'"params": \d+'),
    "metrics/base.json": ("/miou/full_image", r"0\.\d+"),
    "evaluate/base/metrics.json": ("/full_image/iou/road", r'"road": 0\.\d+'),
    "evaluate/base/run.json": ("/dataset/fingerprint", r'"fingerprint": "[a-f]*\d'),
}
"""Files in results/sample, a place in each, and what ends there with a digit."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return finished(tmp_path_factory)


def test_what_is_made_again_is_the_same(project: Project) -> None:
    """Nothing in results/ is written, and what has no record there is named."""
    shutil.copytree(project.root / "results/sample", project.root / "results/older")
    before = project.digests("results")
    said = project.run("python", "-m", "workflow.verify")
    counts = {
        kind: int(count) for kind, count in re.findall(r"sample, (\w+): (\d+) values .* compared, 0 differ", said)
    }
    assert counts.keys() == {"summary", "tables", "data", "scores", "figures", "report", "complexity", "training"}
    assert {kind for kind, count in counts.items() if not count} == {"figures", "report"}  # stages that are not there
    assert "results/sample/figures-pdf: not compared: dvc.lock has no run of it" in said
    commit = project.json("results/sample/evaluate/base/run.json")["commit"][:7]
    assert f"results/older: not compared: dvc.lock has no run of it; code of {commit} wrote it" in said
    assert project.digests("results") == before


def test_a_changed_digit_is_named(project: Project) -> None:
    """And a file that is damaged."""
    results = project.root / "results/sample"
    before = {name: values(results / name)[place] for name, (place, _) in DIGITS.items()}
    for name, (_, pattern) in DIGITS.items():
        change_digit(results / name, pattern)
    (results / "sources/overall.json").write_text("{")
    said = project.run("python", "-m", "workflow.verify", status=1)
    for name, (place, _) in DIGITS.items():
        now = values(results / name)[place]
        assert now != before[name]
        assert re.search(re.escape(f"results/sample/{name}, {place}: stored {now}, recomputed "), said), name
    assert "results/sample/sources/overall.json, the file: stored damaged (" in said
    assert "error: what is stored is not what this code makes" in said


def change_digit(path: Path, pattern: str) -> None:
    """Change the digit that the first match of the pattern ends with."""

    def other(match: re.Match[str]) -> str:
        return f"{match[0][:-1]}{(int(match[0][-1]) + 1) % 10}"

    text, count = re.subn(pattern, other, path.read_text(), count=1)
    assert count
    path.write_text(text)


def test_figures_are_compared_by_what_they_draw(tmp_path: Path) -> None:
    def drawn(y: float, title: str = "title") -> Path:
        figure = Figure()
        axes = figure.subplots()
        axes.set_title(title)
        axes.set_ylim(0, 10)
        axes.plot([1, 2, 3], [1, y, 2], marker="o")
        axes.imshow([[y, 1], [2, 3]], vmin=0, vmax=10)
        save(figure, f"{title}-{y}", tmp_path, tmp_path)
        return tmp_path / f"{title}-{y}.pdf"

    def differ(made: Path) -> list[Difference]:
        return differences(values(drawn(5)), values(made), drawn=True)

    assert values(drawn(5))
    assert not differ(drawn(5.00001))
    assert {each.place.split()[0] for each in differ(drawn(5.1))} == {"drawing", "image"}
    assert differ(drawn(5, "Title"))


@pytest.mark.parametrize(
    ("recorded", "said"), [(None, "dvc.lock is not in"), ("stages: {}\n", "dvc.lock has no run of any data set")]
)
def test_where_there_is_nothing_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recorded: str | None, said: str
) -> None:
    shutil.copy(REPOSITORY / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    if recorded:
        Path("dvc.lock").write_text(recorded)
    with pytest.raises(InputError, match=said):
        verify.main()
