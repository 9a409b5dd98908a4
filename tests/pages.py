"""Pages for tests: of the stored results, and of a small data set with pictures and names that are hard to show."""

import json
import shutil
from pathlib import Path
from typing import Any

import tiny
from PIL import Image

from mfaranet.params import load
from mfaranet.report.difference import Change, write_difference
from mfaranet.report.index import card, write_index
from mfaranet.report.page import write_report
from mfaranet.report.pictures import draw
from mfaranet.report.stored import Stored

REPOSITORY = Path(__file__).parents[1]
EVIL = "<script>alert(1)</script>"
BREAKING = '"><img src=x onerror=alert(2)>'
"""Ends an attribute; and it may be a file's name."""
LONG = "an_experiment_with_a_name_" + "that_goes_on_" * 12


def write_page(dataset: str, path: Path, results: Path = REPOSITORY / "results", pictures: Any = None) -> Stored:
    """The page of a data set, by params.yaml."""
    stored = Stored(results / dataset)
    write_report(path, stored, load(REPOSITORY / "params.yaml").report(dataset), pictures)
    return stored


def write_hard_page(path: Path) -> Stored:
    """The page of the sample's results, in which a class and an experiment have other names, with two pictures."""
    results = path.parent / "results" / "sample"
    shutil.copytree(REPOSITORY / "results/sample", results)
    for file in [*results.glob("tables/*.json"), *results.glob("curves/*.csv"), *results.glob("evaluate/base/*.csv")]:
        text = file.read_text()
        inside = json.dumps(EVIL)[1:-1] if file.suffix == ".json" else EVIL
        file.write_text(text.replace("traffic light", inside).replace("no_mfam", LONG))
    data = tiny.write_data(path.parent / "data")
    for label in (data / "labels/val").glob("*.png"):  # predictions are ids, which are the classes here
        target = path.parent / "predictions" / label.name
        target.parent.mkdir(exist_ok=True)
        Image.open(label).point(lambda value: min(value, 2)).save(target)
    return write_page("sample", path, results.parent, draw(data, "val", path.parent / "predictions", 2))


def write_other_pages(folder: Path, stored: Stored) -> dict[str, Path]:
    """The index of two data sets, and what changed between them, which is much."""
    index, difference = folder / "index.html", folder / "difference.html"
    other = Stored(REPOSITORY / "results/sample")
    write_index(index, [card(each, "full_image") for each in (stored, other)])
    changes = [Change("train.epochs", 2, 4), Change("a_key_" * 30, None, EVIL)]
    write_difference(difference, "HEAD~1", other, stored, changes, changes, {})
    return {"index": index, "difference": difference}
