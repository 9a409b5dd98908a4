"""Exported files run by their own libraries, and the facts in them read."""

import json
import zipfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from mfaranet.errors import InputError
from mfaranet.formats import check_format

Session = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Images (N, 3, H, W), RGB, give label maps (N, H, W), uint8, or scores (N, classes, H, W), float32."""

FACTS = "facts"
"""The one entry of a file's metadata, JSON as in our checkpoints."""


def library(name: str) -> Any:
    """A module of a library that only exports need.

    Raises:
        InputError: it is not installed here.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise InputError(f"{error}: exports need libraries of their own; pip install 'mfaranet[export]'") from None


def open_session(path: Path, threads: int = 0) -> Session:
    """An exported file, .onnx, .xml or .pt2, on the CPU; ``threads`` of 0 leave their number to the library.

    Raises:
        InputError: the library is not installed here.
    """
    return {".onnx": onnxruntime_session, ".xml": openvino_session, ".pt2": torch_session}[path.suffix](path, threads)


def onnxruntime_session(path: Path, threads: int = 0) -> Session:
    """An ONNX file in ONNX Runtime, on the CPU."""
    onnxruntime = library("onnxruntime")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return lambda images: session.run(None, {name: images})[0]


def openvino_session(path: Path, threads: int = 0) -> Session:
    """An .xml of OpenVINO, or an ONNX file, in OpenVINO, on the CPU."""
    # Some processors have bfloat16, which OpenVINO takes there unless told otherwise.
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads}
    compiled = library("openvino").Core().compile_model(path, "CPU", settings)
    return lambda images: compiled(images)[0].copy()  # the next call overwrites it


def torch_session(path: Path, threads: int = 0) -> Session:
    """An exported program of PyTorch; its threads are those of the process, which ``threads`` other than 0 sets."""
    import torch

    if threads:
        torch.set_num_threads(threads)
    module = torch.export.load(path).module()
    return lambda images: module(torch.from_numpy(images)).numpy()


def read_facts(path: Path) -> dict[str, Any]:
    """The facts that an export left in a file; empty where it is no such file.

    Raises:
        InputError: it is of a later version, or a library to read it is not installed.
    """
    try:
        facts = json.loads({".onnx": _onnx_facts, ".xml": _openvino_facts, ".pt2": _torch_facts}[path.suffix](path))
    except InputError:
        raise
    except Exception:  # each library raises kinds of its own on what is not its file
        return {}
    facts = facts if isinstance(facts, dict) else {}
    check_format(facts, path)
    return facts


def _onnx_facts(path: Path) -> str:
    found = library("onnx").load(path, load_external_data=False).metadata_props
    return next(str(each.value) for each in found if each.key == FACTS)


def _openvino_facts(path: Path) -> str:
    # Nothing outside the file is read, and Expat refuses what its entities would make too large.
    entry = ElementTree.parse(path).find(f"rt_info/{FACTS}")  # noqa: S314
    return "" if entry is None else entry.attrib["value"]


def _torch_facts(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"{path.stem}/extra/{FACTS}").decode()
