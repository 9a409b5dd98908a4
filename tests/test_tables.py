"""Tables from stored results: what they show, and what they leave blank."""

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mfaranet import tables
from mfaranet.errors import InputError
from mfaranet.files import write_json
from mfaranet.settings import TableSettings

SCORES = {"miou": 0.7812, "pixel_accuracy": 0.95, "iou": {"road": 0.98, "traffic light": None, "a/b & c_d": 0.5}}
RUN = {
    "stage": "evaluate@cityscapes-base",
    "params_sha256": "f" * 64,
    "commit": "c0ffee",
    "modified": False,
    "dataset": {"name": "cityscapes", "title": "Cityscapes", "complete": True},
    "split": "val",
    "network": {"name": "mfaranet", "options": {}},
    "weights": {"origin": "link", "sha256": "0" * 64},
    "training": {"split": "train"},
}


def results(root: Path, experiment: str = "base", **run: Any) -> Path:
    """The stored results of one experiment."""
    metrics = {"full_image": SCORES, "most_frequent_class": {"class": "road", **SCORES, "miou": 0.02}}
    count = {"full_image": {"input_size": [1024, 2048], "params": 12_996_748, "macs": 218_147_848_192}}
    write_json(root / f"evaluate/{experiment}/metrics.json", metrics)
    write_json(root / f"evaluate/{experiment}/run.json", {**RUN, **run})
    counts = root / "complexity/complexity.json"
    write_json(counts, {**(json.loads(counts.read_text()) if counts.exists() else {}), experiment: count})
    write_json(root / "complexity/run.json", {**RUN, "stage": "complexity@cityscapes", "weights": None})
    return root


def build(root: Path, kind: str, *experiments: str, selected: tuple[str, ...] = ("base", "no_ohem")) -> tables.Table:
    chosen = list(experiments or ["base"])
    settings = {"kind": kind, "title": "A title", "experiments": chosen, "protocols": ["full_image", "single_scale"]}
    return tables.build("overall", TableSettings.model_validate(settings), selected, root)


def cell(table: tables.Table, row: int, column: str) -> tables.Cell:
    return table.rows[row][table.columns.index(column)]


def test_the_overall_table(tmp_path: Path) -> None:
    table = build(results(tmp_path), "overall")
    shown = {column: cell(table, 0, column).text for column in table.columns}
    assert shown == {
        "Experiment": "base",
        "Network": "mfaranet",
        "Data": "Cityscapes",
        "Weights": "ImageNet",
        "Protocol": "full image",
        "Input": "1024x2048",
        "mIoU (%)": "78.1",
        "mIoU published (%)": "78.2",
        "Pixel accuracy (%)": "95.0",
        "Params (M)": "13.00",
        "GMACs (1e9)": "218.15",
        "GFLOPs of the paper (MACs / 1024^3)": "203.17",
    }
    assert cell(table, 1, "Experiment").text == "most frequent class: road"
    assert cell(table, 1, "mIoU (%)").text == "2.0"
    published = cell(table, 0, "mIoU published (%)").origin
    assert published is not None
    assert "README" in published["source"]


@pytest.mark.parametrize(
    "run",
    [
        {"dataset": {"name": "cityscapes", "title": "part of Cityscapes", "complete": False}},
        {"dataset": {"name": "camvid", "title": "CamVid", "complete": True}},
        {"split": "train"},
        {"network": {"name": "enet", "options": {}}},
    ],
)
def test_a_published_value_of_something_else_stays_out(tmp_path: Path, run: dict[str, Any]) -> None:
    table = build(results(tmp_path, **run), "overall")
    assert cell(table, 0, "mIoU published (%)") == tables.BLANK


def test_a_published_value_stays_out_of_a_variation(tmp_path: Path) -> None:
    """Another experiment on the same data with the same network is not what was published."""
    table = build(results(tmp_path, "no_ohem"), "overall", "no_ohem")
    assert cell(table, 0, "Experiment").text == "no_ohem"
    assert cell(table, 0, "mIoU published (%)") == tables.BLANK


def test_a_table_of_a_part_says_so(tmp_path: Path) -> None:
    part = {"name": "camvid", "title": "CamVid subset 1/1/1", "complete": False}
    table = build(results(tmp_path, dataset=part, weights="none"), "overall")
    assert cell(table, 0, "Weights").text == "from scratch"
    notes = " ".join(table.notes)
    assert "CamVid subset 1/1/1" in notes
    assert "no number here can be compared" in notes
    assert "without ImageNet weights" in notes


def test_rows_are_what_is_selected_and_the_rest_is_named(tmp_path: Path) -> None:
    root = results(results(tmp_path), "trainval", training={"split": "trainval"}, weights={"released": {}})
    table = build(root, "overall", "no_ohem", "trainval", "base", selected=("base", "trainval"))
    assert [row[0].text for row in table.rows] == ["trainval", "base", "most frequent class: road"]
    assert cell(table, 0, "Weights").text == "the authors'"
    notes = " ".join(table.notes)
    assert "does not select them here: no_ohem." in notes
    assert "Trained on the validation split as well, so that their scores say nothing: trainval." in notes
    assert table.rows[1][0].origin == {"file": "params.yaml", "pointer": "/tables/overall/experiments/2"}
    for kind in ("overall", "per_class"):
        empty = build(root, kind, "base", selected=("trainval",))
        assert empty.rows == []
        empty.write(tmp_path / kind)
        assert "does not select them here: base." in (tmp_path / f"{kind}.md").read_text()


def test_the_files(tmp_path: Path) -> None:
    table = build(results(tmp_path / "results"), "per_class")
    table.write(tmp_path / "table")
    markdown = (tmp_path / "table.md").read_text()
    assert "| a/b & c_d" in markdown
    rows = list(csv.DictReader((tmp_path / "table.csv").read_text().splitlines()))
    assert [row["base, full image (%)"] for row in rows] == ["0.98", "", "0.5", "0.7812"]
    latex = (tmp_path / "table.tex").read_text()
    assert r"a/b \& c\_d & 50.0 \\" in latex
    assert latex.count(r"\toprule") == latex.count(r"\bottomrule") == 1
    stored = json.loads((tmp_path / "table.json").read_text())
    origin = stored["rows"][2][1]["origin"]
    assert origin["pointer"] == "/full_image/iou/a~1b & c_d"
    assert tables.resolve({"full_image": SCORES}, origin["pointer"], tmp_path) == 0.5


def test_settings_and_tables_do_without_torch() -> None:
    """It takes seconds to import, and a table should not."""
    code = "import sys, mfaranet.cli, mfaranet.params, mfaranet.tables; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_missing_result_is_named(tmp_path: Path) -> None:
    root = results(tmp_path)
    (root / "complexity/run.json").unlink()
    with pytest.raises(InputError, match=r"complexity/run.json cannot be read .*run the stage"):
        build(root, "overall")
    write_json(root / "complexity/run.json", RUN)
    write_json(root / "evaluate/base/metrics.json", {"full_image": {}})
    with pytest.raises(InputError, match=r"metrics.json has no /full_image/miou"):
        build(root, "overall")
