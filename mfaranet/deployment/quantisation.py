"""Eight-bit integers in place of floats: an ONNX file quantised by what flows through it on real images."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mfaranet.deployment.sessions import library


def quantise(path: Path, output: Path, images: Iterable[NDArray[np.uint8]]) -> None:
    """Write a form of an ONNX file whose convolutions take and give 8-bit integers.

    The ranges are those of the tensors on ``images`` (N, 3, H, W). Zero is zero on both sides, as TensorRT wants it.
    Weights, scaled by output channel, have 7 bits: processors without VNNI add pairs of products in 16.
    """
    quantization = library("onnxruntime.quantization")

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            self.batches: Iterator[Any] = ({"images": each} for each in images)

        def get_next(self) -> Any:
            return next(self.batches, None)

    prepared = output.with_name("prepared.onnx")
    library("onnxruntime.quantization.shape_inference").quant_pre_process(path, prepared, skip_symbolic_shape=True)
    quantization.quantize_static(
        prepared,
        output,
        Reader(),
        op_types_to_quantize=["Conv"],
        per_channel=True,
        reduce_range=True,
        extra_options={"ActivationSymmetric": True},
    )
