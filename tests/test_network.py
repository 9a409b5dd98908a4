"""MFARANet against the numbers of the official code."""

from typing import Any

import pytest
import torch
from official import GOLDENS, assert_stats, fill, make_input, tensor_of

import mfaranet
from mfaranet.errors import InputError
from mfaranet.models import check_options

INTERMEDIATE = {
    **{f"stages_offset.{k}": f"ram.grids.{k}" for k in range(3)},
    **{f"stages_offset.{k}.offset_map": f"ram.grids.{k}.flow" for k in range(3)},
    **{f"multi_loss_head.{k}": f"score_heads.{k}" for k in range(4)},
    **{f"HMSA_attentions.{k}": f"asfm.attentions.{k}" for k in range(4)},
}


def case(name: str) -> tuple[int, int, int]:
    height, rest = name.split("x")
    width, seed = rest.split("_seed")
    return int(height), int(width), int(seed)


def test_the_rules_of_the_goldens_are_understood() -> None:
    for key, golden in GOLDENS["fill_check_resnet18"].items():
        tensor = tensor_of(key, golden["shape"])
        expected = torch.tensor(golden["first"], dtype=torch.float64)
        torch.testing.assert_close(tensor.flatten()[: len(expected)], expected, atol=1e-11, rtol=0)
    assert_stats(make_input(64, 128, 0), GOLDENS["input_check_64x128_seed0"], 1e-11)


@pytest.mark.parametrize("size", list(GOLDENS["eval"]["resnet18"]))
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 2e-4)])
def test_output_and_intermediates(size: str, dtype: str, tolerance: float) -> None:
    golden = GOLDENS["eval"]["resnet18"][size][dtype]
    model = fill(mfaranet.get_model("mfaranet").to(getattr(torch, dtype))).eval()
    seen: dict[str, torch.Tensor] = {}
    for name in INTERMEDIATE.values():
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    with torch.inference_mode():
        logits = model(make_input(*case(size)).to(getattr(torch, dtype)))
    assert_stats(logits, golden["output"], tolerance)
    for official, ours in INTERMEDIATE.items():
        if official in golden["intermediate"]:
            assert_stats(seen[ours], golden["intermediate"][official], tolerance)
    if dtype == "float64":
        histogram = torch.bincount(logits.argmax(1).flatten(), minlength=19)
        assert histogram.tolist() == golden["output_argmax_histogram"]


def test_official_names_and_ours_are_one_to_one() -> None:
    model = mfaranet.get_model("mfaranet")
    fill(model)
    own = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    official = {mfaranet.checkpoints.from_official_name(key): shape for key, shape in GOLDENS["official_state_dict"]}
    assert own == official


@pytest.mark.parametrize("size", [(64, 128), (96, 96), (90, 135), (360, 480)])
def test_any_size_and_class_count(size: tuple[int, int]) -> None:
    model = mfaranet.get_model("mfaranet", num_classes=11).eval()
    with torch.inference_mode():
        assert model(torch.rand(1, 3, *size)).shape == (1, 11, *size)


def test_auxiliary_outputs_in_training_only() -> None:
    model = mfaranet.get_model("mfaranet", boundary_heads=True).train()
    outputs: dict[str, Any] = model(torch.rand(2, 3, 64, 96))
    assert outputs["out"].shape == (2, 19, 64, 96)
    assert [tuple(score.shape) for score in outputs["scores"]] == [(2, 19, 16, 24)] * 4
    assert [tuple(edge.shape) for edge in outputs["boundaries"]] == [(2, 1, 16, 24)] * 4
    assert isinstance(model.eval()(torch.rand(1, 3, 64, 96)), torch.Tensor)


def test_registry_refuses_what_it_does_not_know() -> None:
    assert "mfaranet" in mfaranet.list_models()
    with pytest.raises(InputError, match="no network is called 'mfranet'"):
        mfaranet.get_model("mfranet")
    with pytest.raises(InputError, match="no option 'dilatation'"):
        mfaranet.get_model("mfaranet", dilatation=True)
    with pytest.raises(InputError, match=r"here: unknown backbone 'resnet19'"):
        check_options("mfaranet", {"backbone": "resnet19"}, where="here")
