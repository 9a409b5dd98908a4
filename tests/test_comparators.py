"""The 24 networks of Table XI: the linked implementations' numbers, and what every network of ours can do."""

import copy
import csv
import json
import subprocess
import sys
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from official import FOLDER, SMALL, as_row, size_of
from test_latency import assert_folds
from tiny import curve, settings
from torch import Tensor, nn

import mfaranet
from mfaranet.datasets.preparation import prepare
from mfaranet.measure.complexity import complexity, layer_table
from mfaranet.models import comparators
from mfaranet.models.comparators import SLUGS
from mfaranet.schema import SampleData
from mfaranet.training.loop import train
from mfaranet.weights.checkpoints import load_trained

GOLDENS: dict[str, Any] = json.loads((FOLDER / "comparators.json").read_text())
COSTS: dict[str, Any] = json.loads((FOLDER / "comparators_cost.json").read_text())
NORMALISATION = ("running_mean", "running_var", "num_batches_tracked")
FILLED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear, nn.BatchNorm2d, nn.PReLU)

# Builds every network, and fails with what was done meanwhile with sockets or files of weights.
WATCHED = """
import sys

seen = []

def watch(event, arguments):
    weights = (".pt", ".pth", ".bin", ".ckpt", ".onnx", ".safetensors")
    if event.startswith("socket.") or event == "open" and str(arguments[0]).endswith(weights):
        seen.append((event, *map(str, arguments)))

sys.addaudithook(watch)
import mfaranet, torch
with torch.device("meta"):
    for name in mfaranet.list_models():
        mfaranet.get_model(name)
sys.exit(str(seen) if seen else 0)
"""

every_network = pytest.mark.parametrize("slug", SLUGS, scope="module")  # one network's tests follow each other
compared_network = pytest.mark.parametrize("slug", COSTS)
"""Of whose linked implementation there are numbers."""


@pytest.fixture(scope="module")
def network(slug: str) -> nn.Module:
    """With initial weights, seven classes and four channels; to be copied, not changed."""
    torch.manual_seed(0)
    return mfaranet.get_model(slug, num_classes=7, in_channels=4)


@compared_network
@pytest.mark.parametrize("rule", ["by_signature", "by_order"])
def test_output_of_the_linked_implementation(slug: str, rule: str) -> None:
    golden = GOLDENS[slug]
    names = names_in_order(slug, golden["input_shape"])
    model = unfilled(slug)
    executed = [model.get_submodule(name) for name in names]
    expected_order = [golden["signatures"][i] for i in golden["order"]]
    assert [signature(module) for module in executed] == expected_order
    fill(model, executed, rule, golden)
    images = torch.from_numpy(np.random.RandomState(42).rand(*golden["input_shape"]))
    with torch.inference_mode():
        native = model.scores(images)[0]  # type: ignore[operator]
        # The linked implementations resize some of theirs, in the network.
        native = model.final_upsampling(native, tuple(expected(golden, rule)["shape"][-2:]))  # type: ignore[operator]
    assert_equal(native, expected(golden, rule))


@compared_network
def test_layers_of_the_linked_implementation(slug: str) -> None:
    with torch.device("meta"):
        model = mfaranet.get_model(slug)
    with (FOLDER / f"layers/comparators/{slug}.csv").open() as file:
        rows = Counter(tuple(row) for row in list(csv.reader(file))[1:])
    layers = layer_table(model, (513, 1025) if slug == "pspnet" else (512, 1024))
    assert Counter(as_row(layer) for layer in layers if hasattr(nn, layer.kind)) == rows


@compared_network
def test_cost_of_the_linked_implementation(slug: str) -> None:
    with torch.device("meta"):
        model = mfaranet.get_model(slug)
    for size, macs in COSTS[slug]["macs"].items():
        cost = complexity(model, size_of(size))
        assert (cost.params, cost.official_macs) == (COSTS[slug]["params"], macs)
        assert cost.flops == 2 * cost.macs
        if slug == "espnet" and size == "512x1024":
            assert cost.macs == 4_670_283_776  # the reference has both counts of this network


