"""The pages for people: their Python runs, their links lead somewhere, and what they name is there."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from documented import PAGES, REPOSITORY, blocks, kinds, prose
from official import STATE_DICTS, tensor_of
from PIL import Image
from torch import nn

import mfaranet
from mfaranet.deployment.export import Form, export
from mfaranet.weights.checkpoints import save

GENERATED = ("data/", "logs/", "plan/", "runs/")
"""What git does not have."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All its blocks, one after the other, in a folder with the files that they read."""
    code = "".join(blocks(page, "python"))
    monkeypatch.chdir(tmp_path)
    Image.fromarray(np.full((64, 96, 3), 90, np.uint8)).save("photo.png")
    state = {key: tensor_of(key, shape).float() for key, shape in STATE_DICTS["resnet18"]["state_dict"]}
    for named in re.findall(r"\w+\.pth", code):
        torch.save({"epoch": 200, "state_dict": state}, named)
    monkeypatch.setattr("mfaranet.models._REGISTERED", {})
    if "best.onnx" in code:
        export_smallest(Path("best.safetensors"))
    exec(compile(code, str(page), "exec"), {})


def export_smallest(checkpoint: Path) -> None:
    """Of a network with one layer: the checkpoint, and beside it files of images as photo.png."""
    mfaranet.register_model("smallest", lambda num_classes: nn.Conv2d(3, num_classes, 1))
    facts = {"network": "smallest", "options": {}, "classes": ["road", "sky"], "colours": [[0, 0, 0], [70, 130, 180]]}
    save(mfaranet.get_model("smallest", num_classes=2), checkpoint, facts)
    export(checkpoint, Form("onnx", (64, 96)))
    export(checkpoint, Form("openvino", (64, 96)))


def test_every_kind_of_block_is_tested() -> None:
    """Python here, or where ``notest`` says so in tests/test_export.py; the others in tests/test_commands.py."""
    assert set().union(*map(kinds, PAGES)) == {"", "bash", "python", "python notest", "yaml"}


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """The headings, as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@every_page
def test_named_paths_are_there(page: Path) -> None:
    folders = [path.name for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")]
    for text in re.findall(r"`([^`\n]+)`", prose(page)):
        is_path = re.fullmatch(r"[\w./-]+/[\w./-]*", text) and text.split("/")[0] in folders
        if is_path and not text.startswith(GENERATED) and not text.endswith("/report.html"):
            assert (REPOSITORY / text).exists(), text
