"""What grows with what? Plots, and exponents of fitted powers: latency, memory, an epoch, DVC's bookkeeping.

python -m benchmarks.growth [folder]   # of growth.png and growth.csv, results/benchmarks by default; about 3 minutes

An exponent of 1 says: twice the input, twice the time. What a start costs anyway makes it smaller; above 1 by more than
the fit is sure of, something grows faster than its input. The network as it is trained does, by time against pixels, in
a process that gives memory back as glibc does by itself: the line of a pass that keeps it shows what that is.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.ticker import LogLocator
from tqdm import tqdm

import mfaranet
from benchmarks import bookkeeping
from benchmarks.__main__ import ABOUT
from benchmarks.pages import write_page, write_table
from benchmarks.rows import in_turn
from mfaranet.datasets.preparation import prepare
from mfaranet.files import atomic_write
from mfaranet.measure.latency import peak_memory
from mfaranet.params import load
from mfaranet.training.loop import train

REPOSITORY = Path(__file__).parents[1]
LARGEST = 1.1
"""An exponent up to which a fit is no faster than its input."""
TURNS = 3
SIZES = [(256, 512), (384, 768), (512, 1024), (768, 1536), (1024, 2048)]
BATCHES = [1, 2, 4, 8]
BATCHES_AT = (256, 512)
IMAGES = [48, 96, 192]
EXPERIMENTS = [10, 40, 160]


@dataclass(frozen=True)
class Growth:
    """A cost at several amounts of its input."""

    what: str
    of: str
    unit: str
    points: Mapping[int, float]

    @property
    def exponent(self) -> float:
        """Of the power that fits best in logarithms."""
        slope, _ = np.polyfit(np.log(list(self.points)), np.log(list(self.points.values())), 1)
        return float(slope)

    @property
    def verdict(self) -> str:
        """Whether it grows no faster than its input."""
        return "met" if self.exponent <= LARGEST else "missed"


def main() -> None:
    """Measure, print, and write the table and the plots."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY / "results/benchmarks"
    torch.set_num_threads(os.cpu_count() or 1)
    found = []
    for growth in (*passes(), epochs(), *bookkeepings()):
        found.append(growth)
        print(f"{growth.what} against {growth.of}: exponent {growth.exponent:.2f}, {growth.verdict}", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(g.what, g.of, n, cost, g.unit, round(g.exponent, 3)) for g in found for n, cost in g.points.items()]
    table = pd.DataFrame(rows, columns=["what", "of", "amount", "cost", "unit", "exponent"])
    write_table(folder / "growth.csv", table)
    draw(found, folder / "growth.png")
    write_page(folder, ABOUT)
    sys.exit(any(growth.verdict == "missed" for growth in found))


def passes() -> Iterator[Growth]:
    """Of the network and of its deployed form, time and memory against pixels and images at once."""
    model = mfaranet.get_model("mfaranet").eval()
    deployed = mfaranet.deploy(model)
    for of, shapes in (
        ("pixels", {h * w: (1, 3, h, w) for h, w in SIZES}),
        ("images at once", {count: (count, 3, *BATCHES_AT) for count in BATCHES}),
    ):
        bytes_in = {n: torch.randint(0, 256, shape, dtype=torch.uint8) for n, shape in shapes.items()}
        floats_in = {n: torch.rand(shape) for n, shape in shapes.items()}
        yield _timed("a pass", of, model, floats_in, keep=False)
        yield _timed("a pass, memory kept", of, model, floats_in, keep=True)
        yield _timed("a deployed pass", of, deployed, bytes_in, keep=True)
        for what, network, images in (("a pass", model, floats_in), ("a deployed pass", deployed, bytes_in)):
            with torch.inference_mode():
                memory = {n: peak_memory(network, each) for n, each in images.items()}
            yield Growth(f"memory of {what}", of, "MiB", {n: found / 2**20 for n, found in memory.items() if found})


def _timed(what: str, of: str, network: torch.nn.Module, images: Mapping[int, torch.Tensor], *, keep: bool) -> Growth:
    forms = {str(n): partial(torch.inference_mode()(network), each) for n, each in images.items()}
    times = in_turn(forms, TURNS, keep=list(forms) if keep else ())
    return Growth(what, of, "s", {n: float(np.median(times[str(n)])) for n in images})


def epochs() -> Growth:
    """A training epoch of the sample against its images."""
    settings = load(REPOSITORY / "params.yaml").settings("sample", "base")
    recipe = settings.train.model_copy(update={"epochs": 1, "validate_every": 1})
    points = {}
    for count in tqdm(IMAGES, desc="epochs"):
        with TemporaryDirectory() as folder:
            data = Path(folder) / "data"
            record = prepare("sample", settings.data.model_copy(update={"train": count, "val": 1}), data)
            model = mfaranet.get_model("mfaranet", len(record.classes))
            facts = {"network": "mfaranet", "options": {}, "classes": record.classes}
            start = perf_counter()
            train(model, recipe, data, output=Path(folder), curves=Path(folder) / "curves", facts=facts)
            points[count] = perf_counter() - start
    return Growth("a training epoch", "images", "s", points)


def bookkeepings() -> Iterator[Growth]:
    """DVC's own processor time against experiments: a repro without work, and one more stage."""
    commit = bookkeeping.run(["git", "rev-parse", "HEAD"], REPOSITORY).strip()
    found = {}
    for count in tqdm(EXPERIMENTS, desc="experiments"):
        with TemporaryDirectory() as folder:
            _, stage, without_work, *_ = bookkeeping.measure(Path(folder) / "clone", commit, count)
            found[count] = (stage.cpu, without_work.cpu)
    for index, what in enumerate(("one stage's bookkeeping", "dvc repro without work")):
        yield Growth(what, "experiments", "CPU s", {count: costs[index] for count, costs in found.items()})


def draw(found: Sequence[Growth], path: Path) -> None:
    """A panel a kind of input and unit, both axes logarithmic."""
    panels: dict[tuple[str, str], list[Growth]] = {}
    for growth in found:
        panels.setdefault((growth.of, growth.unit), []).append(growth)
    figure, axes = plt.subplots(2, -(-len(panels) // 2), figsize=(13, 8), layout="constrained")
    for axis, ((of, unit), lines) in zip(axes.flat, panels.items(), strict=False):
        for line in lines:
            axis.loglog(list(line.points), list(line.points.values()), "o-", label=f"{line.what}: {line.exponent:.2f}")
        amounts = list(lines[0].points)
        axis.set_xticks(amounts, map(str, amounts), rotation=30)
        axis.minorticks_off()
        axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.yaxis.set_major_formatter("{x:g}")
        axis.set(xlabel=of, ylabel=unit)
        axis.legend(title="exponents")
    for axis in list(axes.flat)[len(panels) :]:
        axis.remove()
    atomic_write(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))


if __name__ == "__main__":
    main()
