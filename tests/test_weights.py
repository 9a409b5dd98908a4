"""Weight files: ImageNet backbones in, our checkpoints out and in again."""

from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import Tensor

import mfaranet
from mfaranet import checkpoints, weights
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.params import WeightsFile

LINK = "https://example.invalid/file"


def classifier_state() -> dict[str, Tensor]:
    """A deep-stem ResNet-18 classifier as the ImageNet files name it."""
    torch.manual_seed(1)
    state = mfaranet.get_model("mfaranet").get_submodule("backbone").state_dict()
    renamed = OrderedDict()
    for key, tensor in state.items():
        key = key.replace("stem.7.", "bn1.").replace("stem.", "conv1.")
        renamed[key] = torch.rand_like(tensor) if tensor.is_floating_point() else tensor
    renamed["fc.weight"], renamed["fc.bias"] = torch.rand(1000, 512), torch.rand(1000)
    return renamed


@pytest.fixture
def imagenet_file(tmp_path: Path) -> Path:
    path = tmp_path / "resnet18.pth"
    torch.save(classifier_state(), path)
    return path


def test_an_imagenet_backbone_reaches_the_network(imagenet_file: Path, tmp_path: Path) -> None:
    source = WeightsFile(url=LINK, sha256=sha256(imagenet_file), path=imagenet_file)
    facts = weights.fetch_backbone("resnet18", source, tmp_path / "out")
    assert facts == {"origin": str(imagenet_file), "sha256": sha256(imagenet_file)}
    model = mfaranet.get_model("mfaranet")
    checkpoints.load_backbone(model, tmp_path / "out" / "resnet18.safetensors")
    expected = classifier_state()
    found = model.get_submodule("backbone").state_dict()
    torch.testing.assert_close(found["stem.6.weight"], expected["conv1.6.weight"])
    torch.testing.assert_close(found["stem.7.running_var"], expected["bn1.running_var"])
    torch.testing.assert_close(found["layer4.1.conv2.weight"], expected["layer4.1.conv2.weight"])


def test_a_wrong_checksum_is_refused(imagenet_file: Path, tmp_path: Path) -> None:
    source = WeightsFile(url=LINK, sha256="0" * 64, path=imagenet_file)
    with pytest.raises(InputError, match=r"sha256 is \w{64}, but params.yaml has 0{64} \(weights.resnet18.sha256\)"):
        weights.fetch_backbone("resnet18", source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(weights.gdown, "download", fail)
    with pytest.raises(InputError, match=r"no route to host.*set weights.resnet18.path in params.yaml"):
        weights.fetch_backbone("resnet18", WeightsFile(url=LINK, sha256=None, path=None), tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"layer9.weight": torch.zeros(1)}, "'layer9.weight' is no parameter of a deep-stem ResNet"),
        ({"score_heads.0.weight": torch.zeros(1)}, "is it the right file"),
        ({"weights": Path("a pickle that holds more than tensors")}, "no file of plain tensors"),
        ({}, "holds no state dict"),
    ],
)
def test_a_file_that_is_something_else_is_refused(content: object, message: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(InputError, match=message):
        checkpoints.convert_imagenet_backbone(tmp_path / "file.pth")


FACTS = {"network": "mfaranet", "options": {"boundary_heads": False}, "classes": ["road", "sky"]}


def test_a_checkpoint_brings_back_the_network(tmp_path: Path) -> None:
    model = mfaranet.get_model("mfaranet", 2, boundary_heads=False).eval()
    path = tmp_path / "last.safetensors"
    checkpoints.save(model, path, FACTS)
    again, facts = checkpoints.load_trained(path)
    assert facts == FACTS
    image = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(again(image), model(image))
    first = path.read_bytes()
    checkpoints.save(model, path, FACTS)
    assert path.read_bytes() == first


def test_a_damaged_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.safetensors"
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load_trained(path)
    model = mfaranet.get_model("mfaranet", 2, boundary_heads=False)
    checkpoints.save(model, path, {**FACTS, "classes": ["road"]})
    with pytest.raises(InputError, match="does not fit the network"):
        checkpoints.load_trained(path)
    checkpoints.save(model, path, {})
    with pytest.raises(InputError, match="does not say which network"):
        checkpoints.load_trained(path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="cannot be read"):
        checkpoints.load_trained(path)
