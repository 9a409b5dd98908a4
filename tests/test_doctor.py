"""`mfaranet doctor`: each piece that the pipeline needs is taken away in turn, and named with its mend."""

import importlib.metadata
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from project import REPOSITORY
from toy import scene
from typer.testing import CliRunner

from mfaranet.cli import app
from mfaranet.doctor.examination import examine
from mfaranet.doctor.findings import Finding
from mfaranet.files import read_yaml

PARAMS = Path("params.yaml")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the doctor reads of a repository, with one commit, in the place of the working folder."""
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        shutil.copy(REPOSITORY / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc/config").write_text("[core]\n    analytics = false\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "-c", "user.name=test", "-c", "user.email=test@example.invalid", "commit", "-qm", "start")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40))  # whatever this machine has
    for name in ("CITYSCAPES_DATASET", "MFARANET_CAMVID", "MFARANET_CAMVID_ORIGINAL", "MFARANET_PASCAL_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True)


def change(*keys: str, value: Any) -> None:
    content = read_yaml(PARAMS)
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    PARAMS.write_text(yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False))


def select(dataset: str, *experiments: str) -> None:
    change("run", "datasets", value=[dataset])
    change("run", "experiments", value=[*experiments] or ["base"])
    change("run", "pruned", value=[])


def missing() -> list[Finding]:
    return [each for each in examine(PARAMS) if each.state == "missing"]


def note(about: str) -> Finding:
    (found,) = [each for each in examine(PARAMS) if each.about == about]
    assert found.state == "note"
    return found


def test_nothing_is_missing(project: Path) -> None:
    assert missing() == []
    result = CliRunner().invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "data@sample: drawn by a program" in result.stdout
    assert "repository: clean, at " in result.stdout
    assert CliRunner().invoke(app, ["doctor", "--quiet"]).stdout == ""


def test_outside_of_a_repository_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "run this in the root of the repository" in note("pipeline").text


def test_for_programs(project: Path) -> None:
    (project / "dvc.yaml").unlink()
    result = CliRunner().invoke(app, ["doctor", "--json"])
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["missing"] == 1
    assert found["versions"]["torch"] == torch.__version__.split("+")[0]
    gone = {"about": "dvc.yaml", "state": "missing", "says": "not here", "mend": "git checkout dvc.yaml"}
    assert gone in found["findings"]


# The machine


@pytest.mark.parametrize("name", ["torch", "dvc", "snakemake", "torchvision"])
def test_a_package(project: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    version = importlib.metadata.version

    def found(asked: str) -> str:
        if asked == name:
            raise importlib.metadata.PackageNotFoundError
        return version(asked)

    monkeypatch.setattr(importlib.metadata, "version", found)
    (finding,) = missing()
    assert (finding.about, finding.says) == (name, "not installed")
    assert "pip install" in finding.mend


def test_tools(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "dvc" else which(name))
    (finding,) = missing()
    assert finding.about == "dvc"
    assert finding.mend == "source .venv/bin/activate"
    monkeypatch.setattr(shutil, "which", lambda name: None if name in ("git", "pdflatex") else which(name))
    (finding,) = missing()
    assert (finding.about, finding.mend) == ("git", "install git")
    assert "nothing else needs it" in note("pdflatex").says


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device(project: Path, monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert "torch finds no GPU" in note("devices").says
    change("evaluate", "device", value=device)
    change("run", "experiments", value=["base"])
    assert [each.text for each in missing()] == [f"its device is {device}, and torch finds none here; set it to auto"]
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda index: "H200")
    assert len(missing()) == (device != "cuda")


def test_room(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "city").mkdir()
    select("cityscapes")
    change("profiles", "cityscapes", "data", "source", value="city")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=40 * 2**30))
    (finding,) = missing()
    assert finding.about == "disk"
    assert "40.0 are free" in finding.says
    assert "profiles.cityscapes.data.cache" in finding.mend
    change("profiles", "cityscapes", "data", "cache", value=False)
    assert missing() == []


# The repository


def corrupt(path: Path) -> None:
    path.write_text("<<<<<<< HEAD\nstages: {}\n=======\n")


@pytest.mark.parametrize(
    ("take", "about", "mend"),
    [
        (lambda: Path("dvc.yaml").unlink(), "dvc.yaml", "git checkout dvc.yaml"),
        (lambda: corrupt(Path("dvc.yaml")), "dvc.yaml", "git checkout dvc.yaml"),
        (lambda: corrupt(Path("dvc.lock")), "dvc.lock", "git checkout dvc.lock"),
        (lambda: Path("dvc.lock").write_text("[]"), "dvc.lock", "git checkout dvc.lock"),
        (lambda: PARAMS.unlink(), "params.yaml", "run from the repository root"),
        (lambda: PARAMS.write_text("run: ["), "params.yaml", "git checkout params.yaml"),
        (lambda: change("train", "epoch", value=3), "params.yaml", "git checkout params.yaml"),
        (lambda: shutil.rmtree(".dvc"), ".dvc", "git checkout .dvc"),
        (lambda: shutil.rmtree(".git"), "repository", "make scm"),
    ],
)
def test_a_piece_of_the_repository(project: Path, take: Callable[[], Any], about: str, mend: str) -> None:
    take()
    (finding,) = missing()
    assert finding.about == about
    assert mend in finding.mend
    assert "\n" not in finding.text


def test_what_takes_care_of_itself(project: Path) -> None:
    Path("dvc.lock").unlink()
    change("run", "experiments", value=["base"])
    assert note("dvc.lock").mend == "dvc repro"
    assert "2 files differ" in note("repository").says
    shutil.rmtree(".git")
    (project / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    assert "results will say 'no git'" in note("repository").says
    assert missing() == []


# What the stages need


@pytest.mark.parametrize(
    ("dataset", "variable"),
    [
        ("cityscapes", "CITYSCAPES_DATASET"),
        ("camvid_original", "MFARANET_CAMVID_ORIGINAL"),
        ("pascal_context", "MFARANET_PASCAL_CONTEXT"),
        ("camvid", "MFARANET_CAMVID"),
    ],
)
def test_a_data_set(project: Path, monkeypatch: pytest.MonkeyPatch, dataset: str, variable: str) -> None:
    select(dataset)
    about = f"data@{dataset}"
    if dataset == "camvid":
        assert "will be downloaded from https" in note(about).says
    else:
        (finding,) = missing()
        assert (finding.about, finding.says) == (about, "no source is given")
        assert f"profiles.{dataset}.data.source or ${variable}" in finding.mend
    change("profiles", dataset, "data", "source", value="there")
    (finding,) = missing()
    assert (finding.about, finding.says) == (about, "there does not exist")
    Path("data", dataset).mkdir(parents=True)
    Path("data", dataset, "dataset.json").write_text("{}")
    assert "prepared in" in note(about).says
    shutil.rmtree("data")
    Path("there").mkdir()
    assert missing() == []
    change("profiles", dataset, "data", "source", value=None)
    monkeypatch.setenv(variable, "$NOWHERE/x")
    assert [each.mend for each in missing()] == ["set it or write the path out"]
    monkeypatch.setenv(variable, "there")
    assert missing() == []


def test_a_data_set_of_ones_own(project: Path) -> None:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            Path("streets", kind, split).mkdir(parents=True)
            Image.fromarray(scene()[..., 0]).save(f"streets/{kind}/{split}/one.png")
    profile = read_yaml(PARAMS)["profiles"]["camvid"]
    classes = [{"name": str(index), "id": index, "colour": [index, 0, 0]} for index in range(2)]
    profile["data"] = {"form": "folder", "source": "streets", "labels": {"classes": classes}}
    change("profiles", "streets", value=profile)
    select("streets")
    assert missing() == []
    Path("streets/masks/val/one.png").rename("streets/masks/val/two.png")
    (finding,) = missing()
    assert "one" in finding.says
    assert "that have no partner" in finding.mend
    shutil.rmtree("streets/masks")
    (finding,) = missing()
    assert (finding.about, finding.says) == ("data@streets", "streets/masks is no folder")


def test_imagenet_weights(project: Path) -> None:
    change("profiles", "sample", "weights", value="imagenet")
    select("sample", "base", "backbone_stdc1", "pspnet", "enet")
    found = missing()
    assert [each.says.split(":")[0] for each in found] == ["weights.resnet101_v2", "weights.stdc1"]
    assert all("no link is known" in each.says and "weights: none" in each.mend for each in found)
    change("weights", "stdc1", "path", value="stdc1.pth")
    assert "stdc1.pth does not exist" in missing()[1].says
    Path("stdc1.pth").touch()
    assert [each.says.split(":")[0] for each in missing()] == ["weights.resnet101_v2"]
    Path("runs/sample/weights").mkdir(parents=True)
    Path("runs/sample/weights/resnet101_v2-pspnet.safetensors").touch()
    assert missing() == []
    others = [each.text for each in examine(PARAMS) if each.about == "weights@sample"]
    assert others[0] == "resnet101_v2: runs/sample/weights/resnet101_v2-pspnet.safetensors"
    assert others[1].startswith("weights.resnet18: will be downloaded from https")
    change("weights", value={"dfnet1": {"url": None, "sha256": None, "path": None}})
    assert "add weights.resnet18" in [each.mend for each in missing()]


def test_a_released_network(project: Path) -> None:
    released = {"url": None, "sha256": None, "path": None}
    change("experiments", "base", value={"train": {"released": released}})
    (finding,) = missing()
    assert finding.about == "train@sample-base"
    assert "set experiments.base.train.released.path" in finding.mend
