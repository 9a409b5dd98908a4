"""The pruned network: the score of one scale, bit for bit, and nothing more."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from official import COMPLEXITY, GOLDENS, assert_stats, fill, make_input, size_of, variant
from tiny import FACTS, write_data
from torch import Tensor, nn

import mfaranet
from mfaranet.errors import InputError
from mfaranet.measure.complexity import complexity
from mfaranet.models.layers import resize_to
from mfaranet.weights.checkpoints import save
from workflow.prune import main as stage


def scale_output(model: nn.Module, images: Tensor, scale: int) -> Tensor:
    """The score of a scale in the full network, at input size."""
    seen: list[Tensor] = []
    handle = model.get_submodule(f"score_heads.{scale - 1}").register_forward_hook(lambda _m, _i, out: seen.append(out))
    with torch.inference_mode():
        model(images)
    handle.remove()
    return resize_to(seen[0], (images.shape[-2], images.shape[-1]))


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(64, 128), (90, 135)])
def test_the_output_is_the_scale_of_the_full_network(scale: int, size: tuple[int, int]) -> None:
    model = fill(variant("resnet18")).eval()
    pruned = mfaranet.prune(model, scale)
    images = torch.rand(2, 3, *size)
    with torch.inference_mode():
        assert torch.equal(pruned(images), scale_output(model, images, scale))


@pytest.mark.parametrize(
    "options", [{"backbone": "stdc1"}, {"aggregation": "none"}, {"alignment": "bilinear"}], ids=str
)
def test_variants(options: dict[str, Any]) -> None:
    model = mfaranet.get_model("mfaranet", 5, **options).eval()
    images = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(mfaranet.prune(model, 3)(images), scale_output(model, images, 3))


@pytest.mark.parametrize("size", ["64x128_seed0", "96x160_seed0"])
def test_the_official_numbers(size: str) -> None:
    golden = GOLDENS["eval"]["resnet18"][size]["float64"]["pruned_output"]
    height, width = size_of(size.split("_")[0])
    pruned = mfaranet.prune(fill(variant("resnet18").double()))
    with torch.inference_mode():
        assert_stats(pruned(make_input(height, width, 0)), golden, 1e-8)


CASES = [
    *((f"scalechoice_resnet18_branch_{scale}", {"scale": scale}, "needed") for scale in (1, 2, 3, 4)),
    ("resnet18_pruned", {}, "needed"),
    ("resnet18_speed_pruned", {"decoder_norm": False}, "needed"),
    ("resnet50_pruned", {"backbone": "resnet50"}, "needed"),
    ("scalechoice_dfnet_v1", {"backbone": "dfnet1"}, "needed_branch_2_only"),
    ("scalechoice_dfnet_v2", {"backbone": "dfnet2"}, "needed_branch_2_only"),
    ("scalechoice_stdc_v1", {"backbone": "stdc1"}, "needed_branch_2_only"),
    ("scalechoice_stdc_v2", {"backbone": "stdc2"}, "needed_branch_2_only"),
]


@pytest.mark.parametrize(("name", "options", "key"), CASES, ids=[case[0] for case in CASES])
def test_exact_parameters_and_macs(name: str, options: dict[str, Any], key: str) -> None:
    golden = COMPLEXITY[name][key]
    with torch.device("meta"):
        model = mfaranet.get_model("mfaranet_pruned", **options)
    assert sum(parameter.numel() for parameter in model.parameters()) == golden["params"]
    for size, macs in golden["macs"].items():
        cost = complexity(model, size_of(size))
        assert (cost.params, cost.macs) == (golden["params"], macs)


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_everything_that_remains_is_used(scale: int) -> None:
    torch.manual_seed(0)
    pruned = mfaranet.get_model("mfaranet_pruned", 3, scale=scale)
    pruned(torch.rand(1, 3, 64, 64)).square().sum().backward()
    assert not [name for name, p in pruned.named_parameters() if p.grad is None or not p.grad.any()]


def test_the_original_stays_as_it_is_and_shares_nothing() -> None:
    model = mfaranet.get_model("mfaranet", 3).train()
    pruned = mfaranet.prune(model)
    assert model.training
    assert len(model.state_dict()) > len(pruned.state_dict())
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    assert all(parameter.any() for name, parameter in model.named_parameters() if name.endswith("conv1.weight"))


@pytest.mark.parametrize(
    ("trained", "pruned", "message"),
    [
        ("edanet", {"scale": 2}, "run.pruned: base is no MFARANet"),
        (
            "mfaranet",
            {"scale": 2, "backbone": "dfnet1"},
            "experiments.base_pruned.network is not what pruning leaves of base",
        ),
    ],
)
def test_the_stage_names_the_setting_that_does_not_fit(
    trained: str, pruned: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_data(Path("data/sample"))
    save(mfaranet.get_model(trained, 3), Path("runs/sample/train/base/last.safetensors"), {**FACTS, "network": trained})
    settings = {"checkpoint": "last", "network": {"name": "mfaranet_pruned", "options": pruned}}
    Path("plan/sample/prune").mkdir(parents=True)
    Path("plan/sample/prune/base.yaml").write_text(yaml.safe_dump({"settings": settings, "code": {}}))
    with pytest.raises(InputError, match=message):
        stage("sample", "base")
    assert not Path("runs/sample/train/base_pruned").exists()


def test_what_cannot_be_pruned_is_refused() -> None:
    with pytest.raises(InputError, match="scale must be one of 1, 2, 3, 4, not 5"):
        mfaranet.get_model("mfaranet_pruned", scale=5)
    with pytest.raises(InputError, match="no scores of single scales"):
        mfaranet.prune(mfaranet.get_model("mfaranet", 3, fusion="concat"))
    with pytest.raises(InputError, match="mfaranet_pruned has no option 'branches'"):
        mfaranet.get_model("mfaranet_pruned", branches=[2])


@pytest.mark.parametrize("name", ["edanet", "mfaranet_pruned"])
def test_no_other_network_is_traced(name: str) -> None:
    model = mfaranet.get_model(name)
    with pytest.raises(InputError, match=f"only a MFARANet can be pruned, not a {type(model).__name__}"):
        mfaranet.prune(model)  # type: ignore[arg-type]


def test_the_public_names_are_shown() -> None:
    assert {"complexity", "get_model", "list_models", "load_official_checkpoint", "prune"} <= set(dir(mfaranet))
    assert all(getattr(mfaranet, name) for name in mfaranet.__all__)
