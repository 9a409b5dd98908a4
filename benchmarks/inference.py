"""How long does a pass take beside the straightforward network, and beside other runtimes? Prints ratios and targets.

python -m benchmarks.inference

Same weights, one image of bytes in, logits or labels out, as many threads as there are cores; a turn takes each form
once. That of the convolution is the speed of the network's most frequent one (3x3, 128 channels, at a quarter of the
size): no network of these convolutions is faster than its multiply-accumulates at that speed.
"""

import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

import mfaranet
from benchmarks.baseline import Baseline
from benchmarks.rows import Row, compared, in_turn, print_rows
from mfaranet.data.transforms import normalise
from mfaranet.deployment.export import Form, to_onnx, trace
from mfaranet.deployment.sessions import onnxruntime_session, openvino_session

SIZES = {(512, 1024): 5, (1024, 2048): 3}
"""Height and width, and turns."""
OTHERS_AT = (512, 1024)
TARGETS = {"deployed": 0.65, "deployed, labels": 0.65, "pruned, deployed": 0.52}
LEAST_SHARE = 0.72
OURS = ("torch.compile", "bfloat16, of another precision", "convolution")
"""What runs as deployed networks do, beside these."""
TOLERANCE = 1e-4


def main() -> None:
    """Measure and print."""
    sys.exit(not print_rows(rows()))


def rows() -> list[Row]:
    """All of them, after a proof that outputs are equal."""
    torch.set_num_threads(os.cpu_count() or 1)
    torch.manual_seed(0)
    model, baseline = mfaranet.get_model("mfaranet").eval(), Baseline().eval()
    baseline.load_state_dict(model.state_dict())
    pruned = mfaranet.prune(model)
    found = []
    for size, turns in SIZES.items():
        images = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
        deployed = {
            "deployed": mfaranet.deploy(model, size),
            "deployed, labels": mfaranet.deploy(model, size, labels=True),
            "pruned, deployed": mfaranet.deploy(pruned, size),
        }
        _check(baseline, deployed["deployed"], images)
        forms: dict[str, Callable[[], object]] = {
            "baseline": lambda images=images: baseline(normalise(images)),
            "baseline, labels": lambda images=images: baseline(normalise(images)).argmax(1),
            "plain": lambda images=images: model(normalise(images)),
            "convolution": _convolution(size),
        }
        for name, network in deployed.items():
            forms[name] = lambda network=network, images=images: network(images)
        if size == OTHERS_AT:
            forms |= _others(deployed["deployed"], images)
        with torch.inference_mode():
            times = in_turn(forms, turns, keep=[name for name in forms if "deployed" in name or name in OURS])
        at = f"{size[0]}x{size[1]}"
        for name in forms:
            if name not in ("baseline", "baseline, labels", "convolution"):
                against = "baseline, labels" if name.endswith("labels") else "baseline"
                found.append(compared(f"pass at {at}: {name}", times[name], times[against], TARGETS.get(name)))
        found.append(_share(f"MACs a second at {at}, of the convolution's", model, size, times))
    return found


@torch.inference_mode()
def _check(baseline: nn.Module, deployed: nn.Module, images: Tensor) -> None:
    expected = baseline(normalise(images))
    scale = float(expected.abs().max())
    difference = float((deployed(images) - expected).abs().max())
    if difference > TOLERANCE * scale:
        sys.exit(f"logits differ by {difference:.2g}, of at most {scale:.2g}: nothing is measured")


def _convolution(size: tuple[int, int]) -> Callable[[], object]:
    conv = nn.Conv2d(128, 128, 3, padding=1, bias=False).to(memory_format=torch.channels_last)
    features = torch.randn(1, 128, size[0] // 4, size[1] // 4).contiguous(memory_format=torch.channels_last)
    return lambda: conv(features)


def _share(what: str, model: nn.Module, size: tuple[int, int], times: dict[str, list[float]]) -> Row:
    """Of the speed of the convolution that of the deployed network, by the MACs of the network as it is."""
    macs = mfaranet.complexity(model, size).macs
    conv_macs = 128 * 128 * 9 * (size[0] // 4) * (size[1] // 4)
    ours = [macs / seconds / 1e9 for seconds in times["deployed"]]
    peak = [conv_macs / seconds / 1e9 for seconds in times["convolution"]]
    ratio = statistics.median(a / b for a, b in zip(ours, peak, strict=True))
    return Row(what, statistics.median(ours), statistics.median(peak), "GMAC/s", LEAST_SHARE, True, ratio)


def _others(deployed: nn.Module, images: Tensor) -> dict[str, Callable[[], object]]:
    """The deployed network in other runtimes, and in half precision."""
    size = (images.shape[-2], images.shape[-1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deployed.onnx"
        onnx.save(to_onnx(trace(deployed, size), Form("onnx", size, scores=True)), path)
        threads = torch.get_num_threads()
        sessions = {"ONNX Runtime": onnxruntime_session(path, threads), "OpenVINO": openvino_session(path, threads)}
    pixels = np.ascontiguousarray(images.numpy())
    compiled = torch.compile(deployed)
    half = mfaranet.deploy(mfaranet.get_model("mfaranet").bfloat16(), size)
    return {
        **{name: lambda session=session: session(pixels) for name, session in sessions.items()},
        "torch.compile": lambda: compiled(images),
        "bfloat16, of another precision": lambda: half(images),
    }


if __name__ == "__main__":
    main()
