"""Stage weights: the ImageNet weights that a data set's trainings start from, or none."""

from pathlib import Path
from typing import Any

import typer

from mfaranet.errors import InputError
from mfaranet.files import write_json
from mfaranet.models import get_model
from mfaranet.schema import ImageNetFile
from workflow.common import Paths, start
from workflow.planned import Planned

Files = dict[str, ImageNetFile | None]


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Fetch, check and convert the weights of the encoders, and write for each training which it starts from.

    A training depends on its own note alone. Weights that cannot be had stop the trainings that need them, not this.
    """
    planned = Planned.read("weights", dataset)
    output = Paths(dataset).weights
    files: Files = planned.part("files", Files)
    notes: dict[str, dict[str, Any]] = {}
    for experiment, begin in planned.settings["experiments"].items():
        if begin and begin["file"] not in notes:
            notes[begin["file"]] = _note(begin, files, output)
        write_json(output / f"{experiment}.json", notes[begin["file"]] if begin else {"backbone": None})
    typer.echo(f"ImageNet weights for {dataset}: {', '.join(files) or 'none'}")


def _note(begin: dict[str, Any], files: Files, output: Path) -> dict[str, Any]:
    """Which file a training starts from, and where it came from; or why it cannot be had."""
    import torch  # which takes seconds, and trainings from scratch need none of it

    from mfaranet.weights.downloads import fetch_encoder

    name, network = begin["weights"], begin["network"]
    note = {"backbone": name, "file": begin["file"]}
    try:
        source = files[name]
        if source is None:
            raise InputError(f"params.yaml: weights has no file for the backbone {name}; add one")
        with torch.device("meta"):
            model = get_model(network["name"], **network["options"])
        return {**note, **fetch_encoder(model, source, f"weights.{name}", output / begin["file"])}
    except InputError as error:
        typer.secho(f"{name}: {error}", fg="red", err=True)
        return {**note, "missing": str(error)}


if __name__ == "__main__":
    start(main)
