"""Stage train: one experiment on one data set."""

import torch
import typer
from common import Paths, read_json, start, write_run

from mfaranet.checkpoints import load_backbone
from mfaranet.data.prepared import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.models import get_model
from mfaranet.params import load
from mfaranet.training import train


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Train, and write checkpoints, curves and a description of the run."""
    settings = load().settings(dataset, experiment)
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    name, options = settings.network.name, settings.network.options
    torch.manual_seed(settings.train.seed)
    model = get_model(name, len(record.classes), **options)
    weights = "none"
    if settings.weights == "imagenet":
        weights = read_json(paths.weights / "weights.json").get(options.get("backbone"))
        if weights is None:
            raise InputError(f"params.yaml: weights has no file for the backbone of experiments.{experiment}")
        load_backbone(model, paths.weights / f"{options['backbone']}.safetensors")
    facts = {
        "network": name,
        "options": options,
        "classes": record.classes,
        "colours": record.colours,
        "dataset": record.title,
        "weights": weights,
    }
    train(model, settings.train, paths.data, output=paths.checkpoints, curves=paths.training, facts=facts)
    used = ("data", "weights", "network", "train")
    write_run(paths.training, f"train@{dataset}-{experiment}", settings, used, record, weights=weights)


if __name__ == "__main__":
    start(main)
