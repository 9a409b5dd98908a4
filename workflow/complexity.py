"""Stage complexity: what every experiment's network is and costs, selected or not."""

from dataclasses import asdict
from typing import Any

import torch
import typer
from tqdm import tqdm

from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.inference import PROTOCOLS
from mfaranet.files import write_json
from mfaranet.measure.complexity import complexity
from mfaranet.models import get_model
from mfaranet.models.facts import Facts
from mfaranet.schema import ComplexitySettings, NetworkSettings, Size, Strict, size_name
from workflow.common import Paths, entry_run, kept, start, write_run
from workflow.planned import Planned
from workflow.sources import digest


class Counted(Strict):
    """What is counted of an experiment, and a digest of the code that does."""

    network: NetworkSettings
    protocols: list[str]
    input_size: Size | str
    window_size: Size
    code: str


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Count one pass at the sizes of the section complexity and at those that the experiment's protocols see."""
    planned = Planned.read("complexity", dataset)
    asked: ComplexitySettings = planned.part("complexity", ComplexitySettings)
    paths = Paths(dataset)
    record = DatasetRecord.load(paths.data)
    experiments: dict[str, Counted] = planned.part("experiments", dict[str, Counted])
    path = paths.complexity / "complexity.json"
    made_of = {
        name: digest({**planned.settings["experiments"][name], "sizes": asked.sizes, "classes": len(record.classes)})
        for name in experiments
    }
    result = kept(path, made_of)
    counts: dict[str, Any] = {}  # many experiments share a network
    for name, each in tqdm(experiments.items(), desc="complexity"):
        if name not in result:
            seen = {PROTOCOLS[protocol].sees(each.input_size, each.window_size) for protocol in each.protocols}
            sizes = sorted({*asked.sizes, *(size for size in seen if not isinstance(size, str))})
            key = f"{each.network.model_dump_json()} at {sizes}"
            counts[key] = counts.get(key) or count(each.network, len(record.classes), sizes)
            result[name] = {**counts[key], "run": entry_run(made_of[name])}
    write_json(path, {name: result[name] for name in experiments})
    write_run(
        paths.complexity,
        planned,
        record,
        weights=None,
        classes=len(record.classes),
        sizes=asked.sizes,
        # Not in the counts, which may be of an earlier run.
        networks={name: facts(name) for name in sorted({each.network.name for each in experiments.values()})},
    )


def count(network: NetworkSettings, num_classes: int, sizes: list[Size]) -> dict[str, Any]:
    """Parameters, and for each size ("512x1024") multiply-accumulates by both counts and the operations of torch's."""
    with torch.device("meta"):
        model = get_model(network.name, num_classes, **network.options)
    channels = network.options.get("in_channels", 3)
    costs = {size_name(size): complexity(model, size, channels) for size in sizes}
    (params,) = {cost.params for cost in costs.values()}
    return {
        "network": network.name,
        "params": params,
        "macs": {size: cost.macs for size, cost in costs.items()},
        "official_macs": {size: cost.official_macs for size, cost in costs.items()},
        "flop_counter": {size: cost.flops for size, cost in costs.items()},
    }


def facts(network: str) -> dict[str, Any]:
    """What a network says of itself; its name here where it says nothing."""
    with torch.device("meta"):
        model = get_model(network)
    return asdict(getattr(model, "facts", Facts(network)))


if __name__ == "__main__":
    start(main)
