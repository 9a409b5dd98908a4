"""MFARANet and its variants against the numbers of the official code."""

from typing import Any

import pytest
import torch
from official import GOLDENS, SMALL, STATE_DICTS, assert_stats, fill, make_input, tensor_of, variant
from tiny import make_loss
from torch import Tensor, nn

import mfaranet
from mfaranet.errors import InputError
from mfaranet.models import check_options
from mfaranet.models.backbones import BACKBONES
from mfaranet.models.layers import resize_to

# Official names of feature maps, and our modules that give them.
MODULES = {
    "layer0": "backbone.stem",
    **{f"layer{k}": f"backbone.layer{k}" for k in range(1, 5)},
    **{f"channel_changes.{k}": f"reduction.{k}" for k in range(4)},
    **{f"feature_fuses_up.{k}": f"aggregation.top_down.{k}" for k in range(3)},
    **{f"feature_fuses_down.{k}": f"aggregation.bottom_up.{k}" for k in range(3)},
    **{f"stage_fuses.{k}": f"aggregation.fusion.{k}" for k in range(2)},
    **{f"stages_offset.{k}": f"alignment.grids.{k}" for k in range(3)},
    **{f"stages_offset.{k}.offset_map": f"alignment.grids.{k}.flow" for k in range(3)},
    **{f"multi_loss_head.{k}": f"score_heads.{k}" for k in range(4)},
    **{f"HMSA_attentions.{k}": f"fusion.attentions.{k}" for k in range(4)},
    **{f"ASFM_attentions.{k}": f"fusion.attentions.{k}" for k in range(4)},
    "score_head": "fusion.head",
}
CASES = [
    (name, size, dtype) for name, sizes in GOLDENS["eval"].items() for size, dtypes in sizes.items() for dtype in dtypes
]
# float64_exact_grid: the official code with a base grid of double precision; ours is the rounded one.
TOLERANCES = {"float64": 1e-8, "float64_exact_grid": 1e-5, "float32": 2e-4}


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


