"""A trained network as a file that other programs run, checked against the network before it is put in place."""

import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim, ExportedProgram

from mfaranet.data.conventions import MEAN, STD
from mfaranet.data.images import read_image
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.data.transforms import normalise
from mfaranet.datasets import cityscapes
from mfaranet.datasets.sample import draw_sample
from mfaranet.deployment.checking import Agreement, compare, images_of, mean_iou
from mfaranet.deployment.deploy import deploy
from mfaranet.deployment.half import halve
from mfaranet.deployment.quantisation import quantise
from mfaranet.deployment.sessions import FACTS, library, open_session, read_facts
from mfaranet.errors import InputError
from mfaranet.evaluation.inference import finite
from mfaranet.files import sha256
from mfaranet.sizes import InputSize, Size
from mfaranet.targets import check_targets
from mfaranet.weights.checkpoints import load_trained

Format = Literal["onnx", "torch-export", "openvino"]
Precision = Literal["fp32", "fp16", "int8"]
SUFFIXES: dict[Format, str] = {"onnx": ".onnx", "torch-export": ".pt2", "openvino": ".xml"}
_SOFTWARE = "mfaranet export"
_LEAST = {"fp32": 0.999, "fp16": 0.99, "int8": 0.0}
"""Share of pixels that must have the network's label; what int8 costs is told by its mIoU."""
_OPSET = 18
"""From 20 on GridSample's mode is called otherwise, and TensorRT, up to 11.1 at least, then samples the nearest pixel
and says nothing (NVIDIA/TensorRT#4646)."""
_CALIBRATION = 32
"""Images of the training split that give the ranges of int8."""
_CHECKED = 4
"""Images of the validation split, where there are labels, that are compared with PyTorch."""


@dataclass(frozen=True)
class Form:
    """What is written."""

    to: Format
    size: Size | None = None
    """Height and width in pixels of one image; None for any number of images of any size."""
    precision: Precision = "fp32"
    scores: bool = False
    """Scores (N, classes, H, W), float32, come out, not label maps (N, H, W), uint8."""


@dataclass(frozen=True)
class Report:
    """What was written, and how it compares."""

    path: Path
    agreement: Agreement
    miou: dict[str, float] | None
    """Of float and int8 on the validation split, by precision; None for files that are not int8."""


def export(
    checkpoint: Path, form: Form, output: Path | None = None, *, data: Path | None = None, force: bool = False
) -> Report:
    """Write the deployed form of a trained network, with its facts, once it gives the labels of that network.

    Args:
        checkpoint: a file that load_trained takes.
        form: what is written.
        output: the file; by default beside the checkpoint, named like it, as the format's suffix says. OpenVINO has
            its weights in a second file, .bin.
        data: folder of a prepared data set, on whose images files are compared, and which int8 needs: the training
            split gives its ranges, the validation split its mIoU. Without it, streets are drawn for the comparison.
        force: replace what an earlier call wrote; nothing else is replaced in any case.

    Raises:
        InputError: the checkpoint cannot be read, there is no such form, a library is missing, a file is in the way,
            or what came out does not agree with the network; nothing is written then.
    """
    output = output or checkpoint.with_suffix(SUFFIXES[form.to])
    _check_form(form, output, data)
    targets = [output, output.with_suffix(".bin")] if form.to == "openvino" else [output]
    check_targets(targets, inputs=[checkpoint], ours=_is_ours, command=_SOFTWARE, force=force)
    model, known = load_trained(checkpoint)
    if data and DatasetRecord.load(data).classes != known["classes"]:
        raise InputError(f"{data} has other classes than {checkpoint}; give the data set that it was trained on")
    seen = InputSize(form.size) if form.size else InputSize(**known["input_size"]) if "input_size" in known else None
    pictures = list(_pictures(form, data, seen))
    with torch.inference_mode():
        finite(model(normalise(torch.from_numpy(pictures[0]))), str(checkpoint))
    facts = {**known, **_facts(checkpoint, form)}
    present = next(path for path in output.absolute().parents if path.exists())
    with TemporaryDirectory(dir=present, prefix=".export.") as scratch:
        made = Path(scratch) / output.name
        miou = _write(model, form, facts, made, data, seen)
        agreement = compare(model, open_session(made), pictures)
        if not agreement.share >= _LEAST[form.precision]:
            raise InputError(
                f"nothing is written: {form.to} in {form.precision} gives the label of {checkpoint} to "
                f"{100 * agreement.share:.2f} % of pixels alone, and {100 * _LEAST[form.precision]:.1f} % are wanted; "
                "take another precision or format"
            )
        output.parent.mkdir(parents=True, exist_ok=True)
        for target in reversed(targets):
            os.replace(made.with_name(target.name), target)
    return Report(output, agreement, miou)


