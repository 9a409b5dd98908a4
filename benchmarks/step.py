"""How long a training step takes and how much memory, beside the baseline: 4 crops of 512x512, the paper's loss.

python -m benchmarks.step [rounds [size [batch]]]   # on two cores a round takes a minute; nothing else should run

A step is a forward pass, the loss, the backward pass and the update, from images and boundary targets that the loader
made. Both forms start from the same weights and take turns in one process; the ratio is the median of the rounds'. Peak
memory is what the first step adds to a process of its own (Linux).
"""

import multiprocessing
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

import mfaranet
from benchmarks import baseline
from mfaranet.data.boundaries import boundary_target
from mfaranet.measure.latency import peak_memory
from mfaranet.params import load
from mfaranet.training.loop import _Supervised
from mfaranet.training.losses import Loss
from mfaranet.training.optimization import make_optimizer

TARGETS = {"seconds": 0.75, "peak memory, GiB": 0.8}
FORMS = ("ours", "baseline")


def main() -> None:
    """Print the rows; exit with 1 where a target is missed."""
    rounds, size, batch = (int(value) for value in (*sys.argv[1:], *("3", "512", "4")[len(sys.argv) - 1 :]))
    found = rows(rounds, size, batch)
    print(f"a training step, {batch} crops of {size}x{size}, {torch.get_num_threads()} threads, float32:")
    for row in found:
        numbers = "  ".join(f"{row[key]:8.3f}" for key in (*FORMS, "ratio", "target"))
        print(f"{row['what']:>18}  {numbers}  {row['verdict']}")
    sys.exit(any(row["verdict"] == "missed" for row in found))


def rows(rounds: int = 3, size: int = 512, batch: int = 4) -> list[dict[str, Any]]:
    """What was measured, of ours and of the baseline, with ratio, target and verdict."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        peaks = [pool.apply(peak, (form, size, batch)) / 2**30 for form in FORMS]
    seconds = times(rounds, size, batch)
    ratios = [ours / theirs for ours, theirs in zip(*seconds, strict=True)]
    measured = [(*map(median, seconds), median(ratios)), (*peaks, peaks[0] / peaks[1])]
    return [
        {
            "what": what,
            **dict(zip((*FORMS, "ratio"), values, strict=True)),
            "target": target,
            "verdict": "reached" if values[-1] <= target else "missed",
        }
        for (what, target), values in zip(TARGETS.items(), measured, strict=True)
    ]


def times(rounds: int, size: int, batch: int) -> list[list[float]]:
    """Seconds of each form's steps, after one of each to warm up."""
    steps = [make_step(form, size, batch) for form in FORMS]
    seconds: list[list[float]] = [[] for _ in FORMS]
    for turn in range(rounds + 1):
        # Neither is always the first.
        for each in (0, 1)[:: -1 if turn % 2 else 1]:
            begin = time.perf_counter()
            steps[each]()
            seconds[each].append(time.perf_counter() - begin)
    return [each[1:] for each in seconds]


def peak(form: str, size: int, batch: int) -> int:
    """Bytes that a step adds to this process."""
    step = make_step(form, size, batch)
    found = peak_memory(lambda _: step(), torch.empty(0))
    assert found is not None, "peak memory is read from Linux's /proc"
    return found


def make_step(form: str, size: int, batch: int) -> Callable[[], None]:
    """A step of one form, on data and weights that are the same for both."""
    torch.manual_seed(0)
    images = torch.randn(batch, 3, size, size)
    labels = torch.randint(0, 19, (batch, size // 32, size // 32)).repeat_interleave(32, 1).repeat_interleave(32, 2)
    boundaries = boundary_target(labels)
    model = mfaranet.get_model("mfaranet").train()
    if form == "ours":
        settings = load().settings("cityscapes", "base").train
        optimizer = make_optimizer(model, settings)
        supervised = _Supervised(model, Loss(settings.loss))
        total = lambda: supervised(images, labels, boundaries)["total"]  # noqa: E731
    else:
        theirs, targets = baseline.Baseline().train(), boundaries.float()
        theirs.load_state_dict(model.state_dict())
        optimizer = baseline.make_optimizer(theirs)
        total = lambda: baseline.loss(theirs(images), labels, targets)  # noqa: E731

    def step() -> None:
        optimizer.zero_grad()
        total().backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    main()
