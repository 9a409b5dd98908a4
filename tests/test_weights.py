"""Weight files: ImageNet backbones in, our checkpoints out and in again."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import mfaranet
from mfaranet import downloads as fetching
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.models.backbones import BACKBONES
from mfaranet.models.backbones.resnet import NO_DROPOUT
from mfaranet.schema import WeightsFile
from mfaranet.weights import checkpoints
from mfaranet.weights import downloads as weights
from mfaranet.weights.imagenet import convert_imagenet

LINK = "https://example.invalid/file"


# The names of the ImageNet classifiers, written down here a second time: (our name, theirs).
CLASSIFIERS = {
    "resnet18": [("stem.7.", "bn1."), ("stem.", "conv1.")],
    "resnet50": [("stem.7.", "bn1."), ("stem.", "conv1.")],
    "dfnet1": [
        ("stem.", "stage1."),
        ("layer1.1.", "stage1.3."),
        ("layer2.0.", "stage2."),
        ("layer3.0.", "stage3."),
        ("layer4.0.", "stage4."),
        ("layer4.1.", "stage5."),
    ],
    "dfnet2": [
        ("stem.", "stage1."),
        ("layer1.1.", "stage1.3."),
        *((f"layer{k}.{j}.", f"stage{k}_{j + 1}.") for k in (2, 3, 4) for j in (0, 1)),
    ],
    "stdc1": [
        ("stem.0.", "features.0."),
        ("layer1.0.", "features.1."),
        *((f"layer{2 + i // 2}.{i % 2}.", f"features.{2 + i}.") for i in range(6)),
    ],
    "stdc2": [
        ("stem.0.", "features.0."),
        ("layer1.0.", "features.1."),
        *((f"layer2.{i}.", f"features.{2 + i}.") for i in range(4)),
        *((f"layer3.{i}.", f"features.{6 + i}.") for i in range(5)),
        *((f"layer4.{i}.", f"features.{11 + i}.") for i in range(3)),
    ],
}
HEADS = {"resnet": ["fc"], "dfnet": ["stage1.4", "fc"], "stdc": ["conv_last.conv", "fc", "bn", "linear"]}


def encoder(name: str) -> nn.Module:
    torch.manual_seed(1)
    return BACKBONES[name](NO_DROPOUT, True)


def network(name: str) -> nn.Module:
    """A MFARANet's shapes."""
    with torch.device("meta"):
        return mfaranet.get_model("mfaranet", backbone=name)


def fetch(name: str, source: WeightsFile, output: Path) -> dict[str, Any]:
    return weights.fetch_encoder(network(name), source, f"weights.{name}", output / f"{name}.safetensors")


def classifier_state(name: str = "resnet18") -> dict[str, Tensor]:
    """An encoder's random weights as its ImageNet file names them, and the classifier's last part."""
    renamed = {}
    for key, tensor in encoder(name).state_dict().items():
        ours, theirs = next((pair for pair in CLASSIFIERS[name] if key.startswith(pair[0])), ("", ""))
        key = theirs + key.removeprefix(ours)
        if name.startswith("stdc"):
            key = key.replace("convs.", "conv_list.").replace("down.", "avd_layer.")
            key = re.sub(r"(conv_list\.\d|features\.[01])\.0\.", r"\1.conv.", key)
            key = re.sub(r"(conv_list\.\d|features\.[01])\.1\.", r"\1.bn.", key)
        renamed[key] = torch.rand_like(tensor) if tensor.is_floating_point() else tensor
    renamed |= {f"{head}.weight": torch.rand(8) for head in HEADS[name.rstrip("0123456789")]}
    return renamed


@pytest.fixture
def imagenet_file(tmp_path: Path) -> Path:
    path = tmp_path / "resnet18.pth"
    torch.save(classifier_state(), path)
    return path


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_an_imagenet_backbone_reaches_the_network(name: str, tmp_path: Path) -> None:
    file = tmp_path / f"{name}.pth"
    state = classifier_state(name)
    torch.save({"state_dict": {f"module.{key}": tensor for key, tensor in state.items()}, "epoch": 1}, file)
    source = WeightsFile(url=LINK, sha256=sha256(file), path=file)
    heads = tuple(f"{head}." for head in HEADS[name.rstrip("0123456789")])
    facts = fetch(name, source, tmp_path / "out")
    left_out = [key for key in state if key.startswith(heads)]
    assert facts == {"origin": str(file), "sha256": sha256(file), "left_out": left_out}
    model = mfaranet.get_model("mfaranet", backbone=name)
    checkpoints.load_backbone(model, tmp_path / "out" / f"{name}.safetensors")
    found = model.get_submodule("backbone").state_dict()
    assert len(found) == len(state) - len(heads)
    expected = [tensor for key, tensor in state.items() if not key.startswith(heads)]
    assert all(torch.equal(a, b) for a, b in zip(found.values(), expected, strict=True))


