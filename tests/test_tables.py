"""Tables from stored results: what they show, what they leave blank, and where it came from."""

import csv
import json
import re
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter

from mfaranet.errors import InputError
from mfaranet.files import write_json
from mfaranet.models import list_models
from mfaranet.models.facts import Facts
from mfaranet.params import load
from mfaranet.schema import ProtocolName
from mfaranet.tables import build as tables
from mfaranet.tables import published
from mfaranet.tables.cells import BLANK, Cell, Table, describe, digits, pointer_part, resolve, trace, two_digits
from mfaranet.tables.comparison import ONE_GPU
from mfaranet.tables.footnotes import footnote
from mfaranet.tables.results import Results
from mfaranet.tables.settings import Shown, TableSettings, Tolerances
from mfaranet.tables.summary import scores, sources
from mfaranet.tables.writing import Page
from workflow.plan import runs

REPOSITORY = Path(__file__).parents[1]
SCORES = {"miou": 0.7816, "pixel_accuracy": 0.95, "iou": {"road": 0.98, "traffic light": None, "a/b & c_d": 0.5}}
FACTS = {
    "mfaranet": Facts("MFARANet", "ResNet-18"),
    "icnet": Facts("ICNet", "ResNet-50", "A paper", 2018, "https://example.org/1", "who/ICNet", False, "MIT", "Wide."),
    "newnet": Facts("NewNet"),
    **{name: Facts(name) for name in ("dfanet_b", "hrnet_v2", "cifrenet", "mininet_v2")},
}
RUN = {
    "stage": "evaluate@cityscapes-base",
    "params_sha256": "f" * 64,
    "commit": "c0ffee",
    "modified": False,
    "dataset": {"name": "cityscapes", "title": "Cityscapes", "complete": True},
    "split": "val",
    "network": {"name": "mfaranet", "options": {}},
    "weights": {"origin": "link", "sha256": "0" * 64},
    "training": {"split": "train", "params_sha256": "e" * 64},
    "classes": 19,
    "sizes": [[512, 1024], [1024, 2048]],
    "input_sizes": {"full_image": [1024, 2048]},
    "networks": {name: asdict(facts) for name, facts in FACTS.items()},
}
RELEASED = {"released": {"origin": "link", "sha256": "0" * 64}}
TOLERANCES = Tolerances(miou_released=0.0005, miou_trained=0.005, gflops=0.005, network_cost=1.0)
COUNT = {
    "network": "mfaranet",
    "params": 12_996_748,
    "macs": {"512x1024": 54_536_962_048, "1024x2048": 218_147_848_192},
    "official_macs": {"512x1024": 54_536_962_048, "1024x2048": 218_147_848_192},
    "flop_counter": {"512x1024": 109_073_924_096, "1024x2048": 436_295_696_384},
}
TIMES = {"fps": 2.5, "p50": 0.4, "p90": 0.5, "p99": 0.6, "passes": 9, "peak_memory": 2**30, "within_budget": False}


def results(root: Path, experiment: str = "base", miou: float = 0.7816, **run: Any) -> Path:
    """The stored results of one experiment."""
    metrics = {"full_image": {**SCORES, "miou": miou}, "most_frequent_class": {"class": "road", **SCORES, "miou": 0.02}}
    write_json(root / f"evaluate/{experiment}/metrics.json", metrics)
    write_json(root / f"evaluate/{experiment}/run.json", {**RUN, **run})
    counts = root / "complexity/complexity.json"
    write_json(counts, {**(json.loads(counts.read_text()) if counts.exists() else {}), experiment: COUNT})
    write_json(root / "complexity/run.json", {**RUN, **run, "stage": "complexity@cityscapes", "weights": None})
    return root


def timed(root: Path) -> Path:
    """A measurement of speed beside the results."""
    measurement = {"protocol": "strict", "precision": "float32", "memory_format": "channels_last"}
    facts = {"device": "cpu", "processor": "2 x Some", "threads": 2, "versions": {"torch": "2"}, "file": "cpu.json"}
    write_json(root / "latency/strict/run.json", {**RUN, **facts, "measurement": measurement})
    quicker = {**TIMES, "fps": 3.5, "within_budget": True}
    sizes = {"1024x2048": {"unfolded": TIMES, "folded": quicker, "deployed": {**quicker, "fps": 4.5}}}
    write_json(root / "latency/strict/cpu.json", {"base": {"network": "mfaranet", "sizes": sizes}})
    return root


def known(*selected: str, earlier: tuple[str, ...] = (), **seeds: list[str]) -> dict[str, Any]:
    """What params.yaml says of experiments, as their results have it."""
    digests = {"evaluation": "f" * 64, "training": "e" * 64}
    return {
        name: {"seeds": seeds.get(name, [name]), "selected": name not in earlier, **digests}
        for name in (*selected, *earlier)
    }


def build(
    root: Path,
    kind: str,
    *experiments: str,
    protocols: tuple[str, ...] = ("full_image", "single_scale"),
    measurement: str | None = None,
    now: dict[str, Any] | None = None,
) -> Table:
    """A table, of experiments that are selected unless ``now`` says otherwise."""
    shown = experiments or ("base",)
    of_kind = {
        "overall": {"experiments": shown, "protocols": protocols, "measurement": measurement},
        "per_class": {"experiments": shown, "protocols": protocols},
        "latency": {"measurement": measurement},
        "comparison": {"measurement": measurement, "protocol": "full_image"},
    }
    settings = json.dumps({"kind": kind, "title": "A title", **of_kind.get(kind, {})})
    checked: Any = TypeAdapter(TableSettings).validate_json(settings)
    return tables.build("overall", checked, TOLERANCES, now or known(*shown), root)


def cell(table: Table, row: int, column: str) -> Cell:
    return table.rows[row][table.columns.index(column)]


def shown(table: Table, row: int = 0) -> dict[str, str]:
    return {column: cell(table, row, column).text for column in table.columns}


def test_scores_of_another_split_are_not_among_the_others(tmp_path: Path) -> None:
    results(tmp_path)
    results(tmp_path, "trainval_test", split="test", training={**RUN["training"], "split": "trainval"})
    table = build(tmp_path, "overall", "base", "trainval_test")
    assert [shown(table, row)["Data"] for row in range(3)] == ["Cityscapes", "Cityscapes, test split", "Cityscapes"]
    assert not any("say nothing" in note for note in table.notes)
    assert "the test split of Cityscapes (trainval_test)" in table.notes[0]
    stored = Results(tmp_path, known("base", "trainval_test"))
    assert stored.alike(["base", "trainval_test"]) == ["base"]
    assert stored.alike(["trainval_test", "base"]) == ["trainval_test"]


def test_images_that_differ_in_size_have_no_count_of_their_own(tmp_path: Path) -> None:
    results(tmp_path, input_sizes={"full_image": "longer side 520"})
    row = shown(build(timed(tmp_path), "overall", measurement="strict"))
    assert (row["Input"], row["Params (M)"], row["GMACs (1e9)"], row["FPS"]) == ("longer side 520", "13.00", "", "")
    assert row["Verdict"] == "not comparable: published at 1024x2048"


