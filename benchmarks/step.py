"""How long does a training step take, and how much memory, beside the baseline's? Prints ratios and targets.

python -m benchmarks.step   # nothing else should run

4 crops of 512x512 and the paper's loss: forwards, backwards and the update, from images and boundary targets as the
loader has them. Both forms start from the same weights. Peak memory is what the first step adds to a process of its
own (Linux).
"""

import multiprocessing
import sys
from collections.abc import Callable
from typing import Any

import torch

import mfaranet
from benchmarks import baseline
from benchmarks.rows import Row, compared, in_turn, print_rows
from mfaranet.data.boundaries import boundary_target
from mfaranet.measure.latency import peak_memory
from mfaranet.measure.machine import memory_format
from mfaranet.params import load
from mfaranet.training.distributed import make_fabric
from mfaranet.training.loop import Supervised
from mfaranet.training.losses import Loss
from mfaranet.training.optimization import make_optimizer

SIZE, BATCH, TURNS = 512, 4, 3
CPU = torch.device("cpu")
TARGETS = {"time": 0.75, "memory": 0.8}


def main() -> None:
    """Measure and print."""
    sys.exit(not print_rows(rows()))


def rows() -> list[Row]:
    """Time and peak memory."""
    what = f"training step, {BATCH} crops of {SIZE}x{SIZE}"
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        peaks = [pool.apply(peak, (make,)) / 2**30 for make in (ours, theirs)]
    times = in_turn({"ours": ours(), "baseline": theirs()}, TURNS)
    return [
        compared(what, times["ours"], times["baseline"], TARGETS["time"]),
        Row(f"{what}: peak memory", *peaks, "GiB", TARGETS["memory"]),
    ]


def peak(make: Callable[[], Callable[[], None]]) -> int:
    """Bytes that a step adds to this process."""
    step = make()
    found = peak_memory(lambda _: step(), torch.empty(0))
    assert found is not None, "peak memory is read from Linux's /proc"
    return found


def ours(device: torch.device = CPU, **changes: Any) -> Callable[[], None]:
    """A step as the training loop makes it, with some changes of ``train``."""
    settings = load().settings("cityscapes", "base").train.model_copy(update=changes)
    fabric = make_fabric(settings.precision, device)
    images, labels = (each.to(device) for each in batch())
    boundaries = boundary_target(labels)
    model = initial().to(memory_format=memory_format(settings.memory_format))
    supervised, optimizer = fabric.setup(
        Supervised(model, Loss(settings.loss), settings), make_optimizer(model, settings)
    )

    def step() -> None:
        optimizer.zero_grad()
        fabric.backward(supervised(images, labels, boundaries)["total"])
        optimizer.step()

    return step


def theirs(device: torch.device = CPU) -> Callable[[], None]:
    """A step of the baseline."""
    images, labels = (each.to(device) for each in batch())
    boundaries = torch.stack([baseline.boundary_target(label.cpu()) for label in labels]).to(device)
    model = baseline.Baseline().train().to(device)
    model.load_state_dict(initial().state_dict())
    optimizer = baseline.make_optimizer(model)

    def step() -> None:
        optimizer.zero_grad()
        baseline.loss(model(images), labels, boundaries).backward()
        optimizer.step()

    return step


def initial() -> torch.nn.Module:
    """The network, with the same weights every time."""
    torch.manual_seed(0)
    return mfaranet.get_model("mfaranet").train()


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised images and labels in blocks, the same every time."""
    torch.manual_seed(1)
    labels = torch.randint(0, 19, (BATCH, SIZE // 32, SIZE // 32)).repeat_interleave(32, 1).repeat_interleave(32, 2)
    return torch.randn(BATCH, 3, SIZE, SIZE), labels


if __name__ == "__main__":
    main()
