"""`mfaranet export`: files that other programs run, with the labels of the network."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from test_export import warm_up
from tiny import CLASSES, TinyNetwork, run_tiny, write_data
from typer.testing import CliRunner

import mfaranet
from mfaranet import models
from mfaranet.cli import app
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import normalise
from mfaranet.datasets import cityscapes
from mfaranet.datasets.sample import draw_sample
from mfaranet.deployment import export as module
from mfaranet.deployment.checking import Agreement, mean_iou
from mfaranet.deployment.deploy import deploy
from mfaranet.deployment.export import SUFFIXES, Form, export, to_onnx, trace
from mfaranet.deployment.half import halve
from mfaranet.deployment.sessions import open_session, read_facts
from mfaranet.errors import InputError
from mfaranet.predict.segment import segment
from mfaranet.weights.checkpoints import load_trained, read, save

SHARED = Path(__file__).parents[2] / "shared/data/camvid"
COLOURS = [[128, 64, 128], [70, 130, 180], [0, 0, 142]]
FACTS = {"network": "tiny", "options": {}, "classes": CLASSES, "colours": COLOURS, "dataset": "tiny", "epoch": 6}
SIZE = (64, 128)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("tiny") / "data", train=8, val=4)


@pytest.fixture(scope="module")
def checkpoint(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small network that has learned its data set."""
    folder = tmp_path_factory.mktemp("runs")
    run_tiny(data, folder, loss="cross_entropy", epochs=10, base_lr=0.05)
    state, _ = read(folder / "best.safetensors")
    network = TinyNetwork()
    network.load_state_dict(state)
    save(network, folder / "tiny.safetensors", FACTS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(models._REGISTERED, "tiny", lambda num_classes: TinyNetwork())
        yield folder / "tiny.safetensors"


def pictures(data: Path) -> Any:
    dataset = SegmentationDataset(data, "val")
    return np.stack([dataset[index][0].numpy() for index in range(2)])


def scores_of(checkpoint: Path, images: Any) -> Any:
    model, _ = load_trained(checkpoint)
    with torch.inference_mode():
        return model(normalise(torch.from_numpy(images))).numpy()


@pytest.mark.parametrize(
    ("to", "precision", "size"),
    [
        ("onnx", "fp32", SIZE),
        ("onnx", "fp32", None),
        ("onnx", "fp16", None),
        ("openvino", "fp32", None),
        ("openvino", "fp16", SIZE),
        ("torch-export", "fp32", None),
    ],
)
def test_every_form_has_the_labels_of_the_network(
    to: Any, precision: Any, size: Any, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    made = export(checkpoint, Form(to, size, precision), tmp_path / f"new/tiny{SUFFIXES[to]}")
    assert made.agreement.share >= 0.999
    assert made.miou is None
    assert {path.suffix for path in made.path.parent.iterdir()} == {SUFFIXES[to], *([".bin"] * (to == "openvino"))}
    images = pictures(data)[:1] if size else np.tile(pictures(data), (1, 1, 2, 1))
    labels = open_session(made.path, threads=1)(images)
    assert labels.dtype == np.uint8
    assert labels.shape == (len(images), *images.shape[2:])
    assert (labels == scores_of(checkpoint, images).argmax(1)).mean() > (0.999 if precision == "fp32" else 0.99)
    assert len(np.unique(labels)) == 3
    known = read_facts(made.path)
    assert {key: known[key] for key in FACTS} == FACTS
    assert known["form"] == {"to": to, "size": list(size) if size else None, "precision": precision, "scores": False}


@pytest.mark.parametrize("to", list(SUFFIXES))
def test_scores_come_out_where_they_are_asked_for(to: Any, checkpoint: Path, data: Path, tmp_path: Path) -> None:
    made = export(checkpoint, Form(to, SIZE, scores=True), tmp_path / f"tiny{SUFFIXES[to]}", data=data)
    image = pictures(data)[:1]
    found = open_session(made.path)(image)
    assert found.dtype == np.float32
    expected = scores_of(checkpoint, image)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    assert made.agreement.difference < 1e-5 * np.abs(expected).max()


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_int8_is_scored_beside_float(to: Any, checkpoint: Path, data: Path, tmp_path: Path) -> None:
    made = export(checkpoint, Form(to, None, "int8"), tmp_path / f"float{SUFFIXES[to]}", data=data)
    val = SegmentationDataset(data, "val")
    assert made.miou is not None
    assert made.miou["fp32"] > 0.6
    with torch.inference_mode():
        model, _ = load_trained(checkpoint)
        plain = mean_iou(lambda images: model(normalise(torch.from_numpy(images))).numpy(), val, None, "in PyTorch")
    assert made.miou["fp32"] == pytest.approx(plain, abs=1e-3)
    assert made.miou["int8"] > made.miou["fp32"] - 0.015
    assert mean_iou(open_session(made.path), val, None, "again") == made.miou["int8"]
    assert made.agreement.share < 1  # it is another network indeed
    if to == "onnx":
        graph = onnx.load(made.path).graph
        makers = {output: node for node in graph.node for output in node.output}
        convolutions = [node for node in graph.node if node.op_type == "Conv"]
        assert convolutions
        assert all(makers[name].op_type == "DequantizeLinear" for node in convolutions for name in node.input[:2])
        weights = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
        for node in convolutions:
            weight = weights[makers[node.input[1]].input[0]]
            assert weight.dtype == np.int8
            assert np.abs(weight.astype(int)).max() <= 64


@pytest.mark.parametrize("name", ["mfaranet", "mfaranet_pruned", "edanet"])
def test_networks_in_single_and_half_precision(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = mfaranet.get_model(name, 4)
    warm_up(network)
    checkpoint = tmp_path / "last.safetensors"
    save(network, checkpoint, {**FACTS, "network": name, "classes": list("abcd")})
    made = export(checkpoint, Form("onnx", (96, 160), scores=True))
    assert made.path == tmp_path / "last.onnx"
    assert made.agreement.share > 0.9999
    graph = onnx.load(made.path).graph
    assert not [node for node in graph.node if node.op_type == "Transpose"]
    sampled = {node.input[1] for node in graph.node if node.op_type == "GridSample"}
    assert bool(sampled) == name.startswith("mfaranet")
    modes = {each.s for node in graph.node if node.op_type == "GridSample" for each in node.attribute if each.s}
    assert modes <= {b"bilinear", b"zeros"}  # not opset 20's "linear", which TensorRT takes for "nearest"
    program = halve(onnx.load(made.path))
    types = {
        each.name: each.type.tensor_type.elem_type
        for each in onnx.shape_inference.infer_shapes(program).graph.value_info
    }
    grids = {node.input[1] for node in program.graph.node if node.op_type == "GridSample"}
    assert all(types[grid] == onnx.TensorProto.FLOAT for grid in grids)
    assert onnx.TensorProto.FLOAT16 in types.values()


def test_no_path_of_this_machine_is_in_the_graph(checkpoint: Path) -> None:
    graph = to_onnx(trace(deploy(load_trained(checkpoint)[0]), None), Form("onnx"))
    assert str(Path(__file__).parent).encode() not in graph.SerializeToString()
    names = {each.name: [side.dim_param for side in each.type.tensor_type.shape.dim] for each in graph.graph.input}
    assert names == {"images": ["batch", "", "height", "width"]}


# Where nothing of torch or of this package is


ELSEWHERE = """
import sys
import numpy as np
from PIL import Image

file, image, output = sys.argv[1:]
images = np.asarray(Image.open(image).convert("RGB")).transpose(2, 0, 1)[None]
if file.endswith(".onnx"):
    import onnxruntime
    (labels,) = onnxruntime.InferenceSession(file).run(None, {"images": images})
else:
    import openvino
    labels = openvino.Core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(images)[0]
assert not {"torch", "mfaranet"} & set(sys.modules)
Image.fromarray(labels[0]).save(output)
"""


def labels_elsewhere(file: Path, image: Path, folder: Path) -> Any:
    command = [sys.executable, "-c", ELSEWHERE, str(file), str(image), str(folder / "labels.png")]
    subprocess.run(command, check=True, cwd=folder, env={})
    return np.asarray(Image.open(folder / "labels.png"))


def share_of_predict(checkpoint: Path, form: Form, image: Path, folder: Path) -> float:
    """Of pixels that an exported file paints as `mfaranet predict` does."""
    made = export(checkpoint, form, folder / f"net{SUFFIXES[form.to]}")
    (painted,) = segment(checkpoint, [image], folder / "segmented").written
    palette = np.array(load_trained(checkpoint)[1]["colours"], np.uint8)
    same = palette[labels_elsewhere(made.path, image, folder)] == np.asarray(Image.open(painted))
    return float(same.all(2).mean())


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_process_without_torch_gives_what_predict_gives(
    to: Any, checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    image = sorted((data / "images/val").iterdir())[0]
    assert share_of_predict(checkpoint, Form(to), image, tmp_path) >= 0.999


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/camvid is not here")
@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_photograph_of_camvid_gives_what_predict_gives(to: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = mfaranet.get_model("mfaranet", 3)
    warm_up(network)
    save(network, tmp_path / "last.safetensors", {**FACTS, "network": "mfaranet"})
    image = sorted((SHARED / "val").glob("*.png"))[0]
    assert share_of_predict(tmp_path / "last.safetensors", Form(to, (360, 480)), image, tmp_path) >= 0.999


def test_a_drawn_street_gives_what_predict_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = mfaranet.get_model("mfaranet_pruned", 3)
    warm_up(network)
    save(network, tmp_path / "last.safetensors", {**FACTS, "network": "mfaranet_pruned"})
    draw_sample(tmp_path / "drawn", size=(128, 256), counts={"val": 1}, seed=3)
    (image,) = (tmp_path / "drawn" / cityscapes.IMAGES).rglob("*.png")
    assert share_of_predict(tmp_path / "last.safetensors", Form("onnx", (128, 256)), image, tmp_path) >= 0.999


# What is refused


def run(*arguments: object) -> str:
    """The command's output; what it says where it refuses."""
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    if result.exit_code:
        assert isinstance(result.exception, InputError), result.output
        return str(result.exception)
    return result.output


def test_the_command(checkpoint: Path, data: Path, tmp_path: Path) -> None:
    output = tmp_path / "tiny.onnx"
    said = run(checkpoint, "--to", "onnx", "--dynamic", "--precision", "int8", "--data", data, "--output", output)
    assert "% of pixels have the label of PyTorch's network" in said
    assert "mIoU on val: fp32 " in said
    assert output.exists()
    cases = {
        ("onnx",): "give --size HxW",
        ("onnx", "--size", "8x8", "--dynamic"): "give --size HxW",
        ("onnx", "--size", "512"): "--size 512: a height and a width",
        ("onnx", "--dynamic", "--precision", "int8"): "int8 takes its ranges from images: --data",
        ("torch-export", "--dynamic", "--precision", "fp16"): "torch-export is written in fp32 alone",
        ("openvino", "--dynamic", "--output", tmp_path / "net.onnx"): "a file of openvino is called net.xml",
    }
    for arguments, message in cases.items():
        assert message in run(checkpoint, "--to", *arguments)
    other = checkpoint.with_name("other.safetensors")
    save(load_trained(checkpoint)[0], other, {**FACTS, "classes": list("abc")})
    assert "has other classes than" in run(other, "--to", "onnx", "--dynamic", "--data", data)
    assert "does not exist" in run(tmp_path / "none.safetensors", "--to", "onnx", "--dynamic")


@pytest.mark.parametrize("to", list(SUFFIXES))
def test_only_ones_own_files_are_replaced(to: Any, checkpoint: Path, tmp_path: Path) -> None:
    output = tmp_path / f"tiny{SUFFIXES[to]}"
    files = [output, output.with_suffix(".bin")] if to == "openvino" else [output]
    arguments = (checkpoint, "--to", to, "--size", "64x128", "--output", output)
    output.write_text("somebody's")
    for force in ((), ("--force",)):
        assert "was not made by `mfaranet export`" in run(*arguments, *force)
    assert output.read_text() == "somebody's"
    output.unlink()
    run(*arguments)
    before = [path.read_bytes() for path in files]
    assert "was made by an earlier `mfaranet export`; --force replaces it" in run(*arguments)
    run(*arguments, "--scores", "--force")
    assert [path.read_bytes() for path in files] != before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in files)


def test_a_size_in_which_no_street_is_drawn(checkpoint: Path, tmp_path: Path) -> None:
    made = export(checkpoint, Form("torch-export", (1, 2)), tmp_path / "tiny.pt2")
    assert open_session(made.path)(np.zeros((1, 3, 1, 2), np.uint8)).shape == (1, 1, 2)


def test_scores_that_are_no_numbers_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    model, facts = load_trained(checkpoint)
    for parameter in model.parameters():
        parameter.data.fill_(3e38)
    save(model, tmp_path / "large.safetensors", facts)
    with pytest.raises(InputError, match=r"large\.safetensors: .*scores are no numbers"):
        export(tmp_path / "large.safetensors", Form("torch-export", SIZE), tmp_path / "tiny.pt2")


def test_what_does_not_agree_is_not_written(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for share in (0.9989, float("nan")):
        monkeypatch.setattr(module, "compare", lambda *_, share=share: Agreement(share, 1.0))
        with pytest.raises(InputError, match="nothing is written: onnx in fp32 gives the label"):
            export(checkpoint, Form("onnx", SIZE), tmp_path / "new/tiny.onnx")
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_named(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"openvino.*pip install 'mfaranet\[export\]'"):
        export(checkpoint, Form("openvino", SIZE), tmp_path / "tiny.xml")
    assert not list(tmp_path.iterdir())
