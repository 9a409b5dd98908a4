"""What a GPU gains by half precision, memory format, compilation and CUDA graphs. Prints ratios; there are no targets.

python -m benchmarks.gpu   # a part of `make bench` where CUDA has a GPU; nothing else should run there

Passes of one image of 1024x2048, beside the straightforward network in float32; training steps of 4 crops of 512x512
beside the baseline's, with time and memory. TF32 is as params.yaml has it, for all forms. These rows have never been
measured: they are written to the contract of the libraries, and their code is tested on a CPU.
"""

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any, get_args

import torch

import mfaranet
from benchmarks import step
from benchmarks.baseline import Baseline
from benchmarks.rows import Row, compared, in_turn, print_rows
from mfaranet.data.transforms import normalise
from mfaranet.measure.forms import in_form
from mfaranet.measure.latency import peak_memory
from mfaranet.measure.machine import allow_tf32
from mfaranet.params import load
from mfaranet.schema import Form
from mfaranet.sizes import Size

TURNS = 20
PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
STEPS: dict[str, dict[str, Any]] = {
    "as the paper's recipe": {},
    "channels_last": {"memory_format": "channels_last"},
    "float16": {"precision": "16-mixed"},
    "float16, channels_last": {"precision": "16-mixed", "memory_format": "channels_last"},
    "bfloat16, channels_last": {"precision": "bf16-mixed", "memory_format": "channels_last"},
    "compiled": {"compile": True},
    "float16, channels_last, compiled": {"precision": "16-mixed", "memory_format": "channels_last", "compile": True},
}


def main() -> None:
    """Measure and print."""
    if not torch.cuda.is_available():
        sys.exit("CUDA finds no GPU here")
    print_rows(rows())


def rows() -> list[Row]:
    """On the GPU that CUDA has first."""
    device = torch.device("cuda")
    allow_tf32(load().settings("cityscapes", "base").train.tf32)
    return [*passes(device, (1024, 2048), get_args(Form)), *steps(device, STEPS)]


def passes(device: torch.device, size: Size, forms: tuple[Form, ...]) -> list[Row]:
    """Of each form in each precision."""
    torch.manual_seed(0)
    model, baseline = mfaranet.get_model("mfaranet").eval().to(device), Baseline().eval().to(device)
    photograph = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8, device=device)
    ways: dict[str, Callable[[], object]] = {"baseline": _waited_for(lambda: baseline(normalise(photograph)), device)}
    for precision, dtype in PRECISIONS.items():
        for form in forms:
            # A copy, as the network itself is of one precision.
            network = in_form(copy.deepcopy(model).to(dtype), form)
            images = photograph if form not in ("unfolded", "folded") else normalise(photograph).to(dtype)
            ways[f"{form}, {precision}"] = _waited_for(lambda n=network, i=images: n(i), device)
    with torch.inference_mode():
        times = in_turn(ways, TURNS)
    at = f"pass at {size[0]}x{size[1]}"
    return [compared(f"{at}: {way}", times[way], times["baseline"]) for way in ways if way != "baseline"]


def steps(device: torch.device, ways: Mapping[str, dict[str, Any]]) -> list[Row]:
    """Time and memory of a training step in each way."""
    made = {name: step.ours(device, **changes) for name, changes in ways.items()} | {"baseline": step.theirs(device)}
    times = in_turn({name: _waited_for(each, device) for name, each in made.items()}, TURNS)
    nothing = torch.empty(0, device=device)
    peaks = {name: peak_memory(lambda _, each=each: each(), nothing) for name, each in made.items()}
    found = []
    for name in ways:
        found.append(compared(f"training step: {name}", times[name], times["baseline"]))
        ours, baseline = peaks[name], peaks["baseline"]
        if ours and baseline:
            found.append(Row(f"training step: {name}, memory", ours / 2**30, baseline / 2**30, "GiB"))
    return found


def _waited_for(work: Callable[[], object], device: torch.device) -> Callable[[], None]:
    def run() -> None:
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return run


if __name__ == "__main__":
    main()
