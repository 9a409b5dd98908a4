"""Stage weights: the ImageNet weights that a data set's trainings start from, or none."""

import typer
from common import Paths, start

from mfaranet.files import write_json
from mfaranet.params import load
from mfaranet.weights import fetch_backbone


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Fetch, check and convert the backbones' weights."""
    params = load()
    output = Paths(dataset).weights
    origins = {}
    if params.profile(dataset).weights == "imagenet":
        origins = {name: fetch_backbone(name, source, output) for name, source in params.weights.items()}
    write_json(output / "weights.json", origins)
    typer.echo(f"ImageNet weights for {dataset}: {', '.join(origins) or 'none'}")


if __name__ == "__main__":
    start(main)