@every_network
def test_both_counts(slug: str) -> None:
    with torch.device("meta"):
        model = mfaranet.get_model(slug)
    cost = complexity(model.bfloat16(), (97, 131))
    assert cost.flops == 2 * cost.macs
    transposed = any(isinstance(module, nn.ConvTranspose2d) for module in model.modules())
    assert (cost.official_macs > cost.macs) == transposed


@every_network
def test_any_size_and_class_count(network: nn.Module) -> None:
    model = network.eval()
    for size in [(64, 128), (97, 131), *SMALL]:
        with torch.inference_mode():
            logits = model(torch.rand(1, 4, *size))
        assert logits.shape == (1, 7, *size)
        assert bool(logits.isfinite().all())


def test_images_that_enet_would_leave_no_row_of_are_padded() -> None:
    model = mfaranet.get_model("enet", num_classes=5).eval()
    images = torch.rand(1, 3, 3, 9)
    with torch.inference_mode():
        assert torch.equal(model(images), model(F.pad(images, (0, 0, 0, 4)))[..., :3, :])


@every_network
def test_training_mode_and_its_gradients(network: nn.Module) -> None:
    model = copy.deepcopy(network).train()
    outputs = model(torch.rand(2, 4, 64, 96))
    maps = [outputs["out"], *outputs["auxiliary"]]
    assert all(each.shape == (2, 7, 64, 96) for each in maps)
    sum(each.square().mean() for each in maps).backward()  # type: ignore[union-attr]
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


@every_network
def test_a_second_instance_takes_the_state(slug: str, network: nn.Module) -> None:
    images = torch.rand(2, 4, 64, 96)
    model = copy.deepcopy(network)
    model.train()(images)  # so that the statistics of the normalisation are not the initial ones
    with torch.device("meta"):  # nothing in it that is not of the state
        other = mfaranet.get_model(slug, num_classes=7, in_channels=4)
    other.load_state_dict(safetensors.torch.load(safetensors.torch.save(model.state_dict())), assign=True)
    with torch.inference_mode():
        assert torch.equal(model.eval()(images), other.eval()(images))


