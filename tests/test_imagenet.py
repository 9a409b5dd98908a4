"""ImageNet weights of the compared networks: which start from which file, and that their encoders compute the same."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from project import copy
from test_comparator_keys import released
from torch import Tensor, nn

import mfaranet
from mfaranet import downloads as fetching
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.models.backbones import BACKBONES
from mfaranet.models.backbones.resnet import NO_DROPOUT
from mfaranet.models.comparators import SLUGS
from mfaranet.params import load
from mfaranet.schema import WeightsFile
from mfaranet.weights import downloads
from mfaranet.weights.checkpoints import load_backbone
from mfaranet.weights.imagenet import convert_imagenet, imagenet_names
from mfaranet.weights.official import our_names
from workflow.common import Paths, read_json
from workflow.planned import Planned
from workflow.train import initial_weights, start_from

PARAMS = load(Path(__file__).parents[1] / "params.yaml")
STARTS = {network: entry for entry, file in PARAMS.weights.items() for network in file.networks}
ENUMS = {
    "torchvision_resnet18": torchvision.models.ResNet18_Weights.IMAGENET1K_V1,
    "torchvision_resnet101": torchvision.models.ResNet101_Weights.IMAGENET1K_V1,
}
# Of the linked implementations' names of other encoders: what stands before those of their ImageNet classifier.
LINKED = {"icnet": "pretrained.", "stdc2_seg75": "cp.backbone.", "sfnet_df1": "backbone.", "hrnet_v2": "", "pspnet": ""}
# What their classifiers have more, and MFARANet's networks too where a file is theirs.
HEADS = {
    "icnet": ["fc.weight", "fc.bias"],
    "stdc2_seg75": ["conv_last.conv.weight", "fc.weight", "bn.weight", "linear.weight"],
    "sfnet_df1": ["fc.weight"],
    "hrnet_v2": [
        "incre_modules.0.0.conv1.weight",
        "downsamp_modules.0.0.weight",
        "final_layer.0.weight",
        "classifier.bias",
    ],
    "pspnet": ["fc.weight", "fc.bias"],
}


def shapes(name: str, **options: Any) -> nn.Module:
    """A network without its values."""
    with torch.device("meta"):
        return mfaranet.get_model(name, **options)


def randomised(model: nn.Module) -> nn.Module:
    """With other weights, statistics and parameters of normalisation, in evaluation mode."""
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if tensor.dim() > 1:
            nn.init.normal_(tensor, std=tensor[0].numel() ** -0.5)
        elif name.endswith(("weight", "running_var")):
            nn.init.uniform_(tensor, 0.5, 1.5)
        elif tensor.is_floating_point():
            nn.init.normal_(tensor, std=0.1)
    return model.eval()


def filled(name: str, file: Path) -> nn.Module:
    """The encoder of a network from a file of the stage weights."""
    model = shapes(name)
    encoder = model.get_submodule("backbone").to_empty(device="cpu").eval()
    load_backbone(model, file)
    return encoder


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)


def stages(resnet: nn.Module, images: Tensor) -> list[Tensor]:
    """All features of torchvision's ResNet."""
    x = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(images))))  # type: ignore[operator]
    features = []
    for layer in (resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4):
        x = layer(x)  # type: ignore[operator]
        features.append(x)
    return features


def test_the_links_are_torchvisions() -> None:
    assert {entry: enum.url for entry, enum in ENUMS.items()} == {
        entry: file.url for entry, file in PARAMS.weights.items() if "torchvision" in entry
    }