def test_the_overall_table(tmp_path: Path) -> None:
    table = build(timed(results(tmp_path)), "overall", measurement="strict")
    assert shown(table) == {
        "Experiment": "base",
        "Network": "MFARANet",
        "Data": "Cityscapes",
        "Weights": "ImageNet",
        "Protocol": "full image",
        "Input": "1024x2048",
        "mIoU (%)": "78.2",
        "Seeds": "1",
        "Std over seeds (points)": "",
        "mIoU published (%)": "78.2",
        "Difference (points)": "-0.0",
        "Tolerance (points)": "0.5",
        "Verdict": "match",
        "Pixel accuracy (%)": "95.0",
        "Params (M)": "13.00",
        "GMACs (1e9)": "218.15",
        "GFLOPs (official counter / 1024^3)": "203.17",
        "FPS": "2.5",
        "FPS, normalisation folded": "3.5",
        "FPS, deployed": "4.5",
    }
    assert cell(table, 1, "Experiment").text == "most frequent class: road"
    assert cell(table, 1, "mIoU (%)").text == "2.0"
    assert cell(table, 1, "Pixel accuracy (%)").text == "95.0"
    assert not any("several seeds" in note for note in table.notes)
    origin = cell(table, 0, "mIoU published (%)").origin
    assert origin is not None
    assert "README" in origin["source"]
    assert "protocol strict" in table.notes[-1]
    assert "not measured" in build(results(tmp_path), "overall", measurement="other").notes[-1]


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"dataset": {"name": "cityscapes", "title": "part of Cityscapes", "complete": False}}, "only a part"),
        ({"dataset": {"name": "camvid", "title": "CamVid", "complete": True}}, "published on cityscapes"),
        ({"split": "train"}, "published on the val split"),
        ({"network": {"name": "enet", "options": {}}}, "published for mfaranet"),
        ({"weights": "none"}, "trained from scratch"),
    ],
)
def test_a_published_value_of_something_else_is_not_compared(tmp_path: Path, run: dict[str, Any], reason: str) -> None:
    row = shown(build(results(tmp_path, **run), "overall"))
    assert row["Verdict"].startswith(f"not comparable: {reason}")
    assert row["Difference (points)"] == row["Tolerance (points)"] == ""


def test_a_published_value_altered_by_a_tenth_flips_its_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a copy: of the mIoU of the authors' weights by 0.1 points, of GFLOPs by 0.1."""
    root = results(tmp_path, weights=RELEASED)
    results(root, "released_val", weights=RELEASED)

    def verdicts() -> list[str]:
        overall = build(root, "overall", "released_val")
        complexity = build(root, "complexity")
        return [cell(overall, 0, "Verdict").text, *(cell(complexity, row, "Verdict").text for row in range(2))]

    assert verdicts() == ["match"] * 3
    for step in (0.1, -0.1):
        content = yaml.safe_load(published.FILE.read_text())
        for entry in content["values"]:
            entry["value"] += step / 100 if entry["metric"] == "miou" else step
        copy = tmp_path / f"published{step}.yaml"
        copy.write_text(yaml.safe_dump(content))
        with monkeypatch.context() as patch:
            patch.setattr(published, "FILE", copy)
            assert verdicts() == ["differs"] * 3
    assert verdicts() == ["match"] * 3


def test_seeds_are_averaged(tmp_path: Path) -> None:
    for name, miou in {"base": 0.78, "base_seed_1": 0.79, "base_seed_2": 0.75}.items():
        results(tmp_path, name, miou)
    names = ["base", "base_seed_1", "base_seed_2"]
    table = build(tmp_path, "overall", now=known(*names, base=names))
    used = [78, 79, 75]
    assert shown(table)["Seeds"] == "3"
    assert cell(table, 0, "mIoU (%)").value == pytest.approx(statistics.mean(used))
    assert cell(table, 0, "Std over seeds (points)").value == pytest.approx(statistics.stdev(used))
    origin = cell(table, 0, "mIoU (%)").origin
    assert origin is not None
    assert origin["computed"] == "mean"
    assert [each["file"].split("/")[-2] for each in origin["from"]] == ["base", "base_seed_1", "base_seed_2"]


def test_every_table_means_the_same_by_a_mean(tmp_path: Path) -> None:
    """Classes too, over the seeds in which they have a value; the origin has all of these."""
    names = {"base": 0.78, "base_seed_1": 0.79}
    for name, miou in names.items():
        results(tmp_path, name, miou)
    path = tmp_path / "evaluate/base_seed_1/metrics.json"
    metrics = json.loads(path.read_text())
    metrics["full_image"]["iou"] |= {"road": 0.9, "traffic light": 0.4}
    metrics["full_image"]["pixel_accuracy"] = 0.85
    write_json(path, metrics)
    now = known(*names, base=list(names))
    classes = build(tmp_path, "per_class", now=now)
    column = "base, full image (%)"
    assert classes.columns == ["Class", column]
    labels = ["road", "traffic light", "a/b & c_d", "mean"]
    assert [row[0].value for row in classes.rows] == [row[0].text for row in classes.rows] == labels
    assert [row[1].value for row in classes.rows] == pytest.approx([94, 40, 50, 78.5])
    overall = build(tmp_path, "overall", now=now)
    assert cell(classes, 3, column).value == cell(overall, 0, "mIoU (%)").value
    assert cell(overall, 0, "Pixel accuracy (%)").value == pytest.approx(90)
    assert [len((row[1].origin or {}).get("from", [1])) for row in classes.rows] == [2, 1, 2, 2]
    assert "each value is the mean over those that have a value" in " ".join(classes.notes)


def test_notes_look_at_every_row(tmp_path: Path) -> None:
    """The first row starts from ImageNet weights and a GPU, the second does not."""
    present = {"classes": 19, "classes_present": {"train": 19, "val": 17}}
    gpus = {"split": "train", "device": "NVIDIA X", "processes": 2, "precision": "32-true", "tf32": True}
    root = results(tmp_path, dataset={**RUN["dataset"], **present}, training={**RUN["training"], **gpus})
    cpu = {"split": "train", "device": "cpu", "processes": 1, "precision": "32-true", "tf32": False}
    cpu |= {"processor": "2 x Y", "instructions": "AVX2", "threads": 1}
    results(root, "no_ohem", weights="none", training={**RUN["training"], **cpu}, dataset={**RUN["dataset"], **present})
    notes = build(root, "overall", "base", "no_ohem").notes
    assert "Measured on the val split of Cityscapes." in notes
    assert "Classes that occur: 19 of 19 in train, 17 of 19 in val." in notes
    assert "Trained from scratch, without ImageNet weights: no_ohem." in notes
    trained = "Trained on 2 x NVIDIA X (32-true, TF32) (base); 1 x cpu (32-true, 2 x Y, AVX2, 1 threads) (no_ohem). "
    assert any(note.startswith(trained) for note in notes)


