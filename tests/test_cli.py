"""The command line as a whole: what it lists, counts, times and prints for programs, and how it ends."""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from toy import save_checkpoint, scene
from typer.testing import CliRunner

import mfaranet
from mfaranet.catalogue import Cost, catalogue, count, recorded_costs, stated_facts
from mfaranet.cli import app
from mfaranet.errors import InputError

REPOSITORY = Path(__file__).parents[1]
COMMANDS = [
    "predict",
    "convert",
    "export",
    "models",
    "complexity",
    "latency",
    "doctor",
    "params",
    "check-data",
    "trace",
    "report",
    "open",
]

FORMS = ("unfolded", "folded", "deployed")


def run(*arguments: object) -> str:
    """What a command prints to stdout."""
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 0, result.output + str(result.exception)
    return result.stdout


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == 1
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def process(*arguments: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mfaranet", *map(str, arguments)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)


# Help and statuses


def test_help_names_all_in_groups() -> None:
    said = run("--help")
    for words in (*COMMANDS, "Trained networks", "Networks", "The pipeline of this folder", "--version", "Exit status"):
        assert words in said
    assert "--install-completion" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each(command: str) -> None:
    said = run(command, "--help")
    assert "--quiet" in said or "--json" in said or "--print" in said


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--version"], 0, ""),
        (["params", "--file", "nowhere.yaml"], 1, "error: nowhere.yaml: No such file"),
        (["models", "--nothing"], 2, "No such option"),
        (["predict"], 2, "Missing argument"),
        (["nothing"], 2, "No such command"),
    ],
)
def test_statuses(arguments: list[str], status: int, message: str) -> None:
    done = process(*arguments)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_quiet_is_silent(tmp_path: Path) -> None:
    """In a process of its own, as tqdm reads its settings once."""
    checkpoint = save_checkpoint(tmp_path / "last.safetensors")
    Image.fromarray(scene()).save(tmp_path / "photo.png")
    command = ["predict", checkpoint, tmp_path / "photo.png", "--device", "cpu", "--output"]
    loud = process(*command, tmp_path / "loud")
    assert (loud.returncode, loud.stdout) == (0, f"{tmp_path}/loud/photo.png\n")
    assert "segment: 100%" in loud.stderr
    silent = process(*command, tmp_path / "silent", "--quiet")
    assert (silent.returncode, silent.stdout, silent.stderr) == (0, "", "")
    assert (tmp_path / "silent/photo.png").exists()


def test_shells_complete_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_checkpoint(tmp_path / "runs/sample/train/base/best.safetensors")

    def complete(words: str) -> str:
        asked = {"_MFARANET_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return CliRunner(env=asked).invoke(app, prog_name="mfaranet").output

    assert complete("mfaranet predict sa").split() == ["sample/base"]
    assert complete("mfaranet latency swift").split() == ["swiftnet_18"]


# Networks


def test_facts_are_read_without_building() -> None:
    for name in mfaranet.list_models():
        assert asdict(stated_facts(name)) == asdict(mfaranet.get_model(name).facts)


def test_models_in_this_repository() -> None:
    """As the tables have them."""
    found = {each["name"]: each for each in json.loads(run("models", "--json"))}
    assert list(found) == mfaranet.list_models()
    counts = json.loads((REPOSITORY / "results/sample/complexity/complexity.json").read_text())
    assert found["mfaranet"] == {
        "name": "mfaranet",
        "params": counts["base"]["params"],
        "gflops": counts["base"]["official_macs"]["1024x2048"] / 1024**3,
        "val_miou": 0.782,
        "implementation": "Yanhua-Zhang/MFARANet",
        "licence": None,
    }
    assert (found["swiftnet_18"]["licence"], found["cgnet"]["val_miou"]) == ("GPL-3.0", None)
    assert all(found[name]["params"] == counts[name]["params"] for name in ("enet", "pspnet", "hrnet_v2"))
    lines = {line.split()[0]: line.split() for line in run("models").splitlines()[2:]}
    assert lines["mfaranet"][1:4] == ["12,996,748", "203.17", "78.2"]
    assert lines["cgnet"][3] == "blank"
    assert "none stated" in " ".join(lines["mfaranet"])


def test_models_without_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recorded_costs() == ({}, None)
    result = CliRunner().invoke(app, ["models"])
    assert "nothing is recorded in results/ here; --count counts them" in result.stderr
    assert next(line.split()[1] for line in result.stdout.splitlines() if line.startswith("enet ")) == "blank"
    monkeypatch.setattr(mfaranet.models, "list_models", lambda: ["enet"])
    monkeypatch.setattr("mfaranet.catalogue.list_models", lambda: ["enet"])
    (found,) = json.loads(run("models", "--count", "--json"))
    assert found["params"] == 351660
    (same,) = catalogue({"enet": Cost(351660, 1, 2**30)})
    assert same.gflops == 1


def test_complexity(tmp_path: Path) -> None:
    found = json.loads(run("complexity", "enet", "edanet", "enet", "--size", "64x128", "--json"))
    assert [each["name"] for each in found] == ["enet", "edanet"]
    cost = mfaranet.complexity(mfaranet.get_model("enet"), (64, 128))
    assert (found[0]["params"], found[0]["macs"], found[0]["size"]) == (cost.params, cost.macs, [64, 128])
    assert found[0]["gflops"] == cost.official_macs / 1024**3
    assert count("enet", (64, 128), classes=3).params < cost.params
    assert f"{cost.params:,}" in run("complexity", "enet", "--size", "64x128")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["complexity", "mfarane"], "no network is called 'mfarane'; is it mfaranet"),
        (["latency", "enet", "BiSeNet-V1"], "no network is called 'BiSeNet-V1'; is it bisenet_v1?"),
        (["latency", "xyz"], "`mfaranet models` lists what there is"),
        (["complexity", "enet", "--size", "64"], "--size 64: a height and a width in pixels are wanted"),
        (["latency", "enet", "--size", "1x999999999"], "at most 89478485 pixels are taken"),
        (
            ["predict", "no/run", "photo.png", "--output", "out"],
            "no/run does not exist, as a checkpoint or as a training",
        ),
        (["export", "no/run", "--to", "onnx", "--dynamic"], "no/run does not exist"),
    ],
)
def test_what_there_is_not(arguments: list[str], message: str) -> None:
    assert message in refused(*arguments)


