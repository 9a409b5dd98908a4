"""Deployed networks against the networks that they are made of."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_export import leave_out_repetitions, warm_up
from torch import Tensor, nn

import mfaranet
from mfaranet.data.transforms import normalise
from mfaranet.deployment import deploy as deploy_module
from mfaranet.deployment.deploy import Deployed
from mfaranet.deployment.label_maps import LabelMaps
from mfaranet.deployment.pooling import MaxPool
from mfaranet.deployment.warping import DeployedWarp, DeployedWarpGrid
from mfaranet.errors import InputError
from mfaranet.models import convolution
from mfaranet.models.layers import Upsampling, Warp
from mfaranet.models.mfaranet import WarpGrid

SEE_THE_IMAGE_OTHERWISE = {"aglnet", "cgnet", "edanet", "enet", "erfnet", "espnet", "mininet_v2"}
"""Networks that pool the image, or join it to features, beside convolving it."""

TOLERANCE = 1e-4
"""Times the largest distance of a logit from its class's mean over the image; Winograd's sums round more."""


def photographs(count: int, height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (count, 3, height, width), dtype=torch.uint8)


def assert_deploys(model: nn.Module, images: Tensor, labels: bool = True) -> Deployed:
    """Logits are equal up to rounding, ``labels`` where the two best logits are not; returns the former's network."""
    before = {key: value.clone() for key, value in model.state_dict().items()}
    deployed = mfaranet.deploy(model)
    with torch.inference_mode():
        expected = model(normalise(images))
        found = deployed(images)
        label_maps = mfaranet.deploy(model, (64, 96), labels=True)(images) if labels else found.argmax(1).byte()
    scale = float((expected - expected.mean((2, 3), keepdim=True)).abs().max())
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE * scale)
    first, second = expected.topk(2, dim=1).values.unbind(1)
    clear = first - second > 2 * TOLERANCE * scale
    assert (label_maps == expected.argmax(1))[clear].all()
    assert (label_maps.dtype, label_maps.shape) == (torch.uint8, expected.argmax(1).shape)
    assert clear.float().mean() > 0.99
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    return deployed


@pytest.mark.parametrize("name", mfaranet.list_models())
def test_every_network(name: str) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    leave_out_repetitions(model)
    warm_up(model)
    small = sum(p.numel() for p in model.parameters()) < 2e7  # the others take long to copy
    deployed = assert_deploys(model, photographs(2, 65, 93), labels=small)
    assert (deployed.deviation is None) == (name not in SEE_THE_IMAGE_OTHERWISE)


@pytest.mark.parametrize(
    "options",
    [
        {"branches": (2,)},
        {"branches": (1, 3)},
        {"aggregation": "none", "warp_align_corners": False},
        {"aggregation": "top_down"},
        {"alignment": "bilinear"},
        {"fusion": "concat", "boundary_heads": False},
        {"fusion": "sum", "auxiliary_head": True},
        {"decoder_norm": False, "backbone": "stdc1"},
    ],
    ids=str,
)
def test_variants(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", num_classes=5, **options)
    warm_up(model)
    deployed = assert_deploys(model, photographs(1, 64, 96))
    parameters = [sum(p.numel() for p in network.parameters()) for network in (deployed, model)]
    assert parameters[0] < parameters[1]


def test_what_only_training_needs_is_gone() -> None:
    assert not any("auxiliary" in name for name in dict(mfaranet.deploy(mfaranet.get_model("fast_scnn")).state_dict()))
    one_branch, pruned = mfaranet.get_model("mfaranet", branches=(2,)), mfaranet.get_model("mfaranet_pruned")
    shapes = [{k: v.shape for k, v in mfaranet.deploy(each).state_dict().items()} for each in (one_branch, pruned)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("size", [((16, 32), (8, 16)), ((17, 33), (9, 17)), ((2, 3), (1, 2)), ((1, 1), (1, 1))])
def test_warping(align_corners: bool, size: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """With flows that lead out of the feature, for two images at once."""
    torch.manual_seed(0)
    grid, warp = WarpGrid(8), Warp(align_corners)
    low, high = torch.randn(2, 8, *size[0]), torch.randn(2, 8, *size[1])
    places = DeployedWarp(warp)
    with torch.no_grad():
        grid.flow.weight *= 20
        deployed = DeployedWarpGrid(grid, align_corners)
        expected = warp(high, grid(low, high))
        torch.testing.assert_close(places(high, deployed(low, high)), expected, rtol=0, atol=1e-4)
        # In double precision, and on other devices, the grid itself is used.
        found = places(high.double(), deployed.double()(low.double(), high.double()))
        torch.testing.assert_close(found.float(), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("scores", "size"),
    [((2, 19, 16, 32), (64, 128)), ((1, 3, 13, 7), (500, 290)), ((1, 5, 1, 1), (4, 4)), ((1, 5, 8, 8), (4, 4))],
)
def test_label_maps(align_corners: bool, scores: tuple[int, ...], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    maps = torch.randn(scores)
    expected = Upsampling(align_corners)(maps, size).argmax(1, keepdim=True)
    found = LabelMaps(Upsampling(align_corners))(maps, size)
    assert found.dtype == torch.uint8
    assert (found != expected).float().mean() < 1e-4


def test_images_that_are_not_rgb() -> None:
    with pytest.raises(InputError, match="ENet cannot be deployed: it does not take RGB images"):
        mfaranet.deploy(mfaranet.get_model("enet", in_channels=4))


@pytest.mark.parametrize("size", [(7, 9), (8, 10), (1, 1), (2, 3)])
def test_pooling(size: tuple[int, int]) -> None:
    features = torch.randn(2, 3, *size)
    with torch.inference_mode():
        assert torch.equal(MaxPool()(features), F.max_pool2d(features, 3, 2, 1))
    assert MaxPool()(features.requires_grad_()).requires_grad  # by PyTorch's, which knows the gradient


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize(("name", "winograd"), [("mfaranet", True), ("bisenet_v1", True), ("fast_scnn", False)])
def test_memory_format(monkeypatch: pytest.MonkeyPatch, name: str, winograd: bool, quick: bool) -> None:
    """On a CPU whose 3x3 convolutions are quicker by Winograd's algorithm, and on one where they are not."""
    if quick and not torch._nnpack_available():
        pytest.skip("this build of PyTorch has no NNPACK for this CPU")
    for module in (deploy_module, convolution):
        monkeypatch.setattr(module, "winograd_is_quick", lambda: quick)
    torch.manual_seed(0)
    model = mfaranet.get_model(name, num_classes=5)
    warm_up(model)
    deployed = assert_deploys(model, photographs(1, 192, 256), labels=False)
    assert deployed.winograd == (winograd and quick)
    kernels = next(m.weight for m in deployed.modules() if isinstance(m, nn.Conv2d) and m.in_channels > 3)
    assert kernels.is_contiguous(memory_format=deployed.memory_format)