def test_the_complexity_table(tmp_path: Path) -> None:
    table = build(results(tmp_path), "complexity")
    assert [shown(table, row)["Input"] for row in range(2)] == ["512x1024", "1024x2048"]
    assert shown(table) == {
        "Experiment": "base",
        "Network": "MFARANet",
        "Input": "512x1024",
        "Params (M)": "13.00",
        "GMACs (1e9)": "54.54",
        "GFLOPs (official counter / 1024^3)": "50.79",
        "FLOPs by torch (1e9)": "109.07",
        "GFLOPs published": "50.79",
        "Difference": "+0.0015",
        "Tolerance": "0.005",
        "Verdict": "match",
    }
    assert table.shown() == {
        "Experiment": "Experiment",
        "Input": "Input",
        "GMACs (1e9)": "GMACs",
        "GFLOPs (official counter / 1024^3)": "GFLOPs",
        "GFLOPs published": "Published",
        "Difference": "Difference",
        "Verdict": "Verdict",
    }
    assert table.same() == {"Network": "MFARANet", "Params (M)": "13.00"}
    one_size = build(results(tmp_path, sizes=[[512, 1024]]), "complexity")
    assert one_size.same() == {"Network": "MFARANet", "Input": "512x1024", "Params (M)": "13.00"}
    other = build(results(tmp_path, classes=11), "complexity")
    assert shown(other)["Verdict"] == "not comparable: published for 19 classes"


def test_both_counts_are_shown_each_by_its_name(tmp_path: Path) -> None:
    """As of a network with transposed convolutions, and one of 1,600 parameters: never as 0.00."""
    root = results(tmp_path)
    tiny = {**COUNT, "params": 1600, "official_macs": {key: 2 * macs for key, macs in COUNT["macs"].items()}}
    write_json(root / "complexity/complexity.json", {"base": tiny})
    row = shown(build(root, "complexity"))
    assert (row["Params (M)"], row["GMACs (1e9)"]) == ("0.0016", "54.54")
    assert row["GFLOPs (official counter / 1024^3)"] == "101.58"
    assert row["Verdict"] == "differs"  # published is what the official counter says


def test_the_latency_table(tmp_path: Path) -> None:
    table = build(timed(results(tmp_path)), "latency", measurement="strict")
    assert len(table.rows) == 1
    row = shown(table)
    assert (row["FPS"], row["p50 (ms)"], row["FPS, normalisation folded"]) == ("2.50", "400.00", "3.50")
    assert row["FPS, deployed"] == "4.50"
    assert not any("compiled" in column for column in table.columns)
    assert (row["Passes"], row["Peak memory (MiB)"]) == ("9", "1024")
    budgets = {"": "no", ", normalisation folded": "yes", ", deployed": "yes"}
    budgets = {f"Within budget{form}": text for form, text in budgets.items()}
    assert table.same() == {"Network": "MFARANet", "Input": "1024x2048", **budgets}


def test_the_comparison_table(tmp_path: Path) -> None:
    root = timed(results(tmp_path))
    counts = json.loads((root / "complexity/complexity.json").read_text())
    write_json(root / "complexity/complexity.json", {**counts, "icnet": {**COUNT, "network": "icnet"}})
    table = build(root, "comparison", measurement="strict", now=known("icnet", "base", earlier=("icnet",)))
    icnet, ours = shown(table), shown(table, 1)
    assert (icnet["mIoU here, full image (%)"], ours["mIoU here, full image (%)"]) == ("", "78.2")
    assert any(note.startswith("mIoU here is of networks trained by one recipe") for note in table.notes)
    assert (icnet["Network"], icnet["Backbone"], icnet["Pretraining"]) == ("ICNet", "ResNet-50", "ImageNet")
    assert (icnet["Val mIoU published (%)"], icnet["Test mIoU published (%)"]) == ("67.7", "69.5")
    assert (icnet["FPS published"], icnet["GPU"], icnet["At"]) == ("30.3", "Titan X", "1024x2048")
    assert (
        icnet["GFLOPs of the linked code at 1024x2048 (official counter / 1024^3)"] == f"{294520881152 / 1024**3:.2f}"
    )
    assert icnet["FPS here"] == ""
    assert (ours["Network"], ours["Input here"], ours["FPS here"]) == ("MFARANet", "1024x2048", "2.50")
    assert (ours["Within budget"], ours["Within budget, normalisation folded"]) == ("no", "yes")
    assert ours["GFLOPs at 1024x2048 (official counter / 1024^3)"] == "203.17"
    paper = "A paper, 2018, https://example.org/1."
    assert f"ICNet: {paper} Implementation followed: who/ICNet (unofficial, MIT). Wide." in table.notes
    origin = cell(table, 0, "Test mIoU published (%)").origin
    assert origin is not None
    assert origin["source"].startswith("README of hszhao/ICNet")


def compared(root: Path) -> Path:
    """The results of two networks, each timed at its own size, with other times for each form."""
    results(results(root), "icnet", 0.5)
    write_json(root / "complexity/complexity.json", {"base": COUNT, "icnet": {**COUNT, "network": "icnet"}})
    forms = {
        form: {**TIMES, "fps": i / 4, "p50": i / 8, "p90": i / 16, "p99": i / 32, "within_budget": i > 1}
        for i, form in enumerate(("unfolded", "folded", "deployed"), 1)
    }
    measured = json.loads((timed(root) / "latency/strict/cpu.json").read_text())
    measured["icnet"] = {"network": "icnet", "sizes": {"512x1024": forms}}
    write_json(root / "latency/strict/cpu.json", measured)
    return root


def test_every_column_of_the_comparison(tmp_path: Path) -> None:
    table = build(compared(tmp_path), "comparison", "base", "icnet", measurement="strict")
    assert shown(table, 1) == {
        "Experiment": "icnet",
        "Network": "ICNet",
        "Backbone": "ResNet-50",
        "Pretraining": "ImageNet",
        "Params (M)": "13.00",
        "Params published (M)": "26.5",
        "Verdict, params": "differs",
        "GMACs at 1024x2048 (1e9)": "218.15",
        "GFLOPs at 1024x2048 (official counter / 1024^3)": "203.17",
        "GFLOPs of the linked code at 1024x2048 (official counter / 1024^3)": "274.29",
        "GFLOPs published": "28.3",
        "GFLOPs published at": "1024x2048",
        "Verdict, GFLOPs": "differs",
        "mIoU here, full image (%)": "50.0",
        "Val mIoU published (%)": "67.7",
        "Test mIoU published (%)": "69.5",
        "FPS published": "30.3",
        "GPU": "Titan X",
        "At": "1024x2048",
        "FPS on an RTX 2080 at 512x1024": "102\u2020",
        "FPS on a V100 at 1024x2048": "20",
        "Input here": "512x1024",
        "FPS here": "0.25",
        "FPS here, normalisation folded": "0.50",
        "FPS here, deployed": "0.75",
        "Within budget": "no",
        "Within budget, normalisation folded": "yes",
        "Within budget, deployed": "yes",
    }
    assert table.shown() == {
        "Network": "Network",
        "Params (M)": "Params (M)",
        "Params published (M)": "Published",
        "Verdict, params": "Verdict",
        "GFLOPs at 1024x2048 (official counter / 1024^3)": "GFLOPs",
        "mIoU here, full image (%)": "mIoU here (%)",
        "Val mIoU published (%)": "Val mIoU",
        "Test mIoU published (%)": "Test mIoU",
        "Input here": "Input here",
        "FPS here": "FPS here",
    }
    folded = {f"Within budget{form}": "yes" for form in (", normalisation folded", ", deployed")}
    assert table.same() == {"Within budget": "no", **folded}
    assert "\u2020 of a variant: icnet, FPS on an RTX 2080 at 512x1024: with ResNet-18." in table.notes
    assert "Networks with 19 classes." in table.notes
    assert any("by the protocol strict (measurements.strict of params.yaml)" in note for note in table.notes)


