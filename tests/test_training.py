"""Training on a few tiny images."""

import math
import os
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny import CLASSES, FACTS, TinyNetwork, curve, run_tiny, settings, whiten, write_data
from torch import nn

import mfaranet
from mfaranet.data.boundaries import boundary_target
from mfaranet.data.loading import training_loader
from mfaranet.data.transforms import normalise
from mfaranet.datasets.preparation import prepare
from mfaranet.errors import InputError
from mfaranet.schema import CamVidData
from mfaranet.training import loop as training
from mfaranet.training.loop import train
from mfaranet.weights.checkpoints import load_trained, read

SHARED = Path(__file__).parents[2] / "shared/cases"
STILL = {"scale": (1.0, 1.0), "rotation_probability": 0.0}


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
    assert curve(tmp_path, "learning_rate")[0] == settings().base_lr
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


@pytest.mark.parametrize("way", [{"memory_format": "channels_last"}, {"compile": True}], ids=str)
def test_ways_to_compute_the_same(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: dict[str, Any]
) -> None:
    # Traced and differentiated, but not compiled to machine code, which takes a minute and a compiler.
    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend="aot_eager"))
    run_tiny(data, tmp_path / "plain", norm=True)
    run_tiny(data, tmp_path / "other", norm=True, **way)
    for key in ("train/total", "val/miou"):
        assert curve(tmp_path / "other", key) == pytest.approx(curve(tmp_path / "plain", key), rel=1e-4)
    kept = [read(tmp_path / name / "last.safetensors")[0] for name in ("plain", "other")]
    assert kept[0].keys() == kept[1].keys()


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
    return [(images, labels) for images, labels, *_ in loader]


def test_an_epoch_has_order_and_augmentation_of_its_own(tmp_path: Path) -> None:
    data = write_data(tmp_path, train=16)

    def sums(**changes: Any) -> list[float]:
        return [float(images.sum()) for images, _ in batches(data, batch_size=2, **changes)]

    assert sums(epoch=1) == sums(epoch=1, workers=2)
    every = [*sums(epoch=1), *sums(epoch=2), *sums(epoch=1, seed=1), *sums(epoch=2, seed=1)]
    assert len(set(every)) == 4 * 8


def test_the_boundary_target_comes_with_the_batch_where_the_loss_has_it(data: Path) -> None:
    _, labels, boundaries = next(iter(training_loader(settings(), data, 0, 1)))
    assert torch.equal(boundaries, boundary_target(labels))
    without = settings().loss.model_copy(update={"boundary_weight": 0.0})
    assert len(next(iter(training_loader(settings().model_copy(update={"loss": without}), data, 0, 1)))) == 2
    assert len(next(iter(training_loader(settings(loss="cross_entropy"), data, 0, 1)))) == 2


