"""`mfaranet.load`: a trained network by its file or name, and what it makes of pictures of three kinds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from toy import COLOURS, save_checkpoint, scene

import mfaranet
from mfaranet.data.transforms import normalise
from mfaranet.errors import InputError
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict
from mfaranet.params import load as load_params
from mfaranet.predict.predictor import Predictor
from mfaranet.runs import checkpoint_of, list_runs, run_folder
from mfaranet.sizes import InputSize
from mfaranet.weights.checkpoints import load_trained, save
from workflow.common import Paths

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("runs") / "last.safetensors")


@pytest.fixture(scope="module")
def predictor(checkpoint: Path) -> Predictor:
    return mfaranet.load(checkpoint, device="cpu")


def describe(checkpoint: Path, experiment: str = "base", **changes: Any) -> None:
    """A run.json as the stage train leaves it, as far as it is read."""
    train = load_params(REPOSITORY / "params.yaml").settings("cityscapes", experiment).train.model_dump(mode="json")
    run = {"plan": {"settings": {"train": {**train, **changes}}}}
    (checkpoint.parent / "run.json").write_text(json.dumps(run))


def test_pictures_of_all_kinds_have_one_label_map(predictor: Predictor) -> None:
    pixels = scene()
    turned = Image.fromarray(np.rot90(pixels))
    turned.getexif()[0x0112] = 6
    kinds = [Image.fromarray(pixels), pixels, torch.from_numpy(pixels).permute(2, 0, 1), turned]
    maps = [predictor.predict(kind) for kind in kinds]
    assert (maps[0].shape, maps[0].dtype, maps[0].device.type) == ((64, 96), torch.uint8, "cpu")
    assert len(maps[0].unique()) > 1
    assert all(torch.equal(each, maps[0]) for each in maps[1:])
    clear = Image.fromarray(np.dstack([pixels, np.zeros((64, 96), np.uint8)]))
    assert torch.equal(predictor.predict(clear), predictor.predict(np.full_like(pixels, 255)))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), r"an array \(H, W, 3\), uint8, is wanted, not \(4, 4\)"),
        (np.zeros((4, 4, 3)), r"uint8, is wanted, not \(4, 4, 3\), float64"),
        (torch.zeros(3, 4, 4), r"a tensor \(3, H, W\), uint8, is wanted, not \(3, 4, 4\), torch.float32"),
        (torch.zeros(4, 4, 3, dtype=torch.uint8), r"a tensor \(3, H, W\)"),
        (Image.new("F", (4, 4)), "mode F is no picture of 8 bits"),
        ("photo.png", "an array or a tensor is wanted, not str"),
    ],
)
def test_what_is_no_picture_is_refused(predictor: Predictor, image: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        predictor.predict(image)


def test_what_it_has(predictor: Predictor) -> None:
    assert predictor.classes == list("abcd")
    assert [list(colour) for colour in predictor.colours] == COLOURS
    assert not predictor.network.training
    pixels = torch.from_numpy(scene()).permute(2, 0, 1)
    assert torch.equal(predictor.transform(pixels), normalise(pixels))
    with torch.inference_mode():
        logits = predictor.network(predictor.transform(pixels)[None])
    assert (logits.argmax(1)[0] == predictor.predict(pixels)).float().mean() > 0.999
    found = predictor.probabilities([pixels])[0]
    assert torch.allclose(found, logits.softmax(1)[0], atol=1e-5)


def test_it_sees_what_training_saw(checkpoint: Path, tmp_path: Path) -> None:
    """By the size that is stored of images that differed, or by the factors of those that did not."""
    pixels = scene()
    resized = mfaranet.load(
        save_checkpoint(tmp_path / "resized/a.safetensors", input_size={"size": 48, "factors": [1.0, 0.5]})
    )
    halved = save_checkpoint(tmp_path / "halved/best.safetensors")
    describe(halved, input_factors=[0.5, 0.5])
    pruned = save_checkpoint(tmp_path / "pruned/best.safetensors")
    (pruned.parent / "run.json").write_text(
        json.dumps({"training": json.loads((halved.parent / "run.json").read_text())})
    )
    assert resized.transform(pixels).shape == (3, 32, 24)
    for path in (halved, pruned):
        assert mfaranet.load(path).transform(pixels).shape == (3, 32, 48)
        assert mfaranet.load(path).predict(pixels).shape == (64, 96)
    for broken in ("[]", "{", '{"plan": {"settings": {"train": {}}}}'):
        (halved.parent / "run.json").write_text(broken)
        assert mfaranet.load(halved).transform(pixels).shape == (3, 64, 96)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_are_those_of_evaluation(checkpoint: Path, protocol: str) -> None:
    window = (32, 48) if PROTOCOLS[protocol].scales else None
    predictor = mfaranet.load(checkpoint, protocol=protocol, window=window)
    image = torch.from_numpy(scene()).permute(2, 0, 1)
    sizes = InputSizes(InputSize((64, 96)), window or (64, 96), 96)
    with torch.inference_mode():
        expected = predict(predictor._form, image, PROTOCOLS[protocol], sizes)
    assert torch.equal(predictor.predict(image), expected)
    probabilities = predictor.probabilities([image, image])
    assert torch.allclose(probabilities.sum(1), torch.ones(2, 64, 96), atol=1e-5)
    assert torch.equal(probabilities[1].argmax(0).byte(), expected)


def test_windows_have_the_size_of_the_trainings_crops(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "best.safetensors")
    with pytest.raises(InputError, match=r"takes windows, and .*best.safetensors does not say of which size"):
        mfaranet.load(path, protocol="single_scale")
    with pytest.raises(InputError, match="full_image has no windows"):
        mfaranet.load(path, window=(32, 32))
    describe(path)
    assert mfaranet.load(path, protocol="single_scale").window == (1024, 1024)
    assert mfaranet.load(path, protocol="single_scale", window=(32, 64)).window == (32, 64)


def test_images_of_one_size_go_through_together(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    images = [scene(seed=seed) for seed in range(3)]
    alone = [predictor.predict(image) for image in images]
    passes: list[int] = []
    handle = predictor._form.register_forward_hook(lambda _, inputs, output: passes.append(len(output)))
    assert torch.equal(predictor.label_maps(images), torch.stack(alone))
    handle.remove()
    assert passes == [3]
    with pytest.raises(InputError, match="images of one size go through together"):
        predictor.label_maps([images[0], scene(32, 32)])


def test_scores_beyond_float32_are_probabilities_still(predictor: Predictor) -> None:
    class Extreme(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.tensor([200.0, 0.0, -200.0, -200.0]).view(1, 4, 1, 1).expand(1, 4, 2, 2)

    extreme = Predictor(predictor.network, "abcd", [])
    extreme.__dict__["_form"] = Extreme()
    assert extreme.probabilities([np.zeros((2, 2, 3), np.uint8)])[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0, 0])


@pytest.mark.parametrize("protocol", ["full_image", "single_scale"])
def test_scores_that_are_no_numbers_are_those_of_a_file(checkpoint: Path, tmp_path: Path, protocol: str) -> None:
    model, facts = load_trained(checkpoint)
    for parameter in model.parameters():
        parameter.data.fill_(3e38)
    save(model, tmp_path / "large.safetensors", facts)
    window = None if protocol == "full_image" else (32, 32)
    large = mfaranet.load(tmp_path / "large.safetensors", protocol=protocol, window=window)
    for ask in (large.predict, lambda image: large.probabilities([image])):
        with pytest.raises(InputError, match=rf"^{tmp_path}/large\.safetensors: its scores are no numbers, as weights"):
            ask(scene(32, 64))


# Names of trainings


def test_a_training_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"sample/base does not exist, .* is no training: `dvc repro` makes some"):
        mfaranet.load("sample/base")
    last = save_checkpoint(run_folder("sample", "base") / "last.safetensors")
    assert checkpoint_of("sample/base") == last
    best = save_checkpoint(last.with_name("best.safetensors"))
    for source in ("sample/base", "runs/sample/train/base", best, Path("sample/base")):
        assert checkpoint_of(source) == best
    save_checkpoint(run_folder("camvid", "enet") / "last.safetensors")
    assert list_runs() == ["camvid/enet", "sample/base"]
    with pytest.raises(InputError, match=r"sample/bse does not exist.* are: camvid/enet, sample/base$"):
        mfaranet.load("sample/bse")
    with pytest.raises(InputError, match=r"camvid/train/enet holds last.safetensors"):
        mfaranet.load("runs/camvid/train/enet/best.safetensors")
    assert mfaranet.load("sample/base").predict(scene()).shape == (64, 96)
    assert run_folder("sample", "base") == Paths("sample", "base").checkpoints


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"device": "cuda"}, "torch finds no cuda device here; auto"),
        ({"device": "tpu"}, "there is no device 'tpu'"),
        ({"protocol": "whole"}, "no protocol 'whole'; there are: full_image"),
    ],
)
def test_what_there_is_not(checkpoint: Path, monkeypatch: pytest.MonkeyPatch, options: Any, message: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=message):
        mfaranet.load(checkpoint, **options)


def test_type_checkers_see_types() -> None:
    import tomllib

    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert "py.typed" in settings["tool"]["setuptools"]["package-data"]["mfaranet"]
    assert (REPOSITORY / "mfaranet/py.typed").exists()


def test_facts_of_the_wrong_kind_are_named(tmp_path: Path) -> None:
    checkpoint = save_checkpoint(tmp_path / "last.safetensors", colours=[[0, 0, 300]] * 4)
    with pytest.raises(InputError, match=r"last\.safetensors does not say what it holds .*\(colours.*convert it again"):
        mfaranet.load(checkpoint)