@pytest.mark.parametrize("entry", ENUMS)
def test_features_are_torchvisions(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every network that starts from a file of theirs, after the way of the weights through all of our code."""
    theirs = randomised(torchvision.models.get_model(entry.removeprefix("torchvision_"), weights=None))
    # Parameters, in the form from before zip files: so are theirs.
    torch.save(theirs.state_dict(keep_vars=True), tmp_path / "file.pth", _use_new_zipfile_serialization=False)
    source = WeightsFile(url=None, sha256=None, path=tmp_path / "file.pth")
    # ShelfNet's activations leak. That is the one difference, and its code starts from these weights all the same.
    monkeypatch.setattr(F, "leaky_relu", lambda x, *_, **__: F.relu(x))
    images = torch.randn(2, 3, 64, 96, dtype=torch.float64)
    networks = PARAMS.weights[entry].networks
    assert networks
    with torch.inference_mode():
        expected = stages(theirs.double(), images)
        for network in networks:
            facts = downloads.fetch_encoder(shapes(network), source, entry, tmp_path / network)
            assert facts["left_out"] == ["fc.weight", "fc.bias"]
            assert_same(filled(network, tmp_path / network).double()(images), expected)


@pytest.mark.parametrize(("network", "options", "equal"), [("icnet", {}, 4), ("pspnet", {"depth": 50}, 2)])
def test_dilation_in_place_of_strides(network: str, options: dict[str, Any], equal: int) -> None:
    """ICNet has the features of the ResNet with the deep stem, at more positions; PSPNet has those before it dilates,
    as its first dilated blocks have the dilation of those after them."""
    classifier = randomised(BACKBONES["resnet50"](NO_DROPOUT, False)).double()
    encoder = mfaranet.get_model(network, **options).get_submodule("backbone").double().eval()
    encoder.load_state_dict(classifier.state_dict())
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = classifier(images), encoder(images)
    steps = [x.shape[-1] // y.shape[-1] for x, y in zip(found, expected, strict=True)]
    assert steps == [1, 1, 2, 4]
    thinned = [x[..., ::step, ::step] for x, step in zip(found, steps, strict=True)]
    assert_same(thinned[:equal], expected[:equal])
    assert all(not torch.allclose(x, y) for x, y in zip(thinned[equal:], expected[equal:], strict=True))


@pytest.mark.parametrize("network", LINKED)
def test_the_files_of_authors(network: str, tmp_path: Path) -> None:
    """Each entry goes where the linked implementation has it, of whose names tests/goldens has a list."""
    model, prefix = shapes(network), LINKED[network]
    ours = {key: name for key, name in our_names(model).items() if name.startswith("backbone.")}
    state = released(network)
    theirs = {key: key.removeprefix(prefix) for key in ours}
    if network == "pspnet":  # whose classifier does not number the layers of its stem in a row
        for i in range(3):
            theirs |= {key: name.replace(f"layer0.{3 * i}.", f"conv{i + 1}.") for key, name in theirs.items()}
            theirs |= {key: name.replace(f"layer0.{3 * i + 1}.", f"bn{i + 1}.") for key, name in theirs.items()}
    content = {name: state[key] for key, name in theirs.items()}
    torch.save({**content, **dict.fromkeys(HEADS[network], torch.zeros(3))}, tmp_path / "file.pth")
    found, left_out = convert_imagenet(tmp_path / "file.pth", model)
    assert left_out == HEADS[network]
    assert {f"backbone.{name}" for name in found} == set(ours.values())
    for key, name in ours.items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(found[name.removeprefix("backbone.")], state[key]), key
    del content[next(iter(content))]
    torch.save(content, tmp_path / "file.pth")
    with pytest.raises(InputError, match="is missing: "):
        convert_imagenet(tmp_path / "file.pth", model)


def test_every_network_has_a_file_or_none_fits() -> None:
    """Also of DeepLab-V2, whose shapes are those of torchvision's file."""
    unmapped = set()
    for name in SLUGS:
        model = shapes(name)
        if name in STARTS:
            assert imagenet_names(model)
        else:
            unmapped.add(name)
            with pytest.raises(InputError, match=f"known to fit the encoder of {type(model).__name__}: docs/fidelity"):
                imagenet_names(model)
    assert {"deeplab_v2", "cifrenet", "sgcpnet2", "dfanet_b"} <= unmapped


def test_a_pytorch_file_is_what_its_name_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    torch.save(randomised(torchvision.models.resnet18(weights=None)).state_dict(), tmp_path / "whole")
    named = tmp_path / f"resnet18-{sha256(tmp_path / 'whole')[:8]}.pth"
    link = WeightsFile(url=f"https://example.invalid/{named.name}", sha256=None, path=None)
    model = shapes("bisenet_v1")

    def download(url: str, path: str, _largest: int = 0) -> None:
        Path(path).write_bytes((tmp_path / "whole").read_bytes()[: None if whole else -1])

    monkeypatch.setattr(fetching, "_download", download)
    whole = False
    message = rf"{link.url} cannot be downloaded .*sha256 begins with .*set weights\.x\.path in params.yaml"
    with pytest.raises(InputError, match=message):
        downloads.fetch_encoder(model, link, "weights.x", tmp_path / "out")
    whole = True
    assert downloads.fetch_encoder(model, link, "weights.x", tmp_path / "out")["origin"] == link.url
    assert (tmp_path / "out").exists()
    download("", str(named))
    local = WeightsFile(url=None, sha256=None, path=named)
    assert downloads.fetch_encoder(model, local, "weights.x", tmp_path / "out")["origin"] == str(named)
    whole = False
    download("", str(named))
    with pytest.raises(InputError, match=f"{named.name}: its sha256 begins with .*not as the name says"):
        downloads.fetch_encoder(model, local, "weights.x", tmp_path / "out")


def test_the_stage_gives_each_training_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two networks one file, two experiments one backbone, one that has none, and two whose files cannot be had."""
    project = copy(tmp_path / "project")
    torch.save(randomised(torchvision.models.resnet18(weights=None)).state_dict(), tmp_path / "resnet18.pth")
    project.change("weights", "torchvision_resnet18", "path", value=str(tmp_path / "resnet18.pth"))
    unreachable = "http://127.0.0.1:9/resnet101-63fe2227.pth"
    project.change("weights", "torchvision_resnet101", "url", value=unreachable)
    project.change("profiles", "sample", "weights", value="imagenet")
    experiments = ["backbone_stdc1", "bisenet_v1", "dmanet", "dfanet_b", "dfn", "hrnet_v2"]
    project.change("run", value={**project.params()["run"], "experiments": experiments, "pruned": []})
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    project.run("python", "-m", "workflow.plan")
    said = project.run("python", "-m", "workflow.weights", "sample", **cache)
    assert f"torchvision_resnet101: {unreachable} cannot be downloaded" in said
    monkeypatch.chdir(project.root)

    def note(experiment: str) -> Any:
        return read_json(Paths("sample").weights / f"{experiment}.json")

    facts = {"sha256": sha256(tmp_path / "resnet18.pth"), "left_out": ["fc.weight", "fc.bias"]}
    for name in ("bisenet_v1", "dmanet"):
        found = note(name)
        assert found == {"backbone": "torchvision_resnet18", "origin": str(tmp_path / "resnet18.pth"), **facts} | {
            "file": f"torchvision_resnet18-{name}.safetensors"
        }
        model = mfaranet.get_model(name)
        initial = initial_weights(Planned.read("train", "sample", name), Paths("sample"), name)
        assert start_from(model, initial) == {key: found[key] for key in ("origin", "sha256", "left_out")}
        assert torch.equal(
            model.get_parameter("backbone.stem.0.weight"), torch.load(tmp_path / "resnet18.pth")["conv1.weight"]
        )
    assert note("dfanet_b") == {"backbone": None}
    assert initial_weights(Planned.read("train", "sample", "dfanet_b"), Paths("sample"), "dfanet_b") is None
    for name, message in {
        "dfn": "no ImageNet weights of torchvision_resnet101: .*resnet101-63fe2227.pth .*weights.torchvision_resnet101",
        "hrnet_v2": "no ImageNet weights of hrnetv2_w48: .* by the name that stands .* set weights.hrnetv2_w48.path",
        "backbone_stdc1": "no ImageNet weights of stdc1: .*set weights.stdc1.path",
    }.items():
        with pytest.raises(InputError, match=message):
            initial_weights(Planned.read("train", "sample", name), Paths("sample"), name)