@pytest.mark.parametrize("wrapper", ["model_state_dict", "net"])
def test_an_imagenet_file_may_be_wrapped_and_compiled(wrapper: str, tmp_path: Path) -> None:
    state = classifier_state()
    wrapped = {f"module._orig_mod.{key}": tensor for key, tensor in state.items()}
    torch.save({wrapper: wrapped, "best_acc1": np.float64(69.8)}, tmp_path / "file.pth")
    torch.save(state, tmp_path / "plain.pth")
    found, plain = (convert_imagenet(tmp_path / f"{name}.pth", network("resnet18"))[0] for name in ("file", "plain"))
    assert found.keys() == plain.keys()
    assert all(torch.equal(found[name], plain[name]) for name in plain)


def test_a_path_of_home_or_a_variable(imagenet_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZOO", str(tmp_path))
    for written in ("~/resnet18.pth", "${ZOO}/resnet18.pth"):
        source = WeightsFile(url=None, sha256=None, path=Path(written))
        facts = fetch("resnet18", source, tmp_path / "out")
        assert (facts["origin"], facts["sha256"]) == (written, sha256(imagenet_file)), "the same on every machine"
    monkeypatch.delenv("ZOO")
    with pytest.raises(InputError, match=r"weights\.resnet18\.path: .*the environment variable ZOO is not set"):
        fetch("resnet18", source, tmp_path / "out")


def test_a_wrong_checksum_is_refused(imagenet_file: Path, tmp_path: Path) -> None:
    source = WeightsFile(url=LINK, sha256="0" * 64, path=imagenet_file)
    with pytest.raises(InputError, match=r"sha256 is \w{64}, but params.yaml has 0{64} \(weights.resnet18.sha256\)"):
        fetch("resnet18", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where downloads are kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mfaranet"


def test_no_network_says_what_to_do(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(fetching, "_download", fail)
    with pytest.raises(InputError, match=r"no route to host.*set weights.resnet18.path in params.yaml"):
        fetch("resnet18", WeightsFile(url=LINK, sha256=None, path=None), tmp_path)
    with pytest.raises(InputError, match=r"no link to this file is known.*set weights.stdc1.path"):
        fetch("stdc1", WeightsFile(url=None, sha256=None, path=None), tmp_path)
    with pytest.raises(InputError, match=r"none\.pth does not exist; set weights.stdc1.path"):
        fetch("stdc1", WeightsFile(url=None, sha256=None, path=tmp_path / "none.pth"), tmp_path)


def test_only_a_weight_file_is_kept_of_downloads(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [b"<html>quota exceeded</html>", b""]

    def download(_url: str, path: str, _largest: int) -> None:
        if answers:
            Path(path).write_bytes(answers.pop())
        else:
            torch.save(classifier_state(), path)

    monkeypatch.setattr(fetching, "_download", download)
    source = WeightsFile(url=LINK, sha256=None, path=None)
    for _ in range(2):
        with pytest.raises(InputError, match=f"{LINK} cannot be downloaded .*no file of plain tensors"):
            fetch("resnet18", source, tmp_path)
        assert not list(cache.iterdir())
    first = fetch("resnet18", source, tmp_path / "first")
    monkeypatch.setattr(fetching, "_download", None)
    assert fetch("resnet18", source, tmp_path / "second") == first


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layer9.weight": torch.zeros(1)}, "has no place in this encoder: layer9.weight"),
        ({"score_heads.0.weight": torch.zeros(1)}, "has no place in this encoder"),
        ({"weights": Path("a pickle that holds more than tensors")}, "no file of plain tensors.*so it is refused"),
        ({}, "holds no state dict"),
        ([torch.zeros(1)], "holds no state dict of tensors but a list"),
    ],
)
def test_a_file_that_is_something_else_is_refused(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(InputError, match=message):
        convert_imagenet(tmp_path / "file.pth", network("resnet18"))


def test_a_backbone_file_with_a_part_missing_is_refused(tmp_path: Path) -> None:
    state = classifier_state()
    del state["layer3.1.bn2.weight"]
    torch.save(state, tmp_path / "file.pth")
    with pytest.raises(InputError, match=r"is missing: layer3.1.bn2.weight"):
        convert_imagenet(tmp_path / "file.pth", network("resnet18"))
    with pytest.raises(InputError, match=r"has no place in this encoder: .* and \d+ more"):
        convert_imagenet(tmp_path / "file.pth", network("stdc1"))


FACTS = {"network": "mfaranet", "options": {"boundary_heads": False}, "classes": ["road", "sky"]}


def test_a_checkpoint_brings_back_the_network(tmp_path: Path) -> None:
    model = mfaranet.get_model("mfaranet", 2, boundary_heads=False).eval()
    path = tmp_path / "last.safetensors"
    checkpoints.save(model, path, FACTS)
    again, facts = checkpoints.load_trained(path)
    assert facts == {"format": 1, **FACTS}
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(image), model(image))
    first = path.read_bytes()
    checkpoints.save(model, path, FACTS)
    assert path.read_bytes() == first


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    """In a checkpoint, an encoder of ours, and a file of an ImageNet classifier."""
    model = mfaranet.get_model("mfaranet", 2, boundary_heads=False)
    weight = model.get_parameter("backbone.layer3.1.bn2.weight")
    with torch.no_grad():
        weight[7] = value
    checkpoints.save(model, tmp_path / "last.safetensors", FACTS)
    with pytest.raises(InputError, match=r"last.safetensors: backbone.layer3.1.bn2.weight: values that are no numbers"):
        checkpoints.load_trained(tmp_path / "last.safetensors")
    checkpoints.save(model.get_submodule("backbone"), tmp_path / "resnet18.safetensors", {})
    with pytest.raises(InputError, match=r"resnet18.safetensors: layer3.1.bn2.weight: values that are no numbers"):
        checkpoints.load_backbone(model, tmp_path / "resnet18.safetensors")
    torch.save({**classifier_state(), "layer3.1.bn2.weight": weight.detach()}, tmp_path / "file.pth")
    with pytest.raises(InputError, match=r"file.pth: has values that are no numbers: layer3.1.bn2.weight"):
        convert_imagenet(tmp_path / "file.pth", network("resnet18"))


def test_a_missing_checkpoint_is_told_with_what_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "base"
    with pytest.raises(InputError, match=r"base/best.safetensors does not exist; .*/base holds no .safetensors; check"):
        checkpoints.load_trained(folder / "best.safetensors")
    folder.mkdir()
    (folder / "last.safetensors").touch()
    with pytest.raises(InputError) as refused:
        checkpoints.load_trained(folder / "best.safetensors")
    said = str(refused.value)
    assert f"best.safetensors does not exist; {folder} holds last.safetensors. A training writes" in said
    assert "best.safetensors when a validation gives more" in said
    assert "set evaluate.checkpoint in params.yaml to one that is there" in said
    assert "again" not in said
    with pytest.raises(
        InputError, match=r"resnet18.safetensors does not exist; .* holds last.safetensors; check the path"
    ):
        checkpoints.load_backbone(encoder("resnet18"), folder / "resnet18.safetensors")


@pytest.mark.parametrize("name", ["model.pt", "model.pth"])
def test_a_file_of_torch_is_called_so(name: str, tmp_path: Path) -> None:
    torch.save({"net": {}}, tmp_path / name)
    with pytest.raises(InputError, match=r"is a file of torch.save, .*`mfaranet convert`") as refused:
        checkpoints.load_trained(tmp_path / name)
    assert "run the stage" not in str(refused.value)


def test_a_corrupt_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    path.mkdir()
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load_trained(path)
    path.rmdir()
    model = mfaranet.get_model("mfaranet", 2, boundary_heads=False)
    checkpoints.save(model, path, {**FACTS, "classes": ["road"]})
    with pytest.raises(InputError, match="does not fit the network"):
        checkpoints.load_trained(path)
    checkpoints.save(model, path, {})
    with pytest.raises(InputError, match="does not say which network"):
        checkpoints.load_trained(path)
    for change in ({"network": "unet"}, {"options": {"depth": 3}}, {"options": [3]}, {"classes": 3}):
        checkpoints.save(model, path, {**FACTS, **change})
        with pytest.raises(InputError, match="names a network that cannot be built here"):
            checkpoints.load_trained(path)
    save_file({"weight": torch.zeros(1)}, path, {"facts": "[]"})
    with pytest.raises(InputError, match="does not say which network"):
        checkpoints.load_trained(path)
    save_file({"weight": torch.zeros(1)}, path, {"facts": "{"})
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load_trained(path)
    checkpoints.save(model, path, FACTS)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load_trained(path)