def test_every_column_of_latency(tmp_path: Path) -> None:
    table = build(compared(tmp_path), "latency", measurement="strict")
    forms = {"": ["0.25", "125.00", "62.50", "31.25"], ", normalisation folded": ["0.50", "250.00", "125.00", "62.50"]}
    forms[", deployed"] = ["0.75", "375.00", "187.50", "93.75"]
    names = ("FPS", "p50 (ms)", "p90 (ms)", "p99 (ms)")
    assert shown(table, 1) == {
        "Experiment": "icnet",
        "Network": "ICNet",
        "Input": "512x1024",
        **{f"{name}{form}": text for form, times in forms.items() for name, text in zip(names, times, strict=True)},
        "Passes": "9",
        "Peak memory (MiB)": "1024",
        "Within budget": "no",
        "Within budget, normalisation folded": "yes",
        "Within budget, deployed": "yes",
    }
    assert table.shown() == {
        **{name: name for name in ("Experiment", "Input", "FPS", "p50 (ms)", "p99 (ms)")},
        "FPS, normalisation folded": "FPS, folded",
        "FPS, deployed": "FPS, deployed",
        "Peak memory (MiB)": "MiB",
    }
    assert cell(table, 1, "Input").value == "512x1024"
    absent = build(tmp_path, "latency", measurement="other")
    assert (absent.title, absent.rows) == ("A title", [])
    of_forms = [f"{name}{form}" for form in ("", ", normalisation folded") for name in names]
    budgets = ["Within budget", "Within budget, normalisation folded"]
    assert absent.columns == ["Experiment", "Network", "Input", *of_forms, "Passes", "Peak memory (MiB)", *budgets]


def test_the_short_names_of_forms(tmp_path: Path) -> None:
    """A form that is there of every network has columns."""
    path = timed(results(tmp_path)) / "latency/strict/cpu.json"
    content = json.loads(path.read_text())
    for form in ("compiled", "cuda_graph"):
        content["base"]["sizes"]["1024x2048"][form] = TIMES
    content["base"]["sizes"]["512x1024"] = {**content["base"]["sizes"]["1024x2048"], "compiled": TIMES}
    del content["base"]["sizes"]["1024x2048"]["compiled"]
    write_json(path, content)
    narrow = build(tmp_path, "latency", measurement="strict").narrow
    forms = {"normalisation folded": "folded", "deployed": "deployed", "CUDA graph": "cuda graph"}
    assert narrow == {
        **{name: name for name in ("Experiment", "Input", "FPS", "p50 (ms)", "p99 (ms)")},
        **{f"FPS, {form}": f"FPS, {short}" for form, short in forms.items()},
        "Peak memory (MiB)": "MiB",
        "Within budget": "In time, unfolded",
        **{f"Within budget, {form}": f"In time, {short}" for form, short in forms.items()},
    }


def test_what_people_compare_of_an_experiment(tmp_path: Path) -> None:
    shown = Shown(protocol="full_image", measurement="strict")
    root = results(results(tmp_path), "mine")
    write_json(root / "complexity/complexity.json", {"base": COUNT})

    def found(experiment: str, protocol: ProtocolName = "full_image") -> dict[str, Any]:
        asked = shown.model_copy(update={"protocol": protocol})
        return scores(Results(root, known("base", "mine")), experiment, ["full_image", "single_scale"], asked)

    accuracy = {"miou": {"full_image": 0.7816}, "pixel_accuracy": {"full_image": 0.95}}
    cost = {"params": 12_996_748, "gflops": 218_147_848_192 / 1024**3}
    assert found("base") == {**accuracy, **cost}
    timed(root)
    assert found("base") == {**accuracy, **cost, "fps": 2.5}
    assert found("base", "single_scale") == found("mine") == accuracy


def test_what_a_network_says_of_itself() -> None:
    known = asdict(FACTS["icnet"])
    paper, followed = "ICNet: A paper, 2018, https://example.org/1.", "Implementation followed: who/ICNet"
    assert footnote(known) == f"{paper} {followed} (unofficial, MIT). Wide."
    theirs = known | {"official": True, "licence": None, "deviation": None}
    assert footnote(theirs) == f"{paper} {followed} (official, no licence stated)."
    assert footnote(known | {"implementation": None, "year": None}) == "ICNet: A paper, https://example.org/1. Wide."
    assert footnote(known | {"paper": None}) == f"ICNet: {followed} (unofficial, MIT). Wide."
    assert footnote(dict.fromkeys(known) | {"title": "My network"}) == "My network: nothing."


def test_a_network_without_published_values(tmp_path: Path) -> None:
    """Its published cells are blank, and the table says so."""
    root = results(tmp_path)
    write_json(root / "complexity/complexity.json", {"newnet": {**COUNT, "network": "newnet"}})
    table = build(root, "comparison", "newnet", measurement="strict")
    assert shown(table)["Network"] == "NewNet"
    known = {"Experiment", "Network", "Params (M)", *(column for column in table.columns if "at 1024x2048 (" in column)}
    known -= {"GFLOPs of the linked code at 1024x2048 (official counter / 1024^3)"}
    assert {column for column, text in shown(table).items() if text} == known
    assert any(note.startswith("Where published cells are blank") for note in table.notes)
    assert not any(note.startswith("\u2020") for note in table.notes)


def test_published_networks() -> None:
    """Each is one of ours, and has a source where it has a value."""
    networks = yaml.safe_load(published.FILE.read_text())["networks"]
    assert set(networks) <= set(list_models())
    keys = {"pretraining", "test_miou", "val_miou", "params", "gflops", "fps", *ONE_GPU, "macs_as_executed"}
    for network in networks.values():
        assert set(network) <= keys
        assert all(entry["value"] and entry["source"] for entry in network.values())
        assert all(0 < network[key]["value"] < 1 for key in ("test_miou", "val_miou") if key in network)


def test_published_costs_have_verdicts(tmp_path: Path) -> None:
    """By what was printed, at the size that it was printed for; a mark says what is a variant's."""
    counts = {
        "dfanet_b": {"params": 2_024_852, "macs": 13_460_000_000},
        "hrnet_v2": {"params": 65_859_379, "macs": 747_513_053_184},
        "cifrenet": {"params": 1_949_901, "macs": 1},
        "mininet_v2": {"params": 507_243, "macs": 1},
    }
    root = results(tmp_path)
    sizes = ("1024x1024", "1024x2048")
    write_json(
        root / "complexity/complexity.json",
        {
            name: {
                **COUNT,
                "network": name,
                "params": each["params"],
                **{key: dict.fromkeys(sizes, each["macs"]) for key in ("macs", "official_macs")},
            }
            for name, each in counts.items()
        },
    )
    table = build(root, "comparison", *counts, measurement="strict")
    rows = {name: shown(table, i) for i, name in enumerate(counts)}
    found = {
        name: (row["Params published (M)"], row["Verdict, params"], row["GFLOPs published"], row["Verdict, GFLOPs"])
        for name, row in rows.items()
    }
    assert found == {
        "dfanet_b": ("4.8", "differs", "2.1", "differs"),
        "hrnet_v2": ("65.8", "match", "696.2", "match"),  # by its own counter, and one digit cut
        "cifrenet": ("", "", "7.1", "not comparable: published at a size that is not named"),
        "mininet_v2": ("0.5", "match", "", ""),
    }
    rtx, v100 = ONE_GPU.values()
    assert (rows["dfanet_b"][rtx], rows["dfanet_b"][v100]) == ("60\u2020", "")
    (note,) = [note for note in table.notes if note.startswith("\u2020")]
    assert f"dfanet_b, {rtx}: DFANet-A" in note


