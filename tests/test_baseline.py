"""What benchmarks compare us with computes what we compute."""

import pytest
import torch
from official import fill, make_input, make_label
from tiny import make_loss, recipe
from torch import Tensor, nn

import mfaranet
from benchmarks import baseline
from mfaranet.data.boundaries import boundary_target
from mfaranet.training.optimization import make_optimizer

LABELS = make_label(2, 64, 128, 3)


@pytest.fixture
def networks() -> tuple[nn.Module, baseline.Baseline]:
    """Ours and the baseline with the same weights, without dropout, in double precision."""
    ours = fill(mfaranet.get_model("mfaranet").double())
    theirs = baseline.Baseline().double()
    theirs.load_state_dict(ours.state_dict())
    for network in (ours, theirs):
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    return ours, theirs


@pytest.mark.parametrize("size", [(64, 128), (48, 80)])
def test_outputs(networks: tuple[nn.Module, baseline.Baseline], size: tuple[int, int]) -> None:
    images = make_input(*size, 0, n=2)
    for mode in (True, False):
        found, expected = (network.train(mode)(images) for network in networks)
        if mode:
            found = {key: found[key] for key in expected}
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, buffer in networks[0].named_buffers():
        torch.testing.assert_close(buffer, networks[1].get_buffer(name))


# More valid pixels than the first, fewer than the second.
@pytest.mark.parametrize("min_kept", [5000, 100_000])
def test_a_training_step(
    networks: tuple[nn.Module, baseline.Baseline], min_kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baseline, "OHEM_MIN_KEPT", min_kept)
    images = make_input(64, 128, 0, n=2)
    targets = torch.stack([baseline.boundary_target(label) for label in LABELS])
    ours, theirs = networks
    total = make_loss(ohem_min_kept=min_kept)(ours.train()(images), LABELS)["total"]
    expected = baseline.loss(theirs.train()(images), LABELS, targets)
    total.backward()
    expected.backward()
    assert total.item() == pytest.approx(expected.item(), rel=1e-7)  # class weights are float32

    def compared(what: str) -> None:
        for name, parameter in ours.named_parameters():
            pair = [getattr(each, what) for each in (parameter, theirs.get_parameter(name))]
            torch.testing.assert_close(*pair, rtol=1e-6, atol=1e-7 * pair[0].abs().max().item())

    compared("grad")
    for optimizer in (make_optimizer(ours, recipe("cityscapes")), baseline.make_optimizer(theirs)):
        optimizer.step()
    compared("data")


@pytest.mark.parametrize("labels", [LABELS, torch.tensor([1] * 6 + [2] + [3] * 6).expand(1, 8, 13)])
def test_boundary_targets(labels: Tensor) -> None:
    expected = torch.stack([baseline.boundary_target(label) for label in labels])
    assert torch.equal(boundary_target(labels).float(), expected)
