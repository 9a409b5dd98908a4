"""Networks by name: what each says of itself, and those of other packages."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mfaranet
from mfaranet import models
from mfaranet.errors import InputError
from mfaranet.models.facts import Facts
from mfaranet.weights.checkpoints import load_trained, save


class Outside(nn.Module):
    """A network that is not of the package."""

    def __init__(self, num_classes: int = 19, width: int = 4) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, num_classes, 1))

    def forward(self, images: Tensor) -> Any:
        logits = self.convs(images)
        return {"out": logits} if self.training else logits


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> str:
    """Its name, until the end of the test."""
    monkeypatch.setattr(models, "_REGISTERED", {})
    mfaranet.register_model("outside", Outside)
    return "outside"


@pytest.mark.parametrize("name", mfaranet.list_models())
def test_a_network_says_what_it_is(name: str) -> None:
    with torch.device("meta"):
        facts = mfaranet.get_model(name).facts
    assert isinstance(facts, Facts)
    assert facts.title
    assert facts.paper
    assert facts.year
    assert facts.year > 2014
    assert (facts.link or "").startswith(("https://arxiv.org/abs/", "https://doi.org/"))
    assert len((facts.implementation or "").split("/")) == 2
    assert (facts.deviation or "").endswith(".")


def test_a_network_of_another_package(registered: str, tmp_path: Path) -> None:
    assert registered in mfaranet.list_models()
    model = mfaranet.get_model(registered, 3, width=8)
    assert isinstance(model, Outside)
    assert models.module_of(registered) == __name__
    assert mfaranet.complexity(model, (16, 32)).macs == 16 * 32 * (27 * 8 + 8 * 3)
    facts = {"network": registered, "options": {"width": 8}, "classes": ["a", "b", "c"]}
    save(model, tmp_path / "outside.safetensors", facts)
    loaded, _ = load_trained(tmp_path / "outside.safetensors")
    assert torch.equal(loaded.convs[0].weight, model.convs[0].weight)  # type: ignore[union-attr, index, arg-type]
    with pytest.raises(InputError, match=r"outside has no option 'depth'; it has: width"):
        mfaranet.get_model(registered, depth=3)
    with pytest.raises(InputError, match=r"no official names are known for a Outside"):
        mfaranet.load_official_checkpoint(model, model.state_dict())


@pytest.mark.parametrize("name", ["enet", "mfaranet", "outside"])
def test_a_name_that_is_taken_is_refused(name: str, registered: str) -> None:
    with pytest.raises(InputError, match=f"there is a network called '{name}' already"):
        mfaranet.register_model(name, Outside)


@pytest.mark.parametrize("name", ["", "Net", "a-net", "a.net", "_net", "a net"])
def test_a_name_that_is_none_is_refused(name: str, registered: str) -> None:
    with pytest.raises(InputError, match="is no name for a network"):
        mfaranet.register_model(name, Outside)
    assert name not in mfaranet.list_models()


def test_names_and_modules_do_without_torch() -> None:
    code = (
        "import sys, mfaranet; from mfaranet.models import module_of; module_of('enet'); mfaranet.list_models(); "
        "sys.exit('torch' in sys.modules or 'mfaranet.models.comparators.enet' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