def test_published_scores_are_of_fine_labels_and_of_the_linked_branch() -> None:
    networks = yaml.safe_load(published.FILE.read_text())["networks"]
    keys = ("val_miou", "test_miou")
    found = {name: tuple(network.get(key, {}).get("value") for key in keys) for name, network in networks.items()}
    assert found["dfn"] == (0.785, 0.793)
    assert found["pspnet"] == (0.7863, 0.784)
    assert found["hrnet_v2"] == (0.809, 0.816)
    assert found["dfanet_b"] == (0.684, 0.671)


def test_published_values_stay_out_of_a_variation(tmp_path: Path) -> None:
    """Another experiment on the same data with the same network is not what was published."""
    table = build(results(tmp_path, "no_ohem"), "overall", "no_ohem")
    assert cell(table, 0, "Experiment").text == "no_ohem"
    names = ("mIoU published (%)", "Difference (points)", "Tolerance (points)", "Verdict")
    assert all(cell(table, 0, name) == BLANK for name in names)


def test_a_table_of_a_part_says_so(tmp_path: Path) -> None:
    part = {"name": "camvid", "title": "CamVid subset 1/1/1", "complete": False}
    table = build(results(tmp_path, dataset=part, weights="none"), "overall")
    assert cell(table, 0, "Weights").text == "from scratch"
    notes = " ".join(table.notes)
    assert "CamVid subset 1/1/1" in notes
    assert "no mIoU here can be compared" in notes
    assert "Trained from scratch, without ImageNet weights." in table.notes


def test_rows_are_what_is_recorded_and_the_rest_is_named(tmp_path: Path) -> None:
    training = {**RUN["training"], "split": "trainval"}
    root = results(results(tmp_path), "trainval", training=training, weights={"released": {}})
    results(root, "seen", training=training)
    now = known("trainval", "base", "seen", earlier=("no_ohem", "no_asfm"))
    table = build(root, "overall", "no_ohem", "trainval", "base", "seen", "no_asfm", now=now)
    assert [row[0].text for row in table.rows] == ["trainval", "base", "seen", "most frequent class: road"]
    assert cell(table, 0, "Weights").text == "the authors'"
    assert table.notes[1] == "Not measured, because params.yaml does not select them here: no_ohem, no_asfm."
    seen = "Trained on the validation split as well, so that their scores say nothing: trainval, seen."
    assert seen in table.notes
    assert table.rows[1][0].origin == {"file": "params.yaml", "pointer": "/tables/overall/experiments/2"}
    for kind in ("overall", "per_class"):
        empty = build(root, kind, "no_ohem", now=now)
        assert empty.rows == []
        empty.write(tmp_path / kind)
        assert "does not select them here: no_ohem." in (tmp_path / f"{kind}.md").read_text()
    with pytest.raises(InputError, match=r"evaluate/branch_1/run.json cannot be read .*run the stage"):
        build(root, "overall", "branch_1")


def test_what_is_recorded_and_not_selected_is_marked(tmp_path: Path) -> None:
    """Once where it is of the settings of params.yaml, twice where it is not; seeds of other settings do not count."""
    pruned = {
        "split": "train",
        "params_sha256": "0" * 64,
        "training": RUN["training"],
    }  # marked by that of the whole network
    root = results(results(tmp_path), "branch_1", training=pruned)
    results(root, "branch_2", params_sha256="0" * 64)
    results(root, "branch_3")
    results(root, "base_seed_1", 0.5, training={**RUN["training"], "params_sha256": "0" * 64})
    results(root, "base_seed_2", 0.5)
    seeds = ["base", "base_seed_1", "base_seed_2"]
    now = known("base", earlier=("branch_1", "branch_2", "branch_3", *seeds[1:]), base=seeds)
    table = build(root, "overall", "base", "branch_1", "branch_2", "branch_3", now=now)
    assert [row[0].text for row in table.rows[:3]] == ["base", "branch_1*", "branch_2**"]
    assert [row[0].value for row in table.rows[:3]] == ["base", "branch_1", "branch_2"]
    assert cell(table, 0, "Seeds").text == "2"
    notes = [note for note in table.notes if note.startswith("*")]
    assert [note.split(" ")[0] for note in notes] == ["*", "**"]
    assert [note.split(": ")[-1] for note in notes] == ["branch_1, branch_3.", "branch_2."]
    table.write(tmp_path / "marked")
    rows = csv.DictReader((tmp_path / "marked.csv").read_text().splitlines())
    assert [row["Experiment"] for row in rows][:3] == ["base", "branch_1*", "branch_2**"]
    classes = build(root, "per_class", "base", "branch_1", now=now)
    assert classes.columns[1:] == ["base, full image (%)", "branch_1*, full image (%)"]


def test_cells_are_blank_where_nothing_was_counted_timed_or_published(tmp_path: Path) -> None:
    root = timed(results(results(tmp_path), "mine"))
    counts = root / "complexity/complexity.json"
    write_json(counts, {"base": COUNT})
    table = build(root, "overall", "base", "mine", measurement="strict")
    blank = ("Params (M)", "GMACs (1e9)", "GFLOPs (official counter / 1024^3)", "FPS", "mIoU published (%)", "Verdict")
    assert [cell(table, 1, name) for name in blank] == [BLANK] * len(blank)
    assert "Not counted, so without parameters and GFLOPs: mine." in table.notes
    assert "Params (M)" in table.shown(), "it is not the same in all rows"
    assert "Params (M)" not in table.same()


def stored(origin: dict[str, Any], asked: dict[str, Any]) -> Any:
    """The value that an origin leads to; ``asked``: what stands for params.yaml."""
    path = Path(origin["file"])
    if path.name == "params.yaml":
        content = asked
    elif path.name == "published.yaml":
        content = yaml.safe_load((REPOSITORY / path).read_text())
        assert origin["source"]
    else:
        content = json.loads(path.read_text())
        run = json.loads((path.parent / "run.json").read_text())
        keys = ("stage", "params_sha256", "commit", "modified", "weights")
        assert [origin[key] for key in keys] == [run[key] for key in keys]
        assert origin["dataset"] == run["dataset"]["title"]
    value = resolve(content, origin["pointer"], path)
    return value * origin["scale"] if "scale" in origin else value


