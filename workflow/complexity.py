"""Stage complexity: parameters and multiply-accumulates of an experiment's network at its evaluation sizes."""

import torch
import typer
from common import Paths, start, write_run

from mfaranet.data.prepared import DatasetRecord
from mfaranet.files import write_json
from mfaranet.inference import PROTOCOLS
from mfaranet.measure.complexity import complexity
from mfaranet.models import get_model
from mfaranet.params import load


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Count, for each protocol, one pass of the network at the size it sees."""
    settings = load().settings(dataset, experiment)
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    with torch.device("meta"):
        model = get_model(settings.network.name, len(record.classes), **settings.network.options)
    counts = {}
    for protocol in settings.evaluate.protocols:
        size = settings.evaluate.window if PROTOCOLS[protocol].scales else settings.evaluate.size
        cost = complexity(model, size)
        counts[protocol] = {"input_size": size, "params": cost.params, "macs": cost.macs}
    write_json(paths.complexity / "complexity.json", counts)
    used = ("network", "evaluate")
    write_run(paths.complexity, f"complexity@{dataset}-{experiment}", settings, used, record, weights=None)


if __name__ == "__main__":
    start(main)
