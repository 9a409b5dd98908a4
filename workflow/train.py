"""Stage train: one experiment on one data set."""

from typing import Any

import torch
import typer
from common import Paths, read_json, start, write_run
from dvclive.live import Live
from torch import nn

from mfaranet.checkpoints import load_backbone
from mfaranet.data.prepared import DatasetRecord
from mfaranet.models import get_model
from mfaranet.params import load
from mfaranet.settings import Settings
from mfaranet.training import train
from mfaranet.weights import fetch_released


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Train, or take the authors' network, and write checkpoints, curves and a description of the run."""
    settings = load().settings(dataset, experiment)
    chosen = settings.train
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    torch.manual_seed(chosen.seed)
    model = get_model(settings.network.name, len(record.classes), **settings.network.options)
    facts: dict[str, Any] = {
        "network": settings.network.name,
        "options": settings.network.options,
        "classes": record.classes,
        "colours": record.colours,
        "dataset": record.title,
    }
    weights: Any
    if chosen.released:
        key = f"experiments.{experiment}.train.released"
        released = fetch_released(model, chosen.released, key, paths.checkpoints, facts)
        weights = {"released": released}
        typer.echo(
            f"entries of the file that the network has no place for: {', '.join(released['left_out']) or 'none'}"
        )
        with Live(str(paths.training), save_dvc_exp=False, dvcyaml=None) as live:
            live.log_metric("epoch", released["epoch"] or 0)
    else:
        weights = start_from(model, settings, paths)
        facts["weights"] = weights
        train(model, chosen, paths.data, output=paths.checkpoints, curves=paths.training, facts=facts)
    used = ("data", "weights", "network", "train")
    stage = f"train@{dataset}-{experiment}"
    write_run(paths.training, stage, [settings], used, record, weights=weights, split=chosen.split)


def start_from(model: nn.Module, settings: Settings, paths: Paths) -> Any:
    """Fill the backbone as the profile says; return where its weights came from."""
    if settings.weights == "none":
        return "none"
    backbone = settings.network.options.get("backbone")
    if not backbone:
        return "none"
    load_backbone(model, paths.weights / f"{backbone}.safetensors")
    return read_json(paths.weights / "weights.json")[backbone]


if __name__ == "__main__":
    start(main)