@pytest.mark.parametrize("kind", ["overall", "per_class", "complexity", "latency", "comparison"])
def test_the_origin_of_every_cell_leads_to_its_value(tmp_path: Path, kind: str) -> None:
    names = ["base", "base_seed_1", "icnet", "hrnet_v2"]
    for i, name in enumerate(names):
        results(tmp_path, name, 0.78 + i / 64, network={"name": "mfaranet"}, params_sha256=str(i))
    root = timed(tmp_path)
    counts = {name: {**COUNT, "network": name if name in FACTS else "mfaranet"} for name in names}
    write_json(root / "complexity/complexity.json", counts)
    now = known(*names, base=names[:2])
    for i, name in enumerate(names):
        now[name]["evaluation"] = str(i)
    table = build(root, kind, "base", "icnet", protocols=("full_image",), measurement="strict", now=now)
    overall = {"experiments": ["base", "icnet"], "protocols": ["full_image"]}
    asked = {"experiments": now, "tables": {"overall": overall}, "tolerances": TOLERANCES.model_dump()}
    of_what = {
        "mean": lambda each: statistics.fmean(each),
        "standard deviation": lambda each: statistics.stdev(each),
        "count": lambda each: len(each),
        "difference": lambda each: each[0] - each[1],
    }

    def value(origin: dict[str, Any]) -> Any:
        if "computed" not in origin:
            return stored(origin, asked)
        return of_what[origin["computed"]]([value(each) for each in origin["from"]])

    found = set()
    for each in [each for row in table.rows for each in row]:
        if each.origin is None:
            assert each == BLANK or each.value == "mean"
        elif each.origin.get("computed") == "verdict":
            assert all(value(origin) is not None for origin in each.origin["from"])
            found.add("verdict")
        else:
            expected = value(each.origin)
            if isinstance(each.value, str) and isinstance(expected, dict):  # a class, a size, an experiment
                assert each.value in expected
            else:
                exact = isinstance(expected, str | dict | list)
                assert each.value == (expected if exact else pytest.approx(expected))
            found.add(each.origin.get("computed", "stored"))
    several = {"overall": set(of_what), "per_class": {"mean"}, "comparison": {"mean"}}
    assert found - {"verdict"} >= {"stored"} | several.get(kind, set())


def test_of_several_published_values_the_comparable_one_is_taken() -> None:
    entries = [(3, {"value": 0.5, "source": "a", "split": "val"}), (7, {"value": 0.75, "source": "b", "split": "test"})]
    allowed = Cell(0.5, "0.5", {"file": "params.yaml"})

    def compare(here: Cell, split: str) -> list[Cell]:
        def obstacle(entry: dict[str, Any]) -> str:
            return "" if entry["split"] == split else f"published on {entry['split']}"

        return list(published.compare(here, entries, obstacle, allowed, "{:.2f}".format, 100))

    for here, text, verdict in (
        (75.0, "+0.00", "match"),
        (75.5, "+0.50", "match"),
        (74.5, "-0.50", "match"),
        (74.25, "-0.75", "differs"),
    ):
        ours = Cell(here, "", {"file": "ours"})
        theirs = {"file": "mfaranet/tables/published.yaml", "pointer": "/values/7/value", "scale": 100, "source": "b"}
        assert compare(ours, "test") == [
            Cell(75, "75.00", theirs),
            Cell(here - 75, text, {"computed": "difference", "from": [ours.origin, theirs]}),
            allowed,
            Cell(verdict, verdict, {"computed": "verdict", "from": [ours.origin, theirs, allowed.origin]}),
        ]
    first, difference, tolerance, verdict = compare(BLANK, "train")
    assert (first.value, difference, tolerance) == (50, BLANK, BLANK)
    assert verdict.text == verdict.value == "not comparable: published on val"
    assert verdict.origin == {"computed": "verdict", "from": [None, first.origin]}


def test_what_is_said_of_a_published_value() -> None:
    file = {"file": "mfaranet/tables/published.yaml"}
    readme = {**file, "source": "README of hszhao/ICNet"}
    place = "/networks/icnet/test_miou/value"
    expected = Cell(69.5, "69.5", {**readme, "pointer": place, "scale": 100})
    assert published.network_cell("icnet", "test_miou", "{:.1f}".format, 100) == expected
    assert published.network_cell("icnet", "test_miou") == Cell(0.695, "0.695", {**readme, "pointer": place})
    quoted = {
        **file,
        "pointer": "/networks/icnet/fps/gpu",
        "source": "README of liminn/ICNet-pytorch, which quotes the paper",
    }
    assert published.network_cell("icnet", "fps", of="gpu") == Cell("Titan X", "Titan X", quoted)
    assert published.network_cell("icnet", "v100", of="gpu") == published.network_cell("none", "fps") == BLANK
    assert published.printed_cell("icnet", "params").text == "26.5"
    assert published.printed_cell("icnet", "rtx_2080").text == "102\u2020"


@pytest.mark.parametrize(("name", "key", "digit"), [("enet", "params", 0.01), ("swiftnet_18", "gflops", 1.0)])
def test_the_tolerance_of_a_printed_number_is_of_its_last_digit(name: str, key: str, digit: float) -> None:
    for asked in (1.0, 0.5):
        found = published.network_tolerance(TOLERANCES.model_copy(update={"network_cost": asked}), name, key)
        assert found.value == pytest.approx(asked * digit)
        assert found.text == f"{asked * digit:g}"
        assert found.origin == {"file": "params.yaml", "pointer": "/tolerances/network_cost", "scale": digit}
    assert published.network_tolerance(TOLERANCES, "icnet", "v100").value == 1


@pytest.mark.parametrize("kind", ["overall", "per_class", "complexity", "latency", "comparison"])
def test_a_table_shows_what_its_sources_hold_and_no_more(tmp_path: Path, kind: str) -> None:
    """With everything else left out, the table is the same: a change there does not make it stale."""
    root = timed(results(results(results(tmp_path / "all"), "branch_1"), "other", 0.3))
    now = known("base", "branch_1")
    whole = build(root, kind, "base", "branch_1", measurement="strict", now=now)
    measured = "strict" if kind in ("overall", "latency", "comparison") else None
    found = sources(kind, measured, Results(root, now))
    assert ("complexity/other" in found) == (kind == "complexity")
    assert "evaluate/other" not in found
    part = tmp_path / "part"
    for key, content in found.items():
        folder, _, name = key.rpartition("/")
        if folder == "evaluate":
            write_json(part / key / "metrics.json", content[0])
            write_json(part / key / "run.json", content[1])
        elif not folder or name == "strict":
            write_json(part / key / "run.json", {**RUN, **content})
        else:
            file = part / folder / ("complexity.json" if folder == "complexity" else "cpu.json")
            write_json(file, {**(json.loads(file.read_text()) if file.exists() else {}), name: content[0]})
    described = part / "complexity/run.json"
    facts = {content[0]["network"]: content[1] for key, content in found.items() if key.startswith("complexity/")}
    write_json(described, {**json.loads(described.read_text()), "networks": facts})
    again = build(part, kind, "base", "branch_1", measurement="strict", now=now)
    assert [[each.text for each in row] for row in again.rows] == [[each.text for each in row] for row in whole.rows]
    assert again.notes == whole.notes


def test_the_files(tmp_path: Path) -> None:
    table = build(results(tmp_path / "results"), "per_class")
    table.write(tmp_path / "table")
    markdown = (tmp_path / "table.md").read_text()
    assert "| a/b & c_d" in markdown
    assert re.fullmatch(r"\|:-+\|-+:\|", markdown.splitlines()[3]), "labels at the left, numbers at the right"
    assert markdown.splitlines()[2].startswith("| Class"), "nothing is the same in all rows"
    assert "- All columns are in table.csv, in full precision, and in table.json, with the origin" in markdown
    assert b"\r" not in (tmp_path / "table.csv").read_bytes()
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["base, full image (%)"] for row in rows] == ["98.0", "", "50.0", "78.16"]
    latex = (tmp_path / "table.tex").read_text()
    assert r"a/b \& c\_d & 50.0 \\" in latex
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
    stored = json.loads((tmp_path / "table.json").read_text())
    assert (stored["title"], stored["notes"]) == ("A title", table.notes)
    origin = stored["rows"][2][1]["origin"]
    assert (origin["pointer"], origin["scale"]) == ("/full_image/iou/a~1b & c_d", 100)
    assert resolve({"full_image": SCORES}, origin["pointer"], tmp_path) == 0.5


