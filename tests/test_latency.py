"""Timing: what is counted and said, not how fast anything is."""

import json
import statistics
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import mfaranet
from mfaranet.deployment.folding import fold_batch_norm
from mfaranet.measure.forms import in_form, is_deployed
from mfaranet.measure.latency import PAPER_PASSES, Timing, measure
from mfaranet.schema import LatencySettings

SETTINGS = {
    "protocol": "strict",
    "device": "cpu",
    "precision": "float32",
    "tf32": True,
    "memory_format": "channels_first",
    "forms": ["deployed"],
    "threads": None,
    "sizes": [[32, 64]],
    "seconds": 0.02,
    "repeats": 3,
    "budget": 5.0,
    "experiments": ["base"],
}
CPU = torch.device("cpu")


def settings(**changes: Any) -> LatencySettings:
    return LatencySettings.model_validate_json(json.dumps({**SETTINGS, **changes}))


class Recorder(nn.Module):
    """Writes down when it is called, and whether autograd could follow."""

    def __init__(self, name: str, calls: list[tuple[str, bool]]) -> None:
        super().__init__()
        self.name, self.calls = name, calls
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, images: Tensor) -> Tensor:
        self.calls.append((self.name, torch.is_inference_mode_enabled()))
        result: Tensor = self.conv(images)
        return result


def test_strict_measures_all_networks_in_every_repeat() -> None:
    calls: list[tuple[str, bool]] = []
    found = measure({"a": Recorder("a", calls), "b": Recorder("b", calls)}, settings(), CPU)
    order = [name for i, (name, _) in enumerate(calls) if not i or calls[i - 1][0] != name]
    assert order == ["a", "b", "a", "b"]  # the second repeat begins with b, the third with a
    assert all(inference for _, inference in calls)
    for name in "ab":
        result = found[name]["32x64"]
        assert len(result["repeats"]) == 3
        assert result["within_budget"]
        assert result["seconds"] >= 0.02
        assert result["p50"] <= result["p90"] <= result["p99"]
        assert result["fps"] == pytest.approx(1 / result["p50"])


def test_statistics() -> None:
    timing = Timing(repeats=[[0.1, 0.2, 0.3], [0.4]], passes=4)
    summary = timing.summary()
    assert summary["repeats"] == [0.2, 0.4]
    assert (summary["mean"], summary["p50"]) == (pytest.approx(0.25), pytest.approx(0.25))
    assert summary["p90"] == pytest.approx(statistics.quantiles([0.1, 0.2, 0.3, 0.4], n=10, method="inclusive")[8])


def test_a_spent_budget_is_said() -> None:
    calls: list[tuple[str, bool]] = []
    result = measure({"a": Recorder("a", calls)}, settings(budget=1e-9, seconds=100.0), CPU)["a"]["32x64"]
    assert not result["within_budget"]
    assert result["passes"] == 1


def test_paper_times_a_hundred_passes_together_with_autograd() -> None:
    calls: list[tuple[str, bool]] = []
    result = measure({"a": Recorder("a", calls)}, settings(protocol="paper"), CPU)["a"]["32x64"]
    assert result["passes"] == PAPER_PASSES
    assert result["p50"] is None
    assert len(calls) == 110
    assert not any(inference for _, inference in calls)


def test_peak_memory_holds_the_largest_map() -> None:
    network = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 1, 1))
    found = measure({"a": network}, settings(sizes=[[512, 512]], seconds=0.001), CPU)
    peak = found["a"]["512x512"]["peak_memory"]
    if peak is None:
        pytest.skip("this system does not tell the peak memory of a process")
    assert peak > 0.9 * 64 * 512 * 512 * 4


@pytest.mark.parametrize("name", ["mfaranet", "mfaranet_pruned"])
def test_folding_keeps_the_output(name: str) -> None:
    """Those of the compared networks are in test_comparators."""
    torch.manual_seed(0)
    assert_folds(mfaranet.get_model(name, num_classes=5), torch.rand(1, 3, 64, 96, dtype=torch.float64))


def assert_folds(model: nn.Module, images: Tensor) -> None:
    """Folded it gives the same, with fewer normalisations; its statistics are changed from their initial values."""
    model = model.double().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(std=0.1)  # type: ignore[operator,union-attr]
            module.running_var.uniform_(0.8, 1.2)  # type: ignore[operator,union-attr]
    folded = fold_batch_norm(model, images.shape[1])
    with torch.inference_mode():
        torch.testing.assert_close(folded(images), model(images), atol=1e-9, rtol=1e-9)
    before, after = (sum(isinstance(m, nn.BatchNorm2d) for m in each.modules()) for each in (model, folded))
    assert after < before


def test_forms_are_measured_by_what_they_take() -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", num_classes=5)
    forms = {form: in_form(model, form) for form in ("unfolded", "folded", "deployed", "compiled")}
    forms["compiled"] = torch.compile(forms["deployed"], backend="eager")  # type: ignore[assignment]
    found = measure(forms, settings(memory_format="channels_last", repeats=1), CPU)
    assert [each["32x64"]["fps"] > 0 for each in found.values()] == [True] * 4
    assert is_deployed(forms["compiled"])
    assert not is_deployed(forms["folded"])


def test_folding_leaves_what_it_may_not_fold() -> None:
    class Shared(nn.Module):
        """One convolution before two normalisations, and a normalisation before a convolution."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.first, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

        def forward(self, images: Tensor) -> Tensor:
            features = self.conv(images)
            result: Tensor = self.first(features) + self.second(features)
            return result

    folded = fold_batch_norm(Shared())
    assert isinstance(folded.first, nn.BatchNorm2d)
    assert isinstance(folded.second, nn.BatchNorm2d)