def test_training_takes_each_epoch_as_its_own(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, drawn = [], []

    def look(network: Any, loader: Any, *_: Any) -> dict[str, float]:
        seen.append(sum(float(images.sum()) for images, *_ in loader))
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


@pytest.mark.parametrize("accumulate", [1, 2])
def test_it_says_where_the_loss_was_no_number_first(tmp_path: Path, accumulate: int) -> None:
    data = write_data(tmp_path / "data", train=8)
    changes = {"batch_size": 4, "accumulate": accumulate, "augmentation": STILL}
    loader = training_loader(settings(**changes), data, 0, 1)
    loader.sampler.set_epoch(1)  # type: ignore[attr-defined]
    order = [index for _, index in loader.sampler]
    for place in (0, 5):
        data = write_data(tmp_path / str(place), train=8)
        whiten(data, order[place])
        with pytest.raises(InputError) as error:
            run_tiny(data, tmp_path / "run", **changes)
        step, of_batch = divmod(place, 4)
        images = ", ".join(
            f"train/{index}" for index in order[4 * step : 4 * step + 4][of_batch % accumulate :: accumulate]
        )
        assert f"in epoch 1, step {step + 1} of 2 (process 0 of 1: total, output, scales" in str(error.value)
        assert f", with the images {images})." in str(error.value)
        # Nothing was learned before the first step.
        assert ("train.base_lr" in str(error.value)) == (step > 0)
        assert "There is no checkpoint yet." in str(error.value)


def test_scores_that_are_no_numbers_in_validation_end_no_training(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of normalisation that has not settled, though the loss is a number."""

    class Settles(TinyNetwork):
        validations = 0

        def forward(self, images: torch.Tensor) -> Any:
            self.validations += not self.training
            return super().forward(images * torch.nan if self.validations == 1 and not self.training else images)

    network = Settles()
    changes = {"epochs": 2, "validate_every": 1}
    train(network, settings(**changes), data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    first, second = curve(tmp_path, "val/miou")
    assert first == 0 < second
    assert read(tmp_path / "best.safetensors")[1]["epoch"] == 2
    said = capsys.readouterr().err
    assert said.count("scores are no numbers in validation, so the mIoU counts as 0") == 1
    assert "training: epoch 1: scores" in said


def test_it_names_the_last_checkpoint(data: Path, tmp_path: Path) -> None:
    class Breaks(TinyNetwork):
        passes = 0

        def forward(self, images: torch.Tensor) -> Any:
            self.passes += self.training
            return super().forward(images * torch.nan if self.training and self.passes == 8 else images)

    changes = {"epochs": 5, "validate_every": 2}  # two steps an epoch
    with pytest.raises(InputError) as error:
        train(Breaks(), settings(**changes), data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    assert "in epoch 4, step 2 of 2 (" in str(error.value)
    assert f"The last checkpoint is {tmp_path / 'last.safetensors'}, of epoch 2." in str(error.value)
    assert read(tmp_path / "last.safetensors")[1]["epoch"] == 2


def test_classes_weigh_by_their_share_of_the_training_split(data: Path, tmp_path: Path) -> None:
    """The loss of the first step, which has every image."""
    still = {**STILL, "flip_probability": 0.0}
    recipe = settings(epochs=1, batch_size=4, crop="full", loss="cross_entropy", augmentation=still)
    recipe = recipe.model_copy(update={"loss": recipe.loss.model_copy(update={"class_weights": 1.1})})
    torch.manual_seed(0)
    network = TinyNetwork()
    images, labels = (
        torch.from_numpy(np.stack([np.asarray(Image.open(path)) for path in sorted(data.glob(f"{kind}/train/*"))]))
        for kind in ("images", "labels")
    )
    with torch.no_grad():
        out = network(normalise(images.permute(0, 3, 1, 2)))["out"]
    weights = 1 / np.log([1.1 + float((labels == each).double().mean()) for each in range(3)])
    expected = torch.nn.functional.cross_entropy(out, labels.long(), torch.tensor(weights).float(), ignore_index=255)
    train(network, recipe, data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    assert curve(tmp_path, "train/output") == pytest.approx([expected.item()], rel=1e-5)


VOID = {"train/0", "train/1", "train/2"}


@pytest.mark.parametrize("loss", ["joint_edge_ohem", "joint_edge", "cross_entropy"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_batches_and_parts_without_a_label(tmp_path: Path, loss: str, accumulate: int) -> None:
    data = write_data(tmp_path / "data", void=VOID)
    changes = {"batch_size": 2 * accumulate, "accumulate": accumulate, "loss": loss}
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", len(CLASSES), auxiliary_head=True)
    train(model, settings(**changes), data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    files = sorted((tmp_path / "curves/plots/metrics/train").glob("*.tsv"))
    assert {"total", "output", "auxiliary", "scales"} <= {file.stem for file in files}
    assert all(math.isfinite(value) for file in files for value in curve(tmp_path, f"train/{file.stem}"))
    assert (tmp_path / "best.safetensors").exists()
    state, _ = read(tmp_path / "last.safetensors")
    assert all(tensor.isfinite().all() for tensor in state.values())


def test_a_step_without_a_label_changes_nothing_but_by_momentum_and_decay(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", void={f"train/{index}" for index in range(4)})
    model = TinyNetwork()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    recipe = settings(weight_decay=0.0)
    train(model, recipe, data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    assert curve(tmp_path, "train/total") == [0.0, 0.0]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/cases")
@pytest.mark.parametrize("loss", ["joint_edge_ohem", "joint_edge", "cross_entropy"])
def test_camvid_with_void_frames(tmp_path: Path, loss: str) -> None:
    source = CamVidData(form="camvid", source=SHARED / "camvid_void", url="", sha256=None)
    classes = prepare("camvid", source, tmp_path / "data").classes
    model = mfaranet.get_model("mfaranet", len(classes))
    recipe = settings(size=(96, 128), crop=(96, 128), loss=loss)
    train(model, recipe, tmp_path / "data", output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    assert all(math.isfinite(value) for value in curve(tmp_path, "train/total"))
    assert (tmp_path / "best.safetensors").exists()


def test_a_validation_split_without_a_label_is_refused_before_training(tmp_path: Path) -> None:
    data = write_data(tmp_path / "data", void={"val/0", "val/1"})
    with pytest.raises(InputError, match="no pixel of the split val of tiny has a label"):
        run_tiny(data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/cases")
def test_camvid_without_a_label_in_val(tmp_path: Path) -> None:
    source = CamVidData(form="camvid", source=SHARED / "camvid_valvoid", url="", sha256=None)

    def prepare_and_train() -> None:
        prepare("camvid", source, tmp_path / "data")
        run_tiny(tmp_path / "data", tmp_path / "run", size=(96, 128))

    with pytest.raises(InputError, match="val"):
        prepare_and_train()
    assert not (tmp_path / "run").exists()


def test_a_batch_that_is_larger_than_the_set_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="5 is more than the 4 images"):
        run(data, tmp_path, batch_size=5)


@pytest.mark.parametrize("outputs", [torch.zeros(1), (torch.zeros(1),), {"logits": torch.zeros(1)}])
def test_a_network_without_outputs_to_train_by_is_named_as_what_it_is(data: Path, tmp_path: Path, outputs: Any) -> None:
    class Other(torch.nn.Conv2d):
        def forward(self, images: torch.Tensor) -> Any:
            return outputs

    with pytest.raises(InputError) as error:
        train(Other(3, 3, 1), settings(), data, output=tmp_path, curves=tmp_path / "curves", facts=FACTS)
    kind = type(outputs).__name__.lower()
    assert f"Other gives a {kind} in training mode, not a dictionary with `out`" in str(error.value)
    assert "prune" not in str(error.value)


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