def test_the_latex_of_a_short_and_of_a_long_table() -> None:
    def page(count: int, above: str) -> str:
        rows = [["a_b", "50 %"]] * count
        return Page("A & B", above, ["Name", "mIoU"], rows, [False, True], ["\u00b9 see x/y."], ["Of a/b_c."]).latex()

    row = r"a\_b & 50 \% \\"
    footnote, note = r"\textsuperscript{1} see x/\allowbreak{}y.\par", r"Of a/\allowbreak{}b\_\allowbreak{}c.\par"
    top = ["\\toprule", r"Name & mIoU \\", "\\midrule"]
    assert page(45, "Same: x/y.").splitlines() == [
        r"\begin{table}",
        r"\caption{A \& B}",
        r"\footnotesize\setlength{\tabcolsep}{3pt}\sloppy",
        r"Same: x/\allowbreak{}y.\par",
        r"\smallskip",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        r"\begin{tabular}{lr}",
        *top,
        *[row] * 45,
        r"\bottomrule",
        r"\end{tabular}",
        r"}\par",
        r"\smallskip",
        footnote,
        r"\end{table}",
        r"{\footnotesize\sloppy",
        note,
        "}",
    ]
    assert page(46, "").splitlines() == [
        r"{\scriptsize\setlength{\tabcolsep}{3pt}\sloppy",
        r"\begin{longtable}{lr}",
        r"\caption{A \& B} \\",
        *top,
        r"\endfirsthead",
        *top,
        r"\endhead",
        *[row] * 46,
        r"\bottomrule",
        r"\end{longtable}",
        footnote,
        note,
        "}",
    ]


def test_people_see_few_columns_and_what_is_the_same_once(tmp_path: Path) -> None:
    """CSV and JSON have all columns, and the JSON says which the others show."""
    root = results(results(tmp_path / "results", weights="none"), "branch_1", 0.5, weights="none")
    table = build(timed(root), "overall", "base", "branch_1", measurement="strict")
    table.write(tmp_path / "table")
    lines = (tmp_path / "table.md").read_text().splitlines()
    same = "network MFARANet; data Cityscapes; weights from scratch; protocol full image; input 1024x2048; seeds 1"
    costs = "params (M) 13.00; GFLOPs (official counter / 1024^3) 203.17"
    assert lines[2] == f"The same in all rows: {same}; {costs}."
    heading, _, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("|")]
    assert heading == ["Experiment", "mIoU (%)", "Published", "Verdict", "FPS"]
    assert rows[0] == ["base", "78.2", "78.2", "not comparable\u00b9", "2.5"]
    assert rows[1] == ["branch_1", "50.0", "", "", ""]
    assert "- \u00b9 trained from scratch." in lines
    assert "- Headers in full: Published = mIoU published (%)." in lines
    assert "- Blank in every row, and so left out: Std over seeds (points), Difference (points)." in lines
    assert r"base & 78.2 & 78.2 & not comparable\textsuperscript{1} & 2.5 \\" in (tmp_path / "table.tex").read_text()
    stored = json.loads((tmp_path / "table.json").read_text())
    assert stored["narrow"] == ["Experiment", "mIoU (%)", "mIoU published (%)", "Verdict", "FPS"]
    assert [stored["headers"][name] for name in stored["narrow"]] == heading
    assert stored["same"]["Weights"] == "from scratch"
    (whole,) = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))[:1]
    assert list(whole) == stored["columns"] == table.columns
    assert whole["Verdict"] == "not comparable: trained from scratch"


def test_what_is_said_of_the_columns() -> None:
    def said(narrow: dict[str, str], fps: Cell) -> Table:
        row = [Cell("base", "base", None), fps, Cell(True, "yes", None), BLANK]
        return Table("", ["Experiment", "Images a second", "Within budget", "Data"], [row], [], narrow, ("Data",))

    measured = Cell(2.5, "2.5", None)
    in_full = said({"Experiment": "Experiment", "Within budget": "Within budget"}, measured)
    assert [note.split(" ")[0] for note in in_full.page("x").footnotes] == ["All"]
    assert in_full.page("x").right == [False, False]
    assert in_full.same() == {}, "a condition that is blank"
    assert in_full.page("x").above == ""
    short = {"Experiment": "Experiment", "Images a second": "FPS", "Within budget": "In time"}
    headers, _ = said(short, measured).page("x").footnotes
    assert headers == "Headers in full: FPS = Images a second; In time = Within budget."
    assert said(short, measured).page("x").right == [False, True, False]
    _, blank, _ = said(short, BLANK).page("x").footnotes
    assert blank == "Blank in every row, and so left out: Images a second."


@pytest.mark.parametrize(
    ("value", "cost", "speed"),
    [
        (0.0, "0.00", "0.00"),
        (0.1, "0.10", "0.10"),
        (0.0996, "0.100", "0.100"),
        (0.0016, "0.0016", "0.0016"),
        (-0.0016, "-0.0016", "-0.0016"),
        (0.996, "1.00", "1.00"),
        (1, "1.00", "1"),
        (1.04, "1.04", "1"),
        (203.166, "203.17", "203"),
    ],
)
def test_as_many_digits_as_count(value: float, cost: str, speed: str) -> None:
    assert two_digits(value) == cost
    assert digits(value, 0) == speed


def test_how_speed_was_measured_is_said(tmp_path: Path) -> None:
    root = timed(results(tmp_path))
    path = root / "latency/strict/run.json"
    for tf32, said in ((None, "without"), (False, "without"), (True, "with")):
        run = json.loads(path.read_text())
        write_json(path, run if tf32 is None else {**run, "tf32": tf32})
        assert build(root, "latency", measurement="strict").notes == [
            "FPS: images per second here, one at a time, by the protocol strict (measurements.strict of params.yaml) "
            f"on cpu (2 x Some, 2 threads), float32, channels last, {said} TF32, torch 2; networks with initial "
            "weights, which change nothing. Of this machine alone."
        ]


def test_a_count_that_was_kept_is_of_the_run_that_made_it(tmp_path: Path) -> None:
    root = results(tmp_path)
    path = root / "complexity/complexity.json"
    kept = {"made_of": "m", "params_sha256": "d" * 64, "commit": "older", "modified": True}
    write_json(path, {"base": {**COUNT, "run": kept}, "mine": COUNT})
    stored = Results(root, known("base", "mine"))
    for name, expected in (
        ("base", kept),
        ("mine", {"params_sha256": "f" * 64, "commit": "c0ffee", "modified": False}),
    ):
        assert stored.cost(name, "512x1024")[0].origin == {
            "file": path.as_posix(),
            "pointer": f"/{name}/params",
            "scale": 1e-6,
            "stage": "complexity@cityscapes",
            "dataset": "Cityscapes",
            "weights": None,
            **expected,
        }


