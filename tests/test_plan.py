"""An edit makes stale the runs that compute something else because of it, and no others."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project import Project, copy

from workflow.sources import digests

NETWORK = "mfaranet/models/comparators"
OF_ALL_NETWORKS = {"check.yaml", "sample/complexity.yaml"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """All of params.yaml with two of the compared networks selected, planned."""
    project = copy(tmp_path_factory.mktemp("project"))
    project.change("run", "experiments", value=[*project.params()["run"]["experiments"], "enet", "erfnet"])
    return project


@pytest.fixture(scope="module")
def before(project: Project) -> dict[str, str]:
    """The plan of each run, without an edit."""
    return planned(project)


def planned(project: Project) -> dict[str, str]:
    """The plan of each run, made anew."""
    project.run("python", "-m", "workflow.plan")
    folder = project.root / "plan"
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.yaml")}


@pytest.fixture
def stale(project: Project, before: dict[str, str]) -> Any:
    """Which runs an edit makes stale; it is taken back afterwards."""
    saved = {path: path.read_text() for path in project.root.rglob("*") if path.suffix in (".py", ".yaml")}

    def after(edit: Callable[[Project], None]) -> set[str]:
        edit(project)
        now = planned(project)
        return {name for name in {**before, **now} if before.get(name) != now.get(name)}

    yield after
    for path in project.root.rglob("*.py"):
        if path not in saved:
            path.unlink()
    for path, text in saved.items():
        path.write_text(text)


def append(path: str, text: str) -> Callable[[Project], None]:
    def edit(project: Project) -> None:
        with (project.root / path).open("a") as file:
            file.write(text)

    return edit


def test_words_and_layout_make_nothing_stale(stale: Any) -> None:
    def edit(project: Project) -> None:
        for folder in ("mfaranet", "workflow"):
            for path in (project.root / folder).rglob("*.py"):
                text = path.read_text().replace('"""', '"""Edited. ', 1).replace("(\n", "(  # a comment\n\n")
                path.write_text(f"# A comment.\n\n{text}\n\n# Another one.\n")

    assert stale(edit) == set()


def test_a_new_network_makes_no_other_run_stale(stale: Any) -> None:
    def edit(project: Project) -> None:
        text = (project.root / f"{NETWORK}/enet.py").read_text()
        (project.root / f"{NETWORK}/newnet.py").write_text(text)

    assert stale(edit) == set()
    name = {"network": {"name": "newnet"}}
    assert stale(lambda project: project.change("experiments", "newnet", value=name)) == OF_ALL_NETWORKS


def test_what_a_network_says_of_itself(stale: Any) -> None:
    """It is recorded by the stage complexity, and nothing is computed anew."""

    def edit(project: Project) -> None:
        for name in (f"{NETWORK}/enet.py", "mfaranet/models/mfaranet.py"):
            text = (project.root / name).read_text()
            edited = text.replace("arxiv.org/abs/", "arxiv.org/pdf/")
            assert edited != text
            (project.root / name).write_text(edited)

    assert stale(edit) == {"sample/complexity.yaml"}


def test_a_computation_of_one_network(stale: Any) -> None:
    """Its experiments, the counts, and the measurement of the compared networks."""
    own = {f"sample/{stage}/enet.yaml" for stage in ("train", "evaluate")}
    found = stale(append(f"{NETWORK}/enet.py", "\nUNUSED = 1\n"))
    assert found == {*own, *OF_ALL_NETWORKS, "sample/latency/comparison.yaml"}


def test_a_learning_rate_of_one_experiment(stale: Any) -> None:
    def edit(project: Project) -> None:
        project.change("experiments", "no_mfam", "train", value={"base_lr": 0.01})

    # These say by which settings the results are that they show.
    tables = {f"sample/tables/{name}.yaml" for name in ("aggregation", "alignment", "comparison_cpu_512x1024")}
    shown = {"sample/summary.yaml", "sample/figures.yaml", *tables}
    assert stale(edit) == {"sample/train/no_mfam.yaml", *shown}


def test_a_base_setting_that_is_overridden(stale: Any, project: Project) -> None:
    profile = project.params()["profiles"]["sample"]["train"]
    assert profile["epochs"] != 777 != project.params()["train"]["epochs"]
    assert stale(lambda project: project.change("train", "epochs", value=777)) == set()
    found = stale(lambda project: project.change("train", "momentum", value=0.8))
    trained = {f"sample/train/{name}.yaml" for name in project.params()["run"]["experiments"]}
    assert trained <= found
    assert {name.split("/")[1] for name in found - trained} == {"summary.yaml", "figures.yaml", "tables"}


def test_a_loss_makes_no_measurement_stale(stale: Any) -> None:
    found = stale(append("mfaranet/training/loop.py", "\nUNUSED = 1\n"))
    assert {Path(name).parent.name for name in found} == {"train"}


def test_whether_pixels_are_kept_decoded_changes_no_result(stale: Any) -> None:
    found = stale(lambda project: project.change("profiles", "sample", "data", "cache", value=False))
    assert found == {"sample/decode.yaml"}
    assert stale(append("workflow/decode.py", "\nUNUSED = 1\n")) == {"sample/decode.yaml"}


def test_a_table_and_what_is_published(stale: Any, project: Project) -> None:
    edit = stale(lambda project: project.change("tables", "pruned", "title", value="Another"))
    assert edit == {"sample/tables/pruned.yaml"}
    tables = {f"sample/tables/{name}.yaml" for name in project.params()["tables"]}
    edited = stale(lambda project: project.change("tolerances", "gflops", value=0.5))
    assert edited == tables
    path = "mfaranet/tables/published.yaml"
    text = (project.root / path).read_text()
    (project.root / path).write_text(text.replace("value: 76.9", "value: 76.8"))
    assert stale(append(path, "# a comment\n")) == {*tables, "sample/figures.yaml"}


def test_imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In functions and from packages, not for type checkers; digests of meaning."""
    monkeypatch.chdir(tmp_path)
    package = tmp_path / "mfaranet"
    package.mkdir()
    (package / "__init__.py").write_text('"""Words."""\n')
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\nfrom mfaranet import b\nif TYPE_CHECKING:\n    import mfaranet.d\n"
        "def f(x):\n    import mfaranet.c\n    return x + 1\n"
    )
    for name in "bcd":
        (package / f"{name}.py").write_text("X = 1\n")
    found = digests(["mfaranet.a"])
    assert list(found) == ["mfaranet", "mfaranet.a", "mfaranet.b", "mfaranet.c"]
    assert found["mfaranet.b"] == found["mfaranet.c"]
