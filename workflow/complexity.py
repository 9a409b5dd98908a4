"""Stage complexity: parameters and multiply-accumulates of each experiment's network at its evaluation sizes."""

import torch
import typer
from common import Paths, start, write_run

from mfaranet.data.prepared import DatasetRecord
from mfaranet.files import write_json
from mfaranet.inference import PROTOCOLS
from mfaranet.measure.complexity import complexity
from mfaranet.models import get_model
from mfaranet.params import load
from mfaranet.settings import Settings


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Count, for each selected or pruned experiment and protocol, one pass of the network at the size it sees."""
    params = load()
    settings = {name: params.settings(dataset, name) for name in params.measured_experiments}
    paths = Paths(dataset)
    record = DatasetRecord.load(paths.data)
    counts = {name: count(each, len(record.classes)) for name, each in settings.items()}
    write_json(paths.complexity / "complexity.json", counts)
    stage, used = f"complexity@{dataset}", ("network", "evaluate")
    write_run(paths.complexity, stage, list(settings.values()), used, record, weights=None)


def count(settings: Settings, num_classes: int) -> dict[str, dict[str, object]]:
    """For each protocol the input size, parameters and multiply-accumulates of one pass."""
    with torch.device("meta"):
        model = get_model(settings.network.name, num_classes, **settings.network.options)
    counts: dict[str, dict[str, object]] = {}
    for protocol in settings.evaluate.protocols:
        sliding = PROTOCOLS[protocol].scales
        size = settings.evaluate.window_size if sliding else settings.evaluate.input_size
        cost = complexity(model, size)
        counts[protocol] = {"input_size": size, "params": cost.params, "macs": cost.macs}
    return counts


if __name__ == "__main__":
    start(main)