def test_a_blank_column_of_miou_stays_and_others_go() -> None:
    def page(*texts: str) -> list[str]:
        columns = ["Experiment", "mIoU (%)", "FPS"]
        row = [Cell(text or None, text, None) for text in texts]
        return list(Table("", columns, [row] if row else [], [], {name: name for name in columns}).shown())

    assert page("base", "", "") == ["Experiment", "mIoU (%)"]
    assert page("base", "", "3") == ["Experiment", "mIoU (%)", "FPS"]
    assert page() == ["Experiment", "mIoU (%)", "FPS"]


def test_what_is_published_of_a_network_is_not_of_its_variants(tmp_path: Path) -> None:
    """Where a network has several rows, their experiments tell them apart."""
    root = timed(results(results(tmp_path), "branch_1", 0.5))
    table = build(root, "comparison", "base", "branch_1", measurement="strict")
    published = [cell(table, row, "Val mIoU published (%)").text for row in range(2)]
    assert published == ["78.2", ""]
    assert next(iter(table.shown().items())) == ("Experiment", "Experiment")
    assert "Of a network with several rows, they stand in the first." in table.notes
    alone = build(root, "comparison", measurement="strict")
    assert next(iter(alone.shown().items())) == ("Network", "Network")
    assert not any("several rows" in note for note in alone.notes)


SAMPLE_ALONE = {"datasets": ["sample"]}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables of the sample, from the results that git has."""
    folder = tmp_path_factory.mktemp("tables")
    params = load(REPOSITORY / "params.yaml")
    for names, settings, _ in runs(params.model_copy(update={"run": params.run.model_copy(update=SAMPLE_ALONE)})):
        if "tables" in names:
            checked: Any = TypeAdapter(TableSettings).validate_json(json.dumps(settings["table"]))
            made = tables.build(
                names[-1], checked, params.tolerances, settings["experiments"], REPOSITORY / "results/sample"
            )
            made.write(folder / names[-1])
    return folder


def test_tables_can_be_read_in_a_window(written: Path) -> None:
    """As wide as a terminal, and with about eight columns."""
    pages = sorted(written.glob("*.md"))
    assert len(pages) > 15
    for page in pages:
        lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
        assert len(lines[0]) <= 140, page
        assert lines[0].count("|") <= 12, page
        assert not any("not comparable:" in line for line in lines)


def latex_document(tables: list[Path], options: str) -> str:
    """A document of tables."""
    inputs = "\n".join(f"\\input{{{path.as_posix()}}}\n\\clearpage" for path in tables)
    packages = "\\usepackage{booktabs,graphicx,longtable}"
    return f"\\documentclass[{options}]{{article}}\n{packages}\n\\begin{{document}}\n{inputs}\n\\end{{document}}\n"


@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_latex_compiles(written: Path, tmp_path: Path, columns: str) -> None:
    """All tables of the sample, at the width of a page or of a column, and some of every symbol of LaTeX's own."""
    if not shutil.which("pdflatex"):
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-recommended)")
    awkward = Cell("", "&%$#_{}\\^~<>", None)
    for name, rows in {"short": 1, "long": 100}.items():
        header = {awkward.text: awkward.text}
        Table(awkward.text, list(header), [[awkward]] * rows, [awkward.text], header).write(tmp_path / name)
    made = [*sorted(written.glob("*.tex")), tmp_path / "short.tex", tmp_path / "long.tex"]
    if columns == "twocolumn":  # longtable has no columns
        made = [path for path in made if "longtable" not in path.read_text()]
    (tmp_path / "all.tex").write_text(latex_document(made, columns))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written on all.pdf" in done.stdout
    assert not re.findall(r"Float too large|Overfull \\hbox \((?!\d\.)", done.stdout), "wider than a column or a page"


def test_a_cell_can_be_traced(tmp_path: Path) -> None:
    build(results(tmp_path), "overall").write(tmp_path / "table")
    for row in ("base", "MFARANet", "mfaranet"):
        for column in ("mIoU (%)", "miou"):
            ((labels, found),) = trace(tmp_path / "table.md", row, column)
            assert labels[:2] == ["base", "MFARANet"]
            assert found.origin is not None
            assert (found.origin["pointer"], found.origin["commit"]) == ("/full_image/miou", "c0ffee")
    ((_, published),) = trace(tmp_path / "table.md", "base", "Published")
    assert published.value == pytest.approx(78.2)
    ((_, deviation),) = trace(tmp_path / "table.md", "base", "std over seeds")
    assert deviation == BLANK
    assert describe(1.5, {"pointer": "/b", "file": "a"}) == "value: 1.5\norigin:\n  pointer: /b\n  file: a\n"
    with pytest.raises(InputError, match=r"has no row 'enet'; it has: base, most frequent class: road"):
        list(trace(tmp_path / "table.md", "enet", "mIoU"))
    with pytest.raises(InputError, match=r"has no column 'IoU'; it has: Experiment, "):
        list(trace(tmp_path / "table.md", "base", "IoU"))
    with pytest.raises(InputError, match=r"other.json cannot be read"):
        list(trace(tmp_path / "other.md", "base", "mIoU"))
    earlier = json.loads((tmp_path / "table.json").read_text())
    del earlier["headers"]
    write_json(tmp_path / "table.json", earlier)
    assert [found.text for _, found in trace(tmp_path / "table.md", "base", "mIoU (%)")] == ["78.2"]
    write_json(tmp_path / "table.json", {**earlier, "format": 2})
    with pytest.raises(InputError, match=r"/table\.json has format 2"):
        list(trace(tmp_path / "table.md", "base", "mIoU"))


def test_a_key_of_any_letters_is_found() -> None:
    content = {"a~1/b": {"~": [5, 7]}}
    pointer = f"/{pointer_part('a~1/b')}/{pointer_part('~')}/1"
    assert pointer == "/a~01~1b/~0/1"
    assert resolve(content, pointer, Path("x.json")) == 7
    for wrong in ("/a", "/a~01~1b/~0/2", "/a~01~1b/~0/x", "/a~01~1b/~0/1/0"):
        with pytest.raises(InputError, match=rf"^x\.json has no {wrong}; run the stage that makes it again$"):
            resolve(content, wrong, Path("x.json"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["models", "--json"],
        ["--version"],
        ["params"],
        ["params", "sample", "enet"],
        ["trace", "results/sample/tables/overall.md", "base", "mIoU"],
        ["--help"],
        ["predict", "--help"],
    ],
    ids=" ".join,
)
def test_settings_and_tables_do_without_torch(arguments: list[str]) -> None:
    """It takes seconds to import, and what only reads should not, nor data sets and trainings from scratch."""
    code = (
        "import sys, mfaranet.cli, mfaranet.tables.build, workflow.data, workflow.weights; sys.argv[1:] = "
        f"{arguments!r}; mfaranet.cli.app(standalone_mode=False); sys.exit('torch' in sys.modules)"
    )
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    root = results(tmp_path)
    (root / "complexity/run.json").unlink()
    with pytest.raises(InputError, match=r"complexity/run.json cannot be read .*run the stage"):
        build(root, "overall")
    write_json(root / "complexity/run.json", RUN)
    write_json(root / "evaluate/base/metrics.json", {"full_image": {}})
    with pytest.raises(InputError, match=r"metrics.json has no /full_image/miou"):
        build(root, "overall")
