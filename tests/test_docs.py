"""The pages for people: their Python runs, their links lead somewhere, and their commands name what there is."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from dvc.utils.hydra import apply_overrides
from official import STATE_DICTS, tensor_of
from PIL import Image

from mfaranet.params import load

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
GENERATED = ("data/", "logs/", "plan/", "runs/")
"""What git does not have."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.mark.parametrize("name", ["README.md", "docs/python.md"])
def test_the_python_of_a_page_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = [code for kind, code in BLOCK.findall((REPOSITORY / name).read_text()) if kind == "python"]
    assert blocks
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save("photo.png")
    state = {key: tensor_of(key, shape).float() for key, shape in STATE_DICTS["resnet18"]["state_dict"]}
    for named in re.findall(r"\w+\.pth", "".join(blocks)):
        torch.save({"epoch": 200, "state_dict": state}, named)
    names: dict[str, Any] = {}
    for code in blocks:
        exec(compile(code, name, "exec"), names)


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_named_paths_are_there(page: Path) -> None:
    folders = [path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for text in re.findall(r"`([^`\n]+)`", BLOCK.sub("", page.read_text())):
        is_path = re.fullmatch(r"[\w./-]+/[\w./-]*", text) and text.split("/")[0] in folders
        if is_path and not text.startswith(GENERATED) and not text.endswith("/report.html"):
            assert (REPOSITORY / text).exists(), text


@every_page
def test_commands_name_what_there_is(page: Path, tmp_path: Path) -> None:
    """Changed settings are valid, and tables are those of params.yaml."""
    before = (REPOSITORY / "params.yaml").read_text()
    code = "".join(code for kind, code in BLOCK.findall(page.read_text()) if kind == "bash").replace("\\\n", " ")
    defined = set(yaml.safe_load(before)["tables"])
    mentioned = {*re.findall(r"tables@sample-(\w+)", code), *re.findall(r"tables_sample_(\w+)", code)}
    assert mentioned <= defined
    for line in code.splitlines():
        overrides = [quoted or plain for quoted, plain in re.findall(r"-S (?:'([^']+)'|(\S+))", line)]
        # Where people fill in a name, or a set is named that test_own_data.py has.
        if overrides and "<" not in line and "[streets]" not in line:
            path = tmp_path / "params.yaml"
            path.write_text(before)
            apply_overrides(path, overrides)
            load(path)