def test_latency_times_networks_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    from mfaranet.measure import latency

    asked: dict[str, Any] = {}
    measure = latency.measure
    monkeypatch.setattr(
        latency, "measure", lambda networks, *rest: measure(asked.setdefault("networks", networks), *rest)
    )
    arguments = ["latency", "edanet", "enet", "--size", "32x64", "--seconds", "0.01", "--device", "cpu"]
    found = json.loads(run(*arguments, "--json"))
    assert list(asked["networks"]) == [f"{name} {form}" for name in ("edanet", "enet") for form in FORMS]
    assert [(each["name"], each["form"]) for each in found["timings"][::3]] == [
        ("edanet", FORMS[0]),
        ("enet", FORMS[0]),
    ]
    assert all(each["fps"] > 0 and each["passes"] >= 1 for each in found["timings"])
    assert found["machine"]["device"] == "cpu"
    lines = run(*arguments).splitlines()
    assert lines[0].split()[:3] == ["name", "form", "FPS"]
    assert len(lines) == 2 + 2 * len(FORMS)


# The pipeline


def test_settings_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert json.loads(run("params", "sample", "enet", "--json"))["network"] == {"name": "enet", "options": {}}
    assert "sample" in json.loads(run("params", "--json"))["datasets"]
    assert run("params", "--quiet") == ""


def test_origins_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(REPOSITORY)
    (found,) = json.loads(
        run("trace", "results/sample/tables/complexity.md", "base_pruned", "GFLOPs published", "--json")
    )[:1]
    assert found["row"][0] == "base_pruned"
    assert found["text"] == ""
    (found, *_) = json.loads(run("trace", "results/sample/tables/overall.md", "base", "mIoU", "--json"))
    assert found["origin"] is not None
    assert isinstance(found["value"], float)


def test_a_look_at_data_for_programs(tmp_path: Path) -> None:
    for split in ("train", "val"):
        for kind in ("images", "masks"):
            (tmp_path / kind / split).mkdir(parents=True)
            Image.fromarray(scene()[..., 0] // 128).save(tmp_path / kind / split / "one.png")
    (tmp_path / "masks/val/two.png").write_bytes((tmp_path / "masks/val/one.png").read_bytes())
    found = json.loads(run("check-data", tmp_path, "--name", "streets", "--json"))
    assert found["profile"]["streets"]["data"]["form"] == "folder"
    assert "two" in found["problems"][0]["problem"]
    assert "no partner" in found["problems"][0]["mend"]
    assert found["found"][0].startswith("images: 1 in train")


def test_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what is recorded, where nothing has run; `open` says how to make one that is not there."""
    monkeypatch.chdir(REPOSITORY)
    page = tmp_path / "page.html"
    assert run("report", "camvid", "--output", page).strip() == str(page)
    assert "<h1>MFARANet on camvid</h1>" in page.read_text()
    assert "no tables" in refused("report", "cityscapes", "--output", page)
    monkeypatch.chdir(tmp_path)
    assert "`dvc repro report@sample` makes it" in refused("open", "sample", "--print")
    there = tmp_path / "results/sample/report.html"
    there.parent.mkdir(parents=True)
    there.touch()
    assert run("open", "sample", "--print").strip() == str(there)
