"""Names that a shell would take for commands: refused where they stand, before a shell has them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from project import REPOSITORY, smallest

from mfaranet.datasets.disks import given
from mfaranet.errors import InputError
from mfaranet.params import load

HOSTILE = ("x; touch pwned", "$(touch pwned)")
GRAPH: dict[str, Any] = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]
TEXT = (REPOSITORY / "params.yaml").read_text()


def test_the_shell_gets_names_alone() -> None:
    """What DVC puts into the commands of the graph is from these places, all of them among the next test's."""
    used = {name for stage in GRAPH.values() for name in re.findall(r"\$\{(.*?)\}", stage["cmd"])}
    assert used == {"python", "item.dataset", "item.experiment", "item.measurement", "item.table"}
    sources = {place[2:-1] for stage in GRAPH.values() for place in stage.get("matrix", {}).values()}
    assert sources == {"tables", *(f"run.{each}" for each in LISTS)}


LISTS = ("datasets", "experiments", "measurements", "pruned", "submissions")
NAMED = ("tables", "experiments", "measurements", "profiles", "groups", "weights")


@pytest.mark.parametrize("name", [*HOSTILE, "../x", "-x", "x\n"])
def test_a_name_that_is_more_than_a_word_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    for section, key in [*(("run", each) for each in LISTS), *((each, None) for each in NAMED)]:
        content = yaml.load(TEXT, yaml.CSafeLoader)
        if key:
            content[section][key] = [name]
        else:
            content[section][name] = next(iter(content[section].values()))
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=rf"(?s)params\.yaml: {section}.*should match pattern"):
            load(path)


def test_neither_engine_runs_what_a_name_says(tmp_path: Path) -> None:
    project = smallest(tmp_path)
    project.change("run", "datasets", value=[HOSTILE[0]])
    project.change("run", "experiments", value=[HOSTILE[1]])
    for command, status in (("dvc", "repro", "--keep-going"), 255), (("snakemake", "-n"), 1):
        assert "run.datasets.0: String should match pattern" in project.run(*command, status=status)
    assert not list(tmp_path.rglob("pwned*"))


@pytest.mark.parametrize("path", HOSTILE)
def test_a_path_is_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        given(Path(path), "MFARANET_CAMVID", "CamVid")
    Path(path).mkdir()
    assert given(Path(path), "MFARANET_CAMVID", "CamVid") == Path(path)
    assert [each.name for each in tmp_path.iterdir()] == [path]