@every_network
def test_images_of_a_batch_do_not_mix(network: nn.Module) -> None:
    model = copy.deepcopy(network).double().eval()
    images = torch.rand(2, 4, 64, 96, dtype=torch.float64)
    with torch.inference_mode():
        together, alone = model(images), torch.cat([model(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12 * float(alone.abs().max()))


@every_network
def test_folding_keeps_the_output(network: nn.Module) -> None:
    assert_folds(copy.deepcopy(network), torch.rand(1, 4, 64, 96, dtype=torch.float64))


@pytest.mark.parametrize(
    ("slug", "options", "rate"), [("enet", {}, 0.05), ("bisenet_v1", {}, 0.005), ("pspnet", {"depth": 50}, 0.005)]
)
def test_training_on_the_sample_lowers_the_loss(
    slug: str, options: dict[str, Any], rate: float, tmp_path: Path
) -> None:
    sample = SampleData(form="sample", size=(64, 128), train=2, val=1, test=1, seed=0)
    classes = prepare("sample", sample, tmp_path / "data").classes
    still = {"scale": (1.0, 1.0), "rotation_probability": 0.0, "flip_probability": 0.0}
    recipe = settings(epochs=6, validate_every=6, crop="full", loss="cross_entropy", augmentation=still, base_lr=rate)
    torch.manual_seed(0)
    model = mfaranet.get_model(slug, len(classes), **options)
    facts = {"network": slug, "options": options, "classes": classes}
    train(model, recipe, tmp_path / "data", output=tmp_path, curves=tmp_path / "curves", facts=facts)
    loss = curve(tmp_path, "train/total")
    assert len(loss) == 6
    assert loss[-1] < 0.95 * loss[0]
    assert (tmp_path / "curves/plots/metrics/train/auxiliary.tsv").exists() == (slug != "enet")
    load_trained(tmp_path / "last.safetensors")


def test_the_list_of_networks() -> None:
    assert len(COSTS) == 24
    assert set(COSTS) <= set(SLUGS)
    assert {*SLUGS, "mfaranet", "mfaranet_pruned"} <= set(mfaranet.list_models())


def test_listing_and_building_need_no_connection_and_no_weights() -> None:
    result = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_networks_stay_short() -> None:
    for file in Path(comparators.__file__).parent.glob("*.py"):
        assert len(file.read_text().splitlines()) < 300, file


def expected(golden: dict[str, Any], rule: str) -> dict[str, Any]:
    found: dict[str, Any] = golden[rule]
    return found.get("at_input_size", found)  # only EDANet has it: the linked code doubles its output in evaluation


def signature(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        sizes = ["x".join(map(str, pair)) for pair in (module.kernel_size, module.stride, module.dilation)]
        fields = [module.in_channels, module.out_channels, *sizes, module.groups, int(module.bias is not None)]
    elif isinstance(module, nn.Linear):
        fields = [module.in_features, module.out_features, int(module.bias is not None)]
    else:
        fields = [module.num_features if isinstance(module, nn.BatchNorm2d) else module.num_parameters]  # type: ignore[list-item]
    return "|".join(map(str, [type(module).__name__, *fields]))


def unfilled(slug: str) -> nn.Module:
    """In evaluation mode and float64, without the time for initial weights: all that it holds is to be filled."""
    with torch.device("meta"):
        model = mfaranet.get_model(slug).double().eval()
    assert all(name.rsplit(".", 1)[1] in NORMALISATION for name, _ in model.named_buffers())
    return model.to_empty(device="cpu")


def names_in_order(slug: str, shape: list[int]) -> list[str]:
    """The modules with parameters, in the order of their first execution, which needs no numbers."""
    seen: dict[str, None] = {}
    with torch.device("meta"), torch.inference_mode():
        model = mfaranet.get_model(slug).eval()
        for name, module in model.named_modules():
            if isinstance(module, FILLED):
                module.register_forward_pre_hook(lambda *_, name=name: seen.setdefault(name))
        model.scores(torch.rand(shape))  # type: ignore[operator]
    return list(seen)


def fill(model: nn.Module, executed: list[nn.Module], rule: str, golden: dict[str, Any]) -> None:
    first: dict[int, nn.Module] = {}  # of those with the same signature, which all get its values
    for k, module in enumerate(executed):
        seed = zlib.crc32(f"public:{signature(module)}".encode()) if rule == "by_signature" else 5000 + k
        if seed in first:
            module.load_state_dict(first[seed].state_dict())
            continue
        first[seed] = module
        random = np.random.RandomState(seed)
        for name in ("weight", "bias", "running_mean", "running_var"):
            tensor = getattr(module, name, None)
            if tensor is not None:
                drawn = torch.from_numpy(random.standard_normal(tuple(tensor.shape)))
                tensor.data.copy_(value(module, name, drawn, golden["g"]))
    for node, values in golden.get("raw_parameters", {"values": {}})["values"].items():
        model.get_parameter(f"fusions.{node}.weight").data.copy_(torch.tensor(values, dtype=torch.float64))


def value(module: nn.Module, name: str, drawn: Tensor, gain: float) -> Tensor:
    if name == "running_var":
        return 1 + 0.1 * drawn.abs()
    if name != "weight":
        return 0.1 * drawn
    if isinstance(module, nn.BatchNorm2d):
        return 1 + 0.1 * drawn
    if isinstance(module, nn.PReLU):
        return 0.25 + 0.05 * drawn
    return gain * drawn / drawn[0].numel() ** 0.5


def assert_equal(found: Tensor, golden: dict[str, Any], tolerance: float = 1e-9) -> None:
    assert list(found.shape) == golden["shape"]
    scale = golden["abs_max"]
    indices = np.round(np.linspace(0, found.numel() - 1, 32)).astype(int)
    torch.testing.assert_close(
        found.flatten()[torch.from_numpy(indices)],
        torch.tensor(golden["values"], dtype=torch.float64),
        atol=tolerance * scale,
        rtol=0,
    )
    assert abs(float(found.mean()) - golden["mean"]) < tolerance * scale
    assert float(found.std(correction=0)) == pytest.approx(golden["std"], rel=tolerance)
