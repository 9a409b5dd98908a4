"""The authors' checkpoints: taken whole, or refused by name."""

from pathlib import Path

import pytest
import torch
from official import STATE_DICTS, fill, make_input, tensor_of, variant
from torch import Tensor, nn
from typer.testing import CliRunner

import mfaranet
from mfaranet.checkpoints import load_trained
from mfaranet.cli import app
from mfaranet.errors import InputError
from mfaranet.official import our_names


def released(name: str = "resnet18") -> dict[str, Tensor]:
    """A state dict as the official code has it, filled by the goldens' rule."""
    return {key: tensor_of(key, shape).float() for key, shape in STATE_DICTS[name]["state_dict"]}


def output(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        return model.eval()(make_input(64, 128, 0).float())


def test_a_training_checkpoint_file(tmp_path: Path) -> None:
    path = tmp_path / "MFARANet_200.pth"
    state = {f"module.{key}": tensor for key, tensor in released().items()}
    state["module.criterion.seg_loss.nll_loss.weight"] = torch.ones(19)
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.005, "params": [0]}]}
    torch.save({"epoch": 200, "state_dict": state, "optimizer": optimizer}, path)
    model = mfaranet.get_model("mfaranet")
    report = mfaranet.load_official_checkpoint(model, path)
    assert (report.epoch, report.left_out, report.untouched) == (200, ["criterion.seg_loss.nll_loss.weight"], [])
    assert torch.equal(output(model), output(fill(variant("resnet18"))))


def test_training_only_heads_may_be_absent_on_either_side() -> None:
    state = released()
    model = mfaranet.get_model("mfaranet", boundary_heads=False)
    report = mfaranet.load_official_checkpoint(model, state)
    assert report.left_out == [key for key in state if key.startswith("boundary_heads.")]
    without = {key: tensor for key, tensor in state.items() if not key.startswith("boundary_heads.")}
    again = mfaranet.get_model("mfaranet", auxiliary_head=True)
    report = mfaranet.load_official_checkpoint(again, without)
    assert {name.split(".")[0] for name in report.untouched} == {"boundary_heads", "auxiliary_heads"}
    assert torch.equal(output(model), output(again))


def test_scale_choice_names_fill_the_plain_network() -> None:
    model = mfaranet.get_model("mfaranet")
    state = released("scalechoice_resnet18_branches_1_2_3_4")
    mfaranet.load_official_checkpoint(model, state)
    assert torch.equal(output(model), output(fill(variant("resnet18"), scale_choice=True)))


@pytest.mark.parametrize("name", ["resnet50", "scalechoice_dfnet_v1", "scalechoice_stdc_v1", "resnet18_with_aux"])
def test_variants_without_stored_outputs_hold_the_value_of_every_entry(name: str) -> None:
    model = variant(name)
    mfaranet.load_official_checkpoint(model, released(name))
    own = model.state_dict()
    names = our_names(model)
    for key, tensor in released(name).items():
        assert torch.equal(own[names[key]].float(), tensor)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer1.0.conv1.weight": None}, "is missing: layer1.0.conv1.weight"),
        ({"HMSA_attentions.3.4.weight": None}, "is missing: HMSA_attentions.3.4.weight"),
        ({"ppm.0.weight": torch.zeros(1)}, "has no place in this network: ppm.0.weight"),
        ({"layer1.0.0.conv1.weight": torch.zeros(64, 128, 3, 3)}, "has no place in this network: layer1.0.0.conv1"),
        (
            {"multi_loss_head.0.0.bias": torch.zeros(11)},
            "has another shape than in this network: multi_loss_head.0.0.b",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_name_and_changes_nothing(
    change: dict[str, Tensor | None], message: str
) -> None:
    state = {key: tensor for key, tensor in {**released(), **change}.items() if tensor is not None}
    model = mfaranet.get_model("mfaranet")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InputError, match=message):
        mfaranet.load_official_checkpoint(model, state)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_checkpoint_of_other_options_is_refused() -> None:
    model = mfaranet.get_model("mfaranet", branches=[2, 3, 4])
    with pytest.raises(InputError, match=r"ASFM_attentions.3.* and \d more. Were the network's options"):
        mfaranet.load_official_checkpoint(model, released("scalechoice_resnet18_branches_1_2_3_4"))


def test_a_pickle_that_could_run_code_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    torch.save({"state_dict": released(), "config": Path("x")}, path)
    model = mfaranet.get_model("mfaranet")
    with pytest.raises(InputError, match=r"no file of plain tensors.*could run any code, so it is refused"):
        mfaranet.load_official_checkpoint(model, path)
    path.write_bytes(b"<html>Google Drive: quota exceeded</html>")
    with pytest.raises(InputError, match=r"model.pkl is no file of plain tensors: either damaged"):
        mfaranet.load_official_checkpoint(model, str(path))
    with pytest.raises(InputError, match="does not exist"):
        mfaranet.load_official_checkpoint(model, tmp_path / "nothing.pth")


def test_the_command_converts_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"epoch": 200, "state_dict": released()}, tmp_path / "authors.pth")
    monkeypatch.chdir(Path(__file__).parents[1])
    arguments = ["convert", str(tmp_path / "authors.pth"), str(tmp_path / "ours.safetensors")]
    said = CliRunner().invoke(app, arguments).output
    assert "epoch 200; left out: nothing" in said
    model, facts = load_trained(tmp_path / "ours.safetensors")
    assert (facts["epoch"], facts["classes"][0], facts["colours"][0]) == (200, "road", [128, 64, 128])
    assert torch.equal(output(model), output(fill(variant("resnet18"))))
    with pytest.raises(InputError, match="exists already"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