def seen_modules(model: nn.Module, images: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The output, and what the modules of MODULES gave on the way."""
    seen: dict[str, Tensor] = {}
    modules = dict(model.named_modules())
    for official, ours in MODULES.items():
        if ours in modules:
            # Copied, since what follows may work in place.
            modules[ours].register_forward_hook(lambda _m, _i, out, name=official: seen.update({name: out.clone()}))
    with torch.inference_mode():
        return model(images), seen


@pytest.mark.parametrize(("name", "size", "dtype"), CASES)
def test_every_number_of_an_evaluation(name: str, size: str, dtype: str) -> None:
    golden = GOLDENS["eval"][name][size][dtype]
    tolerance = TOLERANCES[dtype]
    number_type = torch.float32 if dtype == "float32" else torch.float64
    model = fill(variant(name).to(number_type), scale_choice=name.startswith(("scalechoice", "dfnet", "stdc"))).eval()
    logits, seen = seen_modules(model, make_input(*case(size)).to(number_type))
    assert_stats(logits, golden["output"], tolerance)
    histogram = torch.bincount(logits.argmax(1).flatten(), minlength=19)
    moved = (histogram - torch.tensor(golden["output_argmax_histogram"])).abs().max()
    assert moved <= (0 if dtype == "float64" else 2)
    for official, expected in {**golden.get("intermediate", {}), **golden.get("debug", {})}.items():
        assert_stats(seen[official], expected, tolerance)
    if "pruned_output" in golden:
        # The pruned network's output is the score of scale 2.
        assert_stats(resize_to(seen["multi_loss_head.1"], logits.shape[-2:]), golden["pruned_output"], tolerance)


@pytest.mark.parametrize("name", STATE_DICTS)
def test_a_state_dict_in_official_names_loads_whole(name: str) -> None:
    golden = STATE_DICTS[name]
    state = {f"module.{key}": torch.rand(shape) for key, shape in golden["state_dict"]}
    state = {key: t.long() if key.endswith("num_batches_tracked") else t for key, t in state.items()}
    model = variant(name)
    report = mfaranet.load_official_checkpoint(model, {"epoch": 200, "state_dict": state, "optimizer": {}})
    assert report.epoch == 200
    assert not report.untouched
    # The official ablation networks have boundary heads here, except the concatenating one.
    assert not report.left_out
    own = model.state_dict()
    assert len(own) == len(state) == golden["n_entries"]
    assert sorted(float(t.double().sum()) for t in own.values()) == sorted(
        float(t.double().sum()) for t in state.values()
    )
    training_only = "boundary_heads.", "auxiliary_heads."
    inference = [p.numel() for key, p in model.named_parameters() if not key.startswith(training_only)]
    assert sum(p.numel() for p in model.parameters()) == golden["total_params"]
    if name != "align_ram_concat_speed":  # there the score heads are for training only, too
        assert sum(inference) == golden["inference_params"]


@pytest.mark.parametrize("size", [(64, 128), (96, 96), (90, 135), (360, 480)])
def test_any_size_and_class_count(size: tuple[int, int]) -> None:
    model = mfaranet.get_model("mfaranet", num_classes=11).eval()
    with torch.inference_mode():
        assert model(torch.rand(1, 3, *size)).shape == (1, 11, *size)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("name", ["mfaranet", "mfaranet_pruned"])
def test_images_of_few_pixels(name: str, backbone: str) -> None:
    model = mfaranet.get_model(name, num_classes=3, backbone=backbone).eval()
    for size in SMALL:
        with torch.inference_mode():
            logits = model(torch.rand(1, 3, *size))
        assert logits.shape == (1, 3, *size)
        assert bool(logits.isfinite().all())


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branches": [2, 5]}, r"branches must be some of 1, 2, 3, 4 in this order, not \[2, 5\]"),
        ({"branches": []}, "branches must be"),
        ({"branches": [2, 1]}, "branches must be"),
        ({"backbone_dropout": [0.05]}, "five rates"),
        ({"backbone_dropout": [0, 0, 0, 0, 1.0]}, "five rates"),
        ({"aggregation": "up"}, "unknown aggregation 'up'; there are: both, top_down, bottom_up, none"),
        ({"alignment": "flow"}, "unknown alignment"),
        ({"fusion": "max"}, "unknown fusion"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_options("mfaranet", options, where="here")


ABLATIONS: list[dict[str, Any]] = [
    *({"backbone": name} for name in BACKBONES),
    *({"branches": branches} for branches in ([1], [3], [1, 4], [2, 3, 4])),
    *({"aggregation": paths} for paths in ("top_down", "bottom_up", "none")),
    *({"fusion": fusion} for fusion in ("sum", "concat")),
    {"alignment": "bilinear"},
    {"auxiliary_head": True, "backbone_dropout": [0.1] * 5},
    {"decoder_norm": False, "fusion": "concat", "branches": [2, 3]},
]


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_every_parameter_of_a_variant_learns(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", 3, **options).train()
    labels = torch.randint(0, 3, (2, 64, 96))
    terms = make_loss(attention_threshold=-1.0)(model(torch.rand(2, 3, 64, 96)), labels)
    terms["total"].backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert not without
    assert ("output" in terms) == (len(options.get("branches", "1234")) > 1)
    assert ("auxiliary" in terms) == options.get("auxiliary_head", False)


def test_backbone_dropout_drops_whole_channels_in_training_only() -> None:
    torch.manual_seed(0)
    encoder = mfaranet.get_model("mfaranet", backbone_dropout=[0, 0.5, 0, 0, 0]).get_submodule("backbone")
    images = torch.rand(8, 3, 64, 64)

    def dead() -> Tensor:
        """Which channels of each image are zero everywhere."""
        return (encoder(images)[0] == 0).all((2, 3))

    encoder.eval()
    assert dead().float().mean() < 0.1
    assert torch.equal(encoder(images)[0], encoder(images)[0])
    encoder.train()
    assert 0.4 < dead().float().mean() < 0.6
