"""How long networks take: seconds of one pass, batch 1, all networks of a measurement in one interleaved run.

Two protocols:

``paper`` repeats the official script: ten passes to warm up, a hundred timed together, their mean. As there,
autograd keeps its books, nothing waits for the device before the clock starts, and one run is all there is. The
official script times random weights of a network without normalisation in the decoder (here the experiment
no_decoder_norm); here it is the network that was evaluated.

``strict`` times every pass by itself in inference mode (on a GPU by its events), after a warm-up that lasts until two
passes take the same time, in several repeats. A repeat visits all networks, so that a machine that gets slower slows
all of them.
"""

import ctypes
import statistics
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from mfaranet.measure.forms import is_compiled, is_deployed
from mfaranet.measure.machine import keep_memory, memory_format
from mfaranet.schema import LatencySettings, size_name

PAPER_WARM_UP = 10
PAPER_PASSES = 100
MAX_WARM_UP = 10
STEADY = 0.1
"""Two passes that differ by less than this share take the same time."""


@dataclass
class Timing:
    """What was measured of one network at one size."""

    repeats: list[list[float]] = field(default_factory=list)
    """Seconds of each pass, or of all of them together where they were not timed one by one."""
    passes: int = 0
    spent: float = 0.0
    """Seconds, warm-up included."""
    within_budget: bool = True
    peak_memory: int | None = None
    """Bytes that one pass added: on a GPU to its allocator, on a CPU to the process (Linux only)."""

    def summary(self) -> dict[str, Any]:
        """Statistics over all passes, in seconds; ``repeats`` are the medians (or means, see there) of the repeats.

        ``fps`` is by the median, which a disturbance of the machine leaves alone, or by the mean where it is all.
        """
        times = [seconds for repeat in self.repeats for seconds in repeat]
        single = len(times) == self.passes
        mean = sum(times) / self.passes
        percentiles = np.percentile(times, [50, 90, 99]).tolist() if single else [None] * 3
        return {
            "fps": 1 / (percentiles[0] or mean),
            "mean": mean,
            **dict(zip(("p50", "p90", "p99"), percentiles, strict=True)),
            "passes": self.passes,
            "seconds": sum(times),
            "repeats": [statistics.median(repeat) for repeat in self.repeats] if single else [mean],
            "within_budget": self.within_budget,
            "peak_memory": self.peak_memory,
        }


def measure(
    networks: Mapping[str, nn.Module], settings: LatencySettings, device: torch.device, channels: int = 3
) -> dict[str, dict[str, dict[str, Any]]]:
    """Time every network at every size; statistics by network and size ("512x1024").

    The networks are moved to the device and precision of the measurement, and stay there. Deployed ones take bytes, and
    keep their memory layout; what is compiled at its first pass has made it before its time counts.
    """
    dtype = getattr(torch, settings.precision)
    layout = memory_format(settings.memory_format)
    deployed = {name for name, network in networks.items() if is_deployed(network)}
    for name, network in networks.items():
        network.eval().to(device, dtype)
        if name not in deployed:
            network.to(memory_format=layout)
    keep_memory()  # as deployed networks have it
    strict = settings.protocol == "strict"
    turns = [(name, size) for size in settings.sizes for name in networks]
    timings = {turn: Timing() for turn in turns}
    context: AbstractContextManager[Any] = torch.inference_mode() if strict else nullcontext()
    with context, tqdm(total=(settings.repeats if strict else 1) * len(turns), desc="latency") as bar:
        for repeat in range(settings.repeats if strict else 1):
            # Forwards and backwards in turn: nobody is always the first or the last.
            for name, size in turns[:: -1 if repeat % 2 else 1]:
                bar.set_postfix_str(name)
                if name in deployed:
                    images = torch.randint(0, 256, (1, channels, *size), dtype=torch.uint8, device=device)
                else:
                    images = torch.rand(1, channels, *size).to(device, dtype).contiguous(memory_format=layout)
                if not repeat and is_compiled(networks[name]):
                    networks[name](images)
                (_strict if strict else _paper)(networks[name], images, settings, timings[name, size])
                bar.update()
    result: dict[str, dict[str, dict[str, Any]]] = {name: {} for name in networks}
    for (name, size), timing in timings.items():
        result[name][size_name(size)] = timing.summary()
    return result


def _strict(network: nn.Module, images: Tensor, settings: LatencySettings, timing: Timing) -> None:
    if timing.spent >= settings.budget:
        timing.within_budget = False
        return
    warm_up: list[float] = []
    share = settings.budget / settings.repeats
    while not _steady(warm_up) and len(warm_up) < MAX_WARM_UP and sum(warm_up) < share / 3:
        warm_up.append(_seconds(network, images))
    timing.spent += sum(warm_up)
    if timing.peak_memory is None:
        begin = time.perf_counter()
        timing.peak_memory = peak_memory(network, images)
        timing.spent += time.perf_counter() - begin
    times: list[float] = []
    while sum(times) < settings.seconds / settings.repeats and (not times or timing.spent < settings.budget):
        times.append(_seconds(network, images))
        timing.spent += times[-1]
    timing.passes += len(times)
    timing.within_budget &= sum(times) >= settings.seconds / settings.repeats
    timing.repeats.append(times)


def _steady(times: list[float]) -> bool:
    return len(times) > 1 and abs(times[-1] - times[-2]) < STEADY * times[-2]


def _paper(network: nn.Module, images: Tensor, settings: LatencySettings, timing: Timing) -> None:
    start = time.perf_counter()
    for _ in range(PAPER_WARM_UP):
        network(images)
        if time.perf_counter() - start > settings.budget / 3:
            timing.within_budget = False
            break
    begin = time.perf_counter()
    while timing.passes < PAPER_PASSES and (not timing.passes or time.perf_counter() - start < settings.budget):
        network(images)
        timing.passes += 1
    _synchronise(images.device)
    timing.within_budget &= timing.passes == PAPER_PASSES
    timing.repeats.append([time.perf_counter() - begin])


def _seconds(network: nn.Module, images: Tensor) -> float:
    """One pass, from an idle device to an idle device."""
    _synchronise(images.device)
    if images.is_cuda:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        network(images)
        end.record()
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000
    start = time.perf_counter()
    network(images)
    _synchronise(images.device)
    return time.perf_counter() - start


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def peak_memory(network: nn.Module, images: Tensor) -> int | None:
    """Bytes that a pass adds: to the allocator of a GPU, to this process on a CPU (Linux only); None elsewhere."""
    if images.is_cuda:
        held = torch.cuda.memory_allocated(images.device)
        torch.cuda.reset_peak_memory_stats(images.device)
        network(images)
        return torch.cuda.max_memory_allocated(images.device) - held
    if images.device.type != "cpu":
        return None
    try:
        # What earlier passes left free in the process would hide what this one takes.
        ctypes.CDLL(None).malloc_trim(0)
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return None
    network(images)
    return _status("VmHWM") - before


def _status(key: str) -> int:
    """A line of this process's status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:"))
