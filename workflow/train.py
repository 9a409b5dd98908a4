"""Stage train: one experiment on one data set."""

from pathlib import Path
from typing import Any

import torch
import typer
from torch import nn

from mfaranet.checkpoints import load_backbone
from mfaranet.data.prepared import DatasetRecord
from mfaranet.files import sha256
from mfaranet.models import get_model
from mfaranet.params import load
from mfaranet.resume import Resume
from mfaranet.settings import Settings
from mfaranet.training import open_curves, train
from mfaranet.weights import fetch_released
from workflow.common import Paths, read_json, start, write_run
from workflow.snapshot import at_start

USED = ("data", "weights", "network", "train")


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> bool:
    """Train, or take the authors' network, and write checkpoints, curves and a description of the run."""
    settings = load().settings(dataset, experiment)
    chosen = settings.train
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    code = at_start("train", dataset=dataset, experiment=experiment).code_digest()
    resume = Resume(paths.resume, fingerprint(settings, code, paths, record))
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
    ran: dict[str, Any] | None = {}
    if chosen.released:
        key = f"experiments.{experiment}.train.released"
        released = fetch_released(model, chosen.released, key, paths.checkpoints, facts)
        weights = {"released": released}
        typer.echo(
            f"entries of the file that the network has no place for: {', '.join(released['left_out']) or 'none'}"
        )
        with open_curves(paths.training) as live:
            live.log_metric("epoch", released["epoch"] or 0)
    else:
        weights = start_from(model, settings, paths)
        facts["weights"] = weights
        ran = train(
            model, chosen, paths.data, output=paths.checkpoints, curves=paths.training, facts=facts, resume=resume
        )
        if ran is None:
            return False  # another process of the same training writes
    stage = f"train@{dataset}-{experiment}"
    write_run(paths.training, stage, [settings], USED, record, **ran, weights=weights, split=chosen.split)
    return True


def start_from(model: nn.Module, settings: Settings, paths: Paths) -> Any:
    """Fill the backbone as the profile says; return where its weights came from."""
    path = initial_weights(settings, paths)
    if path is None:
        if settings.weights != "none":
            typer.echo(f"{settings.network.name}: no ImageNet weights are known for it; training starts from scratch")
        return "none"
    load_backbone(model, path)
    return read_json(paths.weights / "weights.json")[path.stem]


def initial_weights(settings: Settings, paths: Paths) -> Path | None:
    """The file that the backbone starts from; None for none."""
    backbone = settings.network.options.get("backbone")
    return paths.weights / f"{backbone}.safetensors" if settings.weights != "none" and backbone else None


def fingerprint(settings: Settings, code: str, paths: Paths, record: DatasetRecord) -> dict[str, str]:
    """What a training must have in common with a stopped one to go on from it; ``code`` is a digest."""
    weights = initial_weights(settings, paths)
    return {
        "parameters": settings.digest(*USED),
        "code": code,
        "data": record.fingerprint,
        "initial weights": sha256(weights) if weights and weights.exists() else "none",
        "versions": f"torch {torch.__version__}",
    }


if __name__ == "__main__":
    start(main)
