"""Training on a few tiny images."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import CLASSES, FACTS, curve, run_tiny, settings, write_data

import mfaranet
from mfaranet import training
from mfaranet.checkpoints import load_trained, read
from mfaranet.data.loading import training_loader
from mfaranet.errors import InputError
from mfaranet.training import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def run(data: Path, output: Path, **changes: Any) -> None:
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", len(CLASSES))
    train(model, settings(**changes), data, output=output, curves=output / "curves", facts=FACTS)


def test_the_loss_falls_and_the_network_learns(data: Path, tmp_path: Path) -> None:
    still = {"scale": (1.0, 1.0), "rotation_probability": 0.0, "flip_probability": 0.0}
    run(data, tmp_path, epochs=12, validate_every=12, batch_size=4, crop=(64, 128), augmentation=still)
    loss = curve(tmp_path, "train/total")
    assert len(loss) == 12
    assert loss[-1] < 0.7 * loss[0]
    assert curve(tmp_path, "learning_rate")[0] == 0.005
    model, facts = load_trained(tmp_path / "last.safetensors")
    assert (facts["epoch"], facts["classes"]) == (12, CLASSES)
    assert not model.training
    assert (tmp_path / "best.safetensors").exists()


def test_twenty_steps_are_the_same_twice_to_the_last_bit(data: Path, tmp_path: Path) -> None:
    """With any number of loader workers."""
    for workers in (0, 2):
        run(data, tmp_path / str(workers), workers=workers, epochs=10, validate_every=10)
    assert curve(tmp_path / "0", "train/total") == curve(tmp_path / "2", "train/total")
    first, second = ((tmp_path / name / "last.safetensors").read_bytes() for name in ("0", "2"))
    assert first == second
    run(data, tmp_path / "other", seed=1)
    assert (tmp_path / "other/last.safetensors").read_bytes() != first


def test_two_trainings_may_end_together(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVCLive removes a file last that it shares with the other one."""
    removed = []

    def remove(path: str) -> None:
        removed.append(Path(path).name)
        Path(path).unlink()
        Path(path).unlink()  # as the second of the two finds it

    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(os, "remove", remove)
    run(data, tmp_path)
    assert removed == ["DVCLIVE_STEP_COMPLETED"]
    assert (tmp_path / "curves/metrics.json").exists()


def batches(data: Path, epoch: int, rank: int = 0, processes: int = 1, **changes: Any) -> list[tuple[Any, Any]]:
    loader = training_loader(settings(**changes), data, rank, processes)
    loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
    return [(images, labels) for images, labels in loader]


def test_an_epoch_has_order_and_augmentation_of_its_own(tmp_path: Path) -> None:
    data = write_data(tmp_path, train=16)

    def sums(**changes: Any) -> list[float]:
        return [float(images.sum()) for images, _ in batches(data, batch_size=2, **changes)]

    assert sums(epoch=1) == sums(epoch=1, workers=2)
    every = [*sums(epoch=1), *sums(epoch=2), *sums(epoch=1, seed=1), *sums(epoch=2, seed=1)]
    assert len(set(every)) == 4 * 8


def test_training_takes_each_epoch_as_its_own(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, drawn = [], []

    def look(network: Any, loader: Any, *_: Any) -> dict[str, float]:
        seen.append(sum(float(images.sum()) for images, _ in loader))
        drawn.append(float(torch.rand(())))
        return {"total": 0.0}

    monkeypatch.setattr(training, "_train_epoch", look)
    run_tiny(data, tmp_path, epochs=4)
    assert len(set(seen)) == len(set(drawn)) == 4


def test_a_batch_is_the_same_on_any_number_of_processes(tmp_path: Path) -> None:
    data = write_data(tmp_path, train=9)
    whole = batches(data, 3, batch_size=4)
    shares = [batches(data, 3, rank, 2, batch_size=4) for rank in range(2)]
    assert len(whole) == len(shares[0]) == len(shares[1]) == 2
    for step, (images, labels) in enumerate(whole):
        for rank in range(2):
            assert torch.equal(images[rank::2], shares[rank][step][0])
            assert torch.equal(labels[rank::2], shares[rank][step][1])


def test_the_parts_of_a_batch_have_the_gradient_of_the_whole(tmp_path: Path) -> None:
    """For a mean over pixels none of which is ignored."""
    data = write_data(tmp_path / "data", ignored_rows=0)
    unchanged = {"scale": (1.0, 1.0), "rotation_probability": 0.0}
    changes = {"batch_size": 4, "epochs": 3, "loss": "cross_entropy", "augmentation": unchanged}
    states = []
    for accumulate in (1, 2):
        run_tiny(data, tmp_path / str(accumulate), accumulate=accumulate, **changes)
        states.append(read(tmp_path / f"{accumulate}/last.safetensors")[0])
    assert not torch.equal(states[0]["score.weight"], torch.zeros_like(states[0]["score.weight"]))
    for name, tensor in states[0].items():
        torch.testing.assert_close(states[1][name], tensor, rtol=1e-5, atol=1e-6)


def test_parts_in_half_precision(data: Path, tmp_path: Path) -> None:
    run_tiny(data, tmp_path, batch_size=4, accumulate=2, precision="bf16-mixed", epochs=2)
    state, _ = read(tmp_path / "last.safetensors")
    assert all(tensor.dtype == torch.float32 and tensor.isfinite().all() for tensor in state.values())


@pytest.mark.parametrize(("batch_size", "accumulate"), [(4, 3), (2, 2)])
def test_a_batch_that_does_not_divide_is_refused(data: Path, tmp_path: Path, batch_size: int, accumulate: int) -> None:
    with pytest.raises(InputError, match=r"train\.batch_size, train\.accumulate: \d images do not divide among 1"):
        run_tiny(data, tmp_path, batch_size=batch_size, accumulate=accumulate)


def test_a_loss_that_is_no_number_stops_the_run(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no longer a number in epoch \d.*lower train.base_lr"):
        run(data, tmp_path, base_lr=1e12, epochs=3)
    assert not list(tmp_path.glob("*.tmp*"))


def test_a_batch_that_is_larger_than_the_set_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5 is more than the 4 images"):
        run(data, tmp_path, batch_size=5)


def test_a_pruned_network_is_not_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="train the whole one"):
        train(
            mfaranet.get_model("mfaranet_pruned", len(CLASSES)),
            settings(),
            data,
            output=tmp_path,
            curves=tmp_path / "curves",
            facts=FACTS,
        )


def test_a_network_without_a_backbone_learns_at_the_base_rate() -> None:
    model = mfaranet.get_model("enet", 3)
    (group,) = training.make_optimizer(model, 0.1, 10.0, 0.9, 0.0).param_groups
    assert group["lr"] == 0.1
    assert len(group["params"]) == len(list(model.parameters()))
