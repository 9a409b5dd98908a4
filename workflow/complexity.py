"""Stage complexity: parameters and multiply-accumulates of every experiment's network, selected or not."""

from typing import Any

import torch
import typer
from tqdm import tqdm

from mfaranet.data.prepared import DatasetRecord
from mfaranet.files import write_json
from mfaranet.inference import PROTOCOLS
from mfaranet.measure.complexity import complexity
from mfaranet.models import get_model
from mfaranet.settings import ComplexitySettings, EvaluateSettings, NetworkSettings, Size, Strict, size_name
from workflow.common import Paths, start, write_run
from workflow.planned import Planned


class Measured(Strict):
    """What is counted of an experiment."""

    network: NetworkSettings
    evaluate: EvaluateSettings


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Count one pass at the sizes of the section complexity and at those that the experiment's protocols see."""
    planned = Planned.read("complexity", dataset)
    asked: ComplexitySettings = planned.part("complexity", ComplexitySettings)
    paths = Paths(dataset)
    record = DatasetRecord.load(paths.data)
    experiments: dict[str, Measured] = planned.part("experiments", dict[str, Measured])
    wanted: dict[str, set[Size]] = {}  # many experiments share a network
    for each in experiments.values():
        sizes = {*asked.sizes, *input_sizes(each.evaluate).values()}
        wanted.setdefault(each.network.model_dump_json(), set()).update(sizes)
    counts = {
        network: count(NetworkSettings.model_validate_json(network), len(record.classes), sorted(sizes))
        for network, sizes in tqdm(wanted.items(), desc="complexity")
    }
    result = {
        name: {**counts[each.network.model_dump_json()], "input_sizes": input_sizes(each.evaluate)}
        for name, each in experiments.items()
    }
    write_json(paths.complexity / "complexity.json", result)
    write_run(paths.complexity, planned, record, weights=None, classes=len(record.classes), sizes=asked.sizes)


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


def input_sizes(settings: EvaluateSettings) -> dict[str, Size]:
    """Height and width of what the network sees in one pass of each protocol."""
    return {
        protocol: settings.window_size if PROTOCOLS[protocol].scales else settings.input_size
        for protocol in settings.protocols
    }


if __name__ == "__main__":
    start(main)
