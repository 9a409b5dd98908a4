"""Stage train: one experiment on one data set."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import typer
from torch import nn

from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.models import get_model
from mfaranet.schema import NetworkSettings, TrainSettings
from mfaranet.training.loop import open_curves, train
from mfaranet.training.resume import Resume
from mfaranet.training.times import write_times
from mfaranet.weights.checkpoints import load_backbone
from mfaranet.weights.downloads import fetch_released
from workflow.common import Paths, read_json, start, write_run
from workflow.planned import Planned


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> bool:
    """Train, or take the authors' network, and write checkpoints, curves and a description of the run."""
    planned = Planned.read("train", dataset, experiment)
    chosen: TrainSettings = planned.part("train", TrainSettings)
    network: NetworkSettings = planned.part("network", NetworkSettings)
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    torch.manual_seed(chosen.seed)
    model = get_model(network.name, len(record.classes), **network.options)
    facts: dict[str, Any] = {
        "network": network.name,
        "options": network.options,
        "classes": record.classes,
        "colours": record.colours,
        "dataset": record.title,
    }
    if isinstance(chosen.size, int):  # else images have it already
        facts["input_size"] = asdict(chosen.input_size)
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
        write_times(paths.times, [])
    else:
        initial = initial_weights(planned, paths, experiment)
        weights = start_from(model, initial)
        facts["weights"] = weights
        resume = Resume(paths.resume, fingerprint(planned, initial, record))
        ran = train(
            model,
            chosen,
            paths.data,
            output=paths.checkpoints,
            curves=paths.training,
            facts=facts,
            times=paths.times,
            resume=resume,
        )
        if ran is None:
            return False  # another process of the same training writes
    write_run(paths.checkpoints, planned, record, **ran, weights=weights, split=chosen.split)
    return True


def initial_weights(planned: Planned, paths: Paths, experiment: str) -> tuple[Path, Any] | None:
    """The file that the encoder starts from and where it came from, as the stage weights left them; None for none.

    Raises:
        InputError: they could not be had.
    """
    note = read_json(paths.weights / f"{experiment}.json")
    name = note.pop("backbone")
    if "missing" in note:
        raise InputError(f"no ImageNet weights of {name}: {note['missing']}")
    if name is None:
        if planned.settings["weights"] != "none":
            network = planned.settings["network"]["name"]
            typer.echo(f"{network}: no ImageNet weights are known for it; training starts from scratch")
        return None
    return paths.weights / note.pop("file"), note


def start_from(model: nn.Module, initial: tuple[Path, Any] | None) -> Any:
    """Fill the encoder; return where its weights came from, for people."""
    if initial is None:
        return "none"
    path, origin = initial
    load_backbone(model, path)
    return origin


def fingerprint(planned: Planned, initial: tuple[Path, Any] | None, record: DatasetRecord) -> dict[str, str]:
    """What a training must have in common with a stopped one to go on from it."""
    return {
        "parameters": planned.digest(),
        "code": planned.code_digest(),
        "data": record.fingerprint,
        "initial weights": sha256(initial[0]) if initial else "none",
        "versions": f"torch {torch.__version__}",
    }


if __name__ == "__main__":
    start(main)
