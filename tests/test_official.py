"""The authors' checkpoints: taken whole, or refused by name."""

import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from official import STATE_DICTS, fill, make_input, tensor_of, variant
from torch import Tensor, nn
from typer.testing import CliRunner

import mfaranet
from mfaranet.cli import app
from mfaranet.errors import InputError
from mfaranet.weights.checkpoints import load_trained
from mfaranet.weights.foreign import read_tensors
from mfaranet.weights.official import our_names


def released(name: str = "resnet18") -> dict[str, Tensor]:
    """A state dict as the official code has it, filled by the goldens' rule."""
    return {key: tensor_of(key, shape).float() for key, shape in STATE_DICTS[name]["state_dict"]}


def small() -> dict[str, Tensor]:
    """A network of another implementation, in that one's names, with random values."""
    torch.manual_seed(0)
    model = mfaranet.get_model("edanet", 3)
    own = model.state_dict()
    return {key: torch.rand(own[name].shape).to(own[name].dtype) for key, name in our_names(model).items()}


SMALL = small()


def assert_filled(model: nn.Module) -> None:
    own = model.state_dict()
    assert all(torch.equal(own[name], SMALL[key]) for key, name in our_names(model).items())


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
        ({"layer1.0.bn1.bias": torch.full((64,), torch.nan)}, "has values that are no numbers: layer1.0.bn1.bias"),
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
    with pytest.raises(InputError, match=r"model.pkl is no file of plain tensors: either corrupt"):
        mfaranet.load_official_checkpoint(model, str(path))
    with pytest.raises(InputError, match="does not exist"):
        mfaranet.load_official_checkpoint(model, tmp_path / "nothing.pth")


def test_a_file_that_holds_itself_is_refused() -> None:
    content: dict[str, Any] = {"epoch": 1}
    content["model"] = content
    with pytest.raises(InputError, match="holds no state dict of tensors"):
        mfaranet.load_official_checkpoint(mfaranet.get_model("edanet"), content)


WRAPPERS = ["state_dict", "model_state_dict", "model", "net", "segmenter"]
PREFIXES = ["module.", "model.", "_orig_mod.", "module.module.", "module._orig_mod.", "_orig_mod.module."]


@pytest.mark.parametrize(
    ("wrapper", "prefix"),
    [*((None, prefix) for prefix in PREFIXES), *((name, "module._orig_mod.") for name in WRAPPERS)],
)
def test_wrappers_and_prefixes_do_not_matter(wrapper: str | None, prefix: str) -> None:
    state: dict[str, Any] = {f"{prefix}{key}": tensor for key, tensor in SMALL.items()}
    source = {wrapper: state, "epoch": np.int64(7), "best": np.float64(0.7)} if wrapper else state
    model = mfaranet.get_model("edanet", 3)
    report = mfaranet.load_official_checkpoint(model, source)
    assert (report.epoch, report.left_out) == (7 if wrapper else None, [])
    assert_filled(model)


def test_wrappers_in_wrappers_and_compiled_parts() -> None:
    first = next(iter(SMALL))
    state = {key.replace(".", "._orig_mod.", 1) if key != first else f"module.{key}": SMALL[key] for key in SMALL}
    model = mfaranet.get_model("edanet", 3)
    mfaranet.load_official_checkpoint(model, {"model": {"state_dict": state, "arch": "edanet"}})
    assert_filled(model)
    with pytest.raises(InputError, match="holds an entry twice"):
        mfaranet.load_official_checkpoint(model, {**SMALL, f"module.{first}": SMALL[first]})


def test_no_name_of_a_network_looks_like_a_prefix() -> None:
    for name in mfaranet.list_models():
        with torch.device("meta"):
            model = mfaranet.get_model(name)
        try:
            names = our_names(model)
        except InputError:
            continue  # its names are not known to map
        assert not [key for key in names if key.startswith(("module.", "model.")) or "_orig_mod." in key]


@pytest.mark.parametrize("core", ["numpy.core", "numpy._core"])
@pytest.mark.parametrize("number", [np.float64(0.7), np.float32(0.7), np.int64(70), np.bool_(True)])
def test_a_numpy_number_in_a_file_is_taken(number: Any, core: str, tmp_path: Path) -> None:
    """Under the name that numpy 1 gives to what builds it, and under that of numpy 2."""
    torch.save({"epoch": np.int64(200), "net": SMALL, "best": number}, tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "file.pth", "w") as file:
        for name in new.namelist():
            content = new.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray\n" in content
                content = content.replace(b"numpy._core.multiarray\n", f"{core}.multiarray\n".encode())
            file.writestr(name, content)
    found = read_tensors(tmp_path / "file.pth")["best"]
    assert (type(found), found) == (type(number), number)
    model = mfaranet.get_model("edanet", 3)
    assert mfaranet.load_official_checkpoint(model, tmp_path / "file.pth").epoch == 200
    assert_filled(model)


class _Runs:
    """What a pickle of an attacker may hold."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call[0], self.call[1:]


def test_numpy_opens_no_door(tmp_path: Path) -> None:
    run = _Runs(os.mkdir, str(tmp_path / "ran"))
    build = np.float64().__reduce__()[0]
    for content in (
        run,
        _Runs(build, np.dtype("O"), run),
        np.zeros(3),
        _Runs(np.fromfile, "/dev/null"),
        np.array([run]),
    ):
        torch.save({"net": SMALL, "best": content}, tmp_path / "file.pth")
        with pytest.raises(InputError, match="could run any code, so it is refused"):
            read_tensors(tmp_path / "file.pth")
    assert not (tmp_path / "ran").exists()
    assert np.dtype not in torch.serialization.get_safe_globals()


def test_the_command_converts_a_file_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"epoch": 200, "state_dict": released()}, tmp_path / "authors.pth")
    monkeypatch.chdir(Path(__file__).parents[1])
    arguments = ["convert", str(tmp_path / "authors.pth"), str(tmp_path / "ours.safetensors")]
    said = CliRunner().invoke(app, arguments).output
    assert "epoch 200; left out: nothing" in said
    model, facts = load_trained(tmp_path / "ours.safetensors")
    assert (facts["epoch"], facts["classes"][0], facts["colours"][0]) == (200, "road", [128, 64, 128])
    assert torch.equal(output(model), output(fill(variant("resnet18"))))
    with pytest.raises(InputError, match="was made by an earlier `mfaranet convert`; --force replaces it"):
        CliRunner().invoke(app, arguments, catch_exceptions=False)
