"""Losses and training steps against the numbers of the official code."""

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from official import GOLDENS, assert_stats, fill, make_input, make_label, variant
from PIL import Image
from tiny import REPOSITORY, make_loss, recipe, write_data
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.autograd.profiler import profile

import mfaranet
from mfaranet.data.boundaries import boundary_target
from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.models.layers import Outputs
from mfaranet.params import load
from mfaranet.training import losses
from mfaranet.training.checking import check_networks
from mfaranet.training.losses import Loss
from mfaranet.training.optimization import make_optimizer, make_schedule
from mfaranet.weights.official import our_names

LABEL = make_label(2, 64, 128, 3)
NAMES = ["joint_edge_ohem", "joint_edge", "cross_entropy", "ohem"]


def loss_inputs(n: int, height: int, width: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    label = make_label(n, height, width, seed + 2)
    scores = np.random.RandomState(seed).standard_normal((n, 19, height, width)) * 2
    one_hot = torch.nn.functional.one_hot(label.clamp(max=19), 20)[..., :19].permute(0, 3, 1, 2)
    edges = np.random.RandomState(seed + 1).standard_normal((n, 1, height, width))
    return torch.from_numpy(scores) + 4 * one_hot, label, torch.from_numpy(edges)


@pytest.mark.parametrize(
    "golden", GOLDENS["losses"]["cases"], ids=lambda g: f"{g['dtype']}-{g['n_h_w']}-{g['min_kept']}"
)
def test_every_loss(golden: dict[str, Any]) -> None:
    dtype = getattr(torch, golden["dtype"])
    tolerance = 1e-8 if dtype == torch.float64 else 2e-5
    scores, label, edges = loss_inputs(*golden["n_h_w"], golden["seed"])
    scores, edges = scores.to(dtype).requires_grad_(), edges.to(dtype).requires_grad_()
    target = boundary_target(label)
    assert target.sum() == golden["boundary_sum"]
    assert (label != 255).sum() == golden["n_valid"]

    pixels = losses.pixel_cross_entropy(scores, label)
    ohem = losses.hard_mean(pixels, label, golden["thresh"], golden["min_kept"])
    balanced = losses.image_balanced_mean(pixels, label)
    boundary = losses.boundary_cross_entropy(edges, target, label)
    attention = losses.attention_to_edges(pixels, label, edges, 0.8)
    joint = ohem + 0.3 * boundary + 0.1 * attention
    joint.backward()

    def close(found: Tensor, expected: float, tolerance: float) -> None:
        assert found.item() == pytest.approx(expected, rel=tolerance)

    close(losses.cross_entropy(scores, label), golden["plain_ce"], tolerance)
    close(ohem, golden["ohem"], tolerance)
    close(balanced, golden["image_weighted_ce"], tolerance)
    close(boundary, golden["bce2d"], max(tolerance, 3e-8))
    close(attention, golden["edge_attention"], tolerance)
    close(joint, golden["joint_edge_ohem"], tolerance)
    close(balanced + 0.3 * boundary + 0.1 * attention, golden["joint_edge_no_ohem"], tolerance)
    assert scores.grad is not None
    assert edges.grad is not None
    close(scores.grad.double().norm(), golden["grad_l2_seg"], tolerance)
    close(edges.grad.double().norm(), golden["grad_l2_edge"], max(tolerance, 3e-8))


def test_no_pixel_on_a_boundary_adds_nothing_where_the_official_loss_is_nan() -> None:
    golden = GOLDENS["losses"]["no_boundary_pixel_above_threshold"]
    assert golden["joint_edge_ohem"] == "nan"
    scores, label, edges = loss_inputs(2, 48, 64, 11)
    scores.requires_grad_()
    edges = torch.full_like(edges, 0.5)
    pixels = losses.pixel_cross_entropy(scores, label)
    attention = losses.attention_to_edges(pixels, label, edges, 0.8)
    assert attention.item() == 0
    assert losses.attention_to_edges(pixels, label, edges, 0.5).item() == 0, "not above the threshold"
    (losses.hard_mean(pixels, label, 0.7, 100_000) + 0.1 * attention).backward()
    assert scores.grad is not None
    assert scores.grad.norm().item() == pytest.approx(golden["grad_l2_seg"], rel=1e-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_changes_little(dtype: torch.dtype) -> None:
    scores, label, edges = loss_inputs(2, 96, 128, 11)
    # Large logits, whose sum over an image is more than half precision can hold.
    outputs = [(100 * scores).to(dtype), scores.to(dtype), edges.to(dtype)]

    def total(out: Tensor, score: Tensor, edge: Tensor) -> float:
        return make_loss()({"out": out, "scores": [score] * 4, "boundaries": [edge] * 4}, label)["total"].item()

    exact = total(*(each.double() for each in outputs))
    assert total(*outputs) == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_waited_for(name: str) -> None:
    """Fake tensors have no values: whatever would copy one to the host raises an error."""
    with FakeTensorMode():
        scores = torch.zeros(2, 19, 24, 32, requires_grad=True)
        label = torch.zeros(2, 96, 128, dtype=torch.int64)
        out, edge = torch.zeros(2, 19, 96, 128, requires_grad=True), torch.zeros(2, 1, 24, 32, requires_grad=True)
        outputs: Outputs = {"out": out, "scores": [scores] * 4, "boundaries": [edge] * 4, "auxiliary": [scores]}
        terms = make_loss(name)(outputs, label)
        terms["total"].backward()
        assert scores.grad is not None
        with pytest.raises(DataDependentOutputException):
            terms["total"].item()


def terms_and_gradients(name: str, label: Tensor, **numbers: Any) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Of as many of the same random outputs as there are labels (N, 32, 48)."""
    torch.manual_seed(0)
    leaves = [
        torch.randn(4, channels, 32 // shrink, 48 // shrink)[: len(label)].clone().requires_grad_()
        for channels, shrink in ((19, 1), (19, 4), (19, 4), (1, 4), (1, 4), (19, 8))
    ]
    out, *scores, edge, other_edge, auxiliary = leaves
    outputs: Outputs = {"out": out, "scores": scores, "boundaries": [edge, other_edge], "auxiliary": [auxiliary]}
    terms = make_loss(name, attention_threshold=0.0, **numbers)(outputs, label)
    terms["total"].backward()
    return terms, [leaf.grad if leaf.grad is not None else torch.zeros_like(leaf) for leaf in leaves]


def test_what_each_term_weighs() -> None:
    weights = {"scales_weight": 0.5, "boundary_weight": 0.25, "attention_weight": 3.0, "auxiliary_weight": 0.125}
    found, _ = terms_and_gradients("joint_edge", make_label(2, 32, 48, 5), **weights)
    terms = {name: term.item() for name, term in found.items()}
    joint = terms["scales"] + 0.25 * terms["boundary"] + 3 * terms["attention"]
    assert terms["total"] == pytest.approx(terms["output"] + 0.125 * terms["auxiliary"] + 0.5 * joint)
    assert min(terms.values()) > 0.1


@pytest.mark.parametrize("name", NAMES)
def test_a_part_without_a_labelled_pixel_adds_nothing(name: str) -> None:
    terms, gradients = terms_and_gradients(name, torch.full((2, 32, 48), 255))
    assert {"output", "auxiliary", "scales", "total"} <= terms.keys()
    assert all(value.item() == 0 for value in terms.values())
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("min_kept", [100, 2000, 100_000])
@pytest.mark.parametrize("name", NAMES)
def test_an_image_without_a_labelled_pixel_is_as_if_it_were_not_there(name: str, min_kept: int) -> None:
    label = make_label(3, 32, 48, 5)
    alone, expected = terms_and_gradients(name, label[:2], ohem_min_kept=min_kept)
    label[2] = 255
    terms, gradients = terms_and_gradients(name, label, ohem_min_kept=min_kept)
    assert {key: value.item() for key, value in terms.items()} == pytest.approx(
        {key: value.item() for key, value in alone.items()}, rel=1e-6
    )
    for gradient, same in zip(gradients, expected, strict=True):
        torch.testing.assert_close(gradient[:2], same, rtol=1e-5, atol=1e-9)
        assert not gradient[2].any()


def test_a_single_labelled_pixel_has_the_mean_of_one() -> None:
    label = torch.full((1, 8, 8), 255)
    label[0, 2, 3] = 1
    logits = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(logits[..., 2, 3], torch.tensor([1])).item()
    pixels = losses.pixel_cross_entropy(logits, label)
    for found in (
        losses.cross_entropy(logits, label),
        losses.hard_mean(pixels, label, 0.7, 1),
        losses.image_balanced_mean(pixels, label),
    ):
        assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_labelled_batches_have_the_bits_of_torchs_mean(dtype: torch.dtype) -> None:
    results = []
    for loss in (
        losses.cross_entropy,
        lambda logits, labels: torch.nn.functional.cross_entropy(logits, labels, ignore_index=255),
    ):
        logits = torch.randn(2, 19, 61, 127, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
        value = loss(logits, make_label(2, 61, 127, 3))
        (0.4 * value).backward()
        results.append((value, logits.grad))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))  # type: ignore[arg-type]


@pytest.mark.parametrize("min_kept", [1, 700, 2 * 48 * 64, 10**6])
@pytest.mark.parametrize("ties", [False, True])
def test_the_hard_pixels_are_those_of_the_kth_smallest_probability(min_kept: int, ties: bool) -> None:
    scores, label, _ = loss_inputs(2, 48, 64, 11)
    if ties:
        scores = scores.round().clamp(-1, 1)
    every = torch.nn.functional.cross_entropy(scores, label, ignore_index=255, reduction="none")
    probability = torch.exp(-every)
    valid = label != 255
    limit = probability.flatten().kthvalue(min(min_kept, probability.numel())).values.clamp(min=0.3)
    kept = valid & ((probability <= limit) | (valid.sum() < min_kept))
    with profile() as seen:
        found = losses.hard_mean(losses.pixel_cross_entropy(scores, label), label, 0.3, min_kept)
    assert found == (every * kept).sum() / kept.sum()
    # It is slow on GPUs.
    assert "aten::kthvalue" not in {event.name for event in seen.function_events}


@pytest.mark.parametrize("least", [0.0625, 0.875, 1000])
def test_plain_ohem_is_of_the_output_and_the_auxiliary_heads(least: float) -> None:
    scores, label, _ = loss_inputs(2, 48, 64, 11)
    fine, coarse = scores.float(), scores.float()[..., ::4, ::4]
    found = make_loss("ohem", ohem_min_kept=least, auxiliary_weight=0.5)({"out": fine, "auxiliary": [coarse]}, label)

    def hard(logits: Tensor) -> float:
        """The mean loss of those above -ln(0.7), or of so many of the largest."""
        ordered = np.sort(torch.nn.functional.cross_entropy(logits, label, ignore_index=255, reduction="none").ravel())
        count = int(least if least > 1 else least * label.numel())
        return float(ordered[-max(count, int((ordered >= -math.log(0.7)).sum())) :].mean())

    auxiliary = hard(torch.nn.functional.interpolate(coarse, (48, 64), mode="bilinear", align_corners=True))
    assert found.keys() == {"total", "output", "auxiliary"}
    assert found["output"].item() == pytest.approx(hard(fine), rel=1e-5)
    assert found["auxiliary"].item() == pytest.approx(auxiliary, rel=1e-5)
    assert found["total"].item() == pytest.approx(hard(fine) + 0.5 * auxiliary, rel=1e-5)


def test_class_weights_are_enets(tmp_path: Path) -> None:
    record = DatasetRecord.load(write_data(tmp_path))
    labels = np.stack([np.asarray(Image.open(path)) for path in tmp_path.glob("labels/train/*.png")])
    expected = [1 / math.log(1.02 + (labels == each).mean()) for each in range(3)]
    assert torch.equal(losses.class_weights(record, 1.02), torch.tensor(expected))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weighted_cross_entropy(dtype: torch.dtype) -> None:
    weights = torch.linspace(1, 10, 19)
    logits = torch.randn(2, 19, 61, 127, dtype=dtype, generator=torch.Generator().manual_seed(0)).requires_grad_()
    label = make_label(2, 61, 127, 3)
    expected = torch.nn.functional.cross_entropy(logits, label, weights.to(dtype), ignore_index=255)
    torch.testing.assert_close(losses.cross_entropy(logits, label, weights), expected)
    of_output = Loss(make_loss("cross_entropy").settings, weights)({"out": logits}, label)["output"]
    torch.testing.assert_close(of_output, expected)
    nothing = losses.cross_entropy(logits, torch.full_like(label, 255), weights)
    nothing.backward()
    assert nothing.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()
    with FakeTensorMode():
        losses.cross_entropy(torch.zeros(2, 19, 8, 8), torch.zeros(2, 8, 8, dtype=torch.int64), torch.ones(19))


def test_a_loss_that_the_network_cannot_have_is_refused() -> None:
    label = make_label(2, 32, 48, 5)
    out = torch.randn(2, 19, 32, 48)
    for name in ("joint_edge_ohem", "joint_edge"):
        with pytest.raises(InputError, match=rf"train\.loss\.name: {name} is of the scores .*take cross_entropy"):
            make_loss(name)({"out": out}, label)
        with pytest.raises(InputError, match=r"train\.loss\.boundary_weight.*no boundary heads"):
            make_loss(name)({"out": out, "scores": [out], "boundaries": []}, label)
        without = make_loss(name, boundary_weight=0, attention_weight=0)
        for outputs in ({"out": out}, {"out": out, "scores": [out]}):
            assert make_loss(name, scales_weight=0)(outputs, label).keys() == {"total", "output"}
        assert without({"out": out, "scores": [out]}, label).keys() == {"total", "output", "scales"}
    assert make_loss("cross_entropy")({"out": out}, label).keys() == {"total", "output"}


@pytest.mark.parametrize(
    ("experiment", "network", "loss"),
    [
        ("enet", {"name": "enet"}, {"name": "joint_edge_ohem"}),
        ("base", {"boundary_heads": False}, {"boundary_weight": 0.0}),
    ],
)
def test_params_refuses_a_loss_that_a_network_cannot_have(
    experiment: str, network: dict[str, Any], loss: dict[str, Any]
) -> None:
    params = load(REPOSITORY / "params.yaml")
    check_networks(params.model_copy(update={"experiments": {experiment: params.experiments[experiment]}}).networks())
    changed = params.experiments[experiment].model_copy(update={"network": network, "train": {"loss": loss}})
    with pytest.raises(InputError, match=rf"^params\.yaml: experiments\.{experiment}: train\.loss\."):
        check_networks(params.model_copy(update={"experiments": {experiment: changed}}).networks())


def test_boundary_target() -> None:
    golden = GOLDENS["boundary_mask"]
    small = boundary_target(torch.tensor(golden["small"]["label"])[None])
    assert small[0, 0].long().tolist() == golden["small"]["mask"]
    stripes = torch.tensor([1] * 6 + [2] + [3] * 6).expand(1, 8, 13)
    assert boundary_target(stripes)[0, 0, 4].long().tolist() == golden["stripes_1_2_3"]["row"]
    drawn = boundary_target(make_label(1, 64, 96, 21))
    assert drawn.sum() == golden["make_label(1,64,96,21)"]["sum"]
    digest = hashlib.sha256(drawn.to(torch.uint8).numpy().tobytes()).hexdigest()
    assert digest == golden["make_label(1,64,96,21)"]["sha256_of_uint8_bytes"]


def test_a_boundary_target_that_is_there_is_taken() -> None:
    scores, label, edges = loss_inputs(2, 48, 64, 11)
    outputs: Outputs = {"out": scores, "scores": [scores], "boundaries": [edges]}
    target = boundary_target(label)
    made, given, other = (make_loss()(outputs, label, each)["boundary"] for each in (None, target, ~target))
    assert made == given != other


# The network, the loss and the learning rate of a case; the goldens' own names for the cases say the same.
CASES: dict[str, tuple[str, str, float]] = {
    "resnet18_joint_edge_ohem_float64": ("resnet18", "joint_edge_ohem", 0.005),
    "resnet18_joint_edge_ohem_float64_base_lr_1e-4": ("resnet18", "joint_edge_ohem", 1e-4),
    "resnet18_joint_edge_ohem_float32_first_iteration": ("resnet18", "joint_edge_ohem", 0.005),
    "scalechoice_resnet18_branch_2_joint_edge_ohem_float64": (
        "scalechoice_resnet18_branch_2",
        "joint_edge_ohem",
        0.005,
    ),
    "scalechoice_resnet18_branches_2_3_4_joint_edge_ohem_float64": (
        "scalechoice_resnet18_branches_2_3_4",
        "joint_edge_ohem",
        0.005,
    ),
    "resnet18_joint_edge_float64": ("resnet18", "joint_edge", 0.005),
    "resnet18_aux_joint_edge_ohem_float64": ("resnet18_with_aux", "joint_edge_ohem", 0.005),
    "resnet18_plain_ce_no_boundary_float64": ("resnet18", "cross_entropy", 0.005),
}


def test_every_training_case_is_tested() -> None:
    assert set(CASES) == set(GOLDENS["training"])


@pytest.mark.parametrize("name", CASES)
def test_training_steps(name: str) -> None:
    network, loss_name, base_lr = CASES[name]
    golden = GOLDENS["training"][name]
    dtype = torch.float32 if "float32" in name else torch.float64
    # Float32 on another machine adds up in another order.
    loose, tight = (2e-4, 2e-4) if dtype == torch.float32 else (1e-7, 1e-8)
    no_boundaries = {"boundary_heads": False} if "no_boundary" in name else {}
    model = mfaranet.get_model("mfaranet", **no_boundaries) if no_boundaries else variant(network)
    model = fill(model.to(dtype), scale_choice=network.startswith("scalechoice")).train()
    names = our_names(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | torch.nn.Dropout2d):
            module.p = 0.0
    settings = recipe("cityscapes").model_copy(update={"base_lr": base_lr})
    optimizer = make_optimizer(model, settings)
    schedule = make_schedule(optimizer, settings, iterations=10)
    criterion = make_loss(loss_name)
    images = make_input(64, 128, 0, n=2).to(dtype)
    for expected in golden["iterations"]:
        rates = [group["lr"] for group in optimizer.param_groups]
        assert rates == pytest.approx([expected["lr_used_backbone"], expected["lr_used_decoder"]], rel=1e-9)
        outputs = model(images)
        terms = criterion(outputs, LABEL)
        optimizer.zero_grad()
        terms["total"].backward()
        if expected["total_loss"] != "nan":
            assert terms["total"].item() == pytest.approx(expected["total_loss"], rel=tight)
            cross_entropies = sum(
                weight * terms[term].item() for term, weight in (("output", 1), ("auxiliary", 0.4)) if term in terms
            )
            # A difference of totals: 1e-15 stands for 0, and float32 leaves seven digits of the larger.
            assert cross_entropies == pytest.approx(expected["main_plus_aux_loss"], rel=tight, abs=1e-12)
        segmentation = sum(stage.get("ohem_or_seg", stage["total"]) for stage in expected["stages"])
        assert terms["scales"].item() == pytest.approx(segmentation, rel=tight)
        if "boundary" in terms:
            boundary = sum(stage["bce2d"] for stage in expected["stages"])
            # A sum of float32 numbers, in float64 cases too.
            assert terms["boundary"].item() == pytest.approx(boundary, rel=max(tight, 1e-7))
            attention = [stage["edge_attention"] for stage in expected["stages"]]
            if "nan" not in attention:
                assert terms["attention"].item() == pytest.approx(sum(attention), rel=tight)
        histogram = torch.bincount(outputs["out"].argmax(1).flatten(), minlength=19)
        assert (histogram - torch.tensor(expected["pred_histogram"])).abs().max() <= (
            2 if dtype == torch.float32 else 0
        )
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        if "params_without_grad" in expected:
            assert len(gradients) == len(list(model.parameters())) - len(expected["params_without_grad"])
        norm = math.sqrt(sum(float(g.double().pow(2).sum()) for g in gradients))
        assert norm == pytest.approx(expected["global_grad_l2"], rel=loose)
        for key, value in expected.get("grad_l2", {}).items():
            gradient = model.get_parameter(names[key]).grad
            assert gradient is not None
            assert gradient.norm().item() == pytest.approx(value, rel=loose)
        optimizer.step()
        schedule.step()
    state = model.state_dict()
    for key, expected in golden.get("after", {}).items():
        if not key.startswith(("param_l2", "n_param")):
            assert_stats(state[names[key]], expected, 1e-8)


@pytest.mark.parametrize("iterations", [10, 42400, 49600])
def test_poly_schedule(iterations: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.005)
    schedule = make_schedule(optimizer, recipe("cityscapes"), iterations)
    expected = {g["iter"]: g["lr"] for g in GOLDENS["poly_lr"]["cases"] if g["max_iter"] == iterations}
    for iteration in range(iterations + 1):
        if iteration in expected:
            assert schedule.get_last_lr()[0] == pytest.approx(expected.pop(iteration), rel=1e-9, abs=1e-15)
        optimizer.step()
        schedule.step()
    assert not expected