def _check_form(form: Form, output: Path, data: Path | None) -> None:
    if form.to == "torch-export" and form.precision != "fp32":
        raise InputError(f"torch-export is written in fp32 alone; for {form.precision} take --to onnx or openvino")
    if output.suffix != SUFFIXES[form.to]:
        raise InputError(f"{output}: a file of {form.to} is called {output.stem}{SUFFIXES[form.to]}")
    if form.precision == "int8" and not data:
        raise InputError("int8 takes its ranges from images: --data <folder of a prepared data set>, as data/sample")


def _is_ours(path: Path) -> bool:
    main = path.with_suffix(".xml") if path.suffix == ".bin" else path
    return read_facts(main).get("software") == _SOFTWARE


def _facts(checkpoint: Path, form: Form) -> dict[str, Any]:
    return {
        "checkpoint": {"path": str(checkpoint), "sha256": sha256(checkpoint)},
        "form": asdict(form),
        "normalisation": {"inside": True, "mean": MEAN, "std": STD},
        "software": _SOFTWARE,
    }


def _write(
    model: nn.Module, form: Form, facts: Mapping[str, Any], made: Path, data: Path | None, seen: InputSize | None
) -> dict[str, float] | None:
    """Write the file ``made``; for int8 return the mIoU of float and int8."""
    program = trace(deploy(model, labels=not form.scores), form.size)
    text = json.dumps(facts)
    if form.to == "torch-export":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of weights on several devices, which these are not
            torch.export.save(program, made, extra_files={FACTS: text})
        return None
    onnx = library("onnx")
    steps = made.parent / "steps"  # where no name is that of the file
    steps.mkdir()
    plain = steps / "float.onnx"
    graph = to_onnx(program, form)
    onnx.save(graph, plain)
    source = plain
    if form.precision == "int8":
        assert data is not None
        source = steps / "int8.onnx"
        train = SegmentationDataset(data, "train")
        quantise(plain, source, images_of(train, seen, _CALIBRATION, "calibration"))
        graph = onnx.load(source)
    if form.to == "onnx":
        if form.precision == "fp16":
            graph = halve(graph)
        onnx.helper.set_model_props(graph, {FACTS: text})
        onnx.save(graph, made)
    else:
        openvino = library("openvino")
        converted = openvino.Core().read_model(source)  # convert_model does the same, and reports its use
        converted.set_rt_info(text, FACTS)
        openvino.save_model(converted, made, compress_to_fp16=form.precision == "fp16")
    if form.precision != "int8":
        return None
    assert data is not None
    val = SegmentationDataset(data, "val")
    return {
        "fp32": mean_iou(open_session(plain), val, seen, "mIoU of fp32"),
        "int8": mean_iou(open_session(made), val, seen, "mIoU of int8"),
    }


def trace(deployed: nn.Module, size: Size | None) -> ExportedProgram:
    """The exported program of a deployed network, for one image of a size, or for any number of any size."""
    count, (height, width) = (1, size) if size else (2, (256, 512))
    images = torch.zeros(count, 3, height, width, dtype=torch.uint8)
    shapes = None if size else ({0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC},)
    with torch.no_grad():
        return torch.export.export(deployed, (images,), dynamic_shapes=shapes)


def to_onnx(program: ExportedProgram, form: Form) -> Any:
    """The program as ONNX (a ModelProto), its input called ``images``, its output ``labels`` or ``scores``."""
    library("onnx"), library("onnxscript")
    converted = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        opset_version=_OPSET,
        input_names=["images"],
        output_names=["scores" if form.scores else "labels"],
        dynamic_shapes=None if form.size else ({0: "batch", 2: "height", 3: "width"},),
    )
    assert converted is not None
    graph = converted.model_proto
    for part in (*graph.graph.node, *graph.graph.input, *graph.graph.output, *graph.graph.value_info):
        del part.metadata_props[:]  # paths of this machine, among others
    return graph


def _pictures(form: Form, data: Path | None, seen: InputSize | None) -> Iterator[NDArray[np.uint8]]:
    """Images (N, 3, H, W) for the comparison: of the data set, or drawn."""
    if data:
        yield from images_of(SegmentationDataset(data, "val"), seen, _CHECKED)
        return
    for count, size in [(1, form.size)] if form.size else [(2, (160, 320)), (1, (240, 320))]:
        yield np.concatenate(_drawn(size, count))


def _drawn(size: Size, count: int) -> list[NDArray[np.uint8]]:
    height, width = size
    with TemporaryDirectory() as folder:
        # In fewer pixels there is no street to draw.
        draw_sample(Path(folder), size=(max(height, 16), max(width, 32)), counts={"val": count}, seed=0)
        paths = sorted((Path(folder) / cityscapes.IMAGES).rglob("*.png"))
        return [read_image(path)[None, :, :height, :width].numpy() for path in paths]
