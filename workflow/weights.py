"""Stage weights: the ImageNet weights that a data set's trainings start from, or none."""

from typing import Any

import typer

from mfaranet.errors import InputError
from mfaranet.files import write_json
from mfaranet.schema import WeightsFile
from mfaranet.weights.downloads import fetch_backbone
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Fetch, check and convert the weights of the backbones, and write for each training which it starts from.

    A training depends on its own note alone. Weights that cannot be had stop the trainings that need them, not this.
    """
    planned = Planned.read("weights", dataset)
    output = Paths(dataset).weights
    origins = {}
    files: dict[str, WeightsFile | None] = planned.part("files", dict[str, WeightsFile | None])
    for name, file in files.items():
        try:
            if file is None:
                raise InputError(f"params.yaml: weights has no file for the backbone {name}; add one")
            origins[name] = fetch_backbone(name, file, output)
        except InputError as error:
            typer.secho(f"{name}: {error}", fg="red", err=True)
            origins[name] = {"missing": str(error)}
    for experiment, name in planned.settings["experiments"].items():
        note: dict[str, Any] = {"backbone": name, **origins[name]} if name else {"backbone": None}
        write_json(output / f"{experiment}.json", note)
    typer.echo(f"ImageNet weights for {dataset}: {', '.join(origins) or 'none'}")


if __name__ == "__main__":
    start(main)
