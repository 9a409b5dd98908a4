"""Stage weights: the ImageNet weights that a data set's trainings start from, or none."""

import typer

from mfaranet.errors import InputError
from mfaranet.files import write_json
from mfaranet.params import Params, load
from mfaranet.weights import fetch_backbone
from workflow.common import Paths, start


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Fetch, check and convert the weights of the backbones that the selected experiments train."""
    params = load()
    output = Paths(dataset).weights
    origins = {}
    if params.profile(dataset).weights == "imagenet":
        for name in backbones(params, dataset):
            if name not in params.weights:
                raise InputError(f"params.yaml: weights has no file for the backbone {name}; add one")
            origins[name] = fetch_backbone(name, params.weights[name], output)
    write_json(output / "weights.json", origins)
    typer.echo(f"ImageNet weights for {dataset}: {', '.join(origins) or 'none'}")


def backbones(params: Params, dataset: str) -> list[str]:
    """The backbones that the selected experiments train."""
    selected = [params.settings(dataset, experiment) for experiment in params.selected_experiments]
    names = {each.network.options.get("backbone") for each in selected if not each.train.released}
    return sorted(name for name in names if name)


if __name__ == "__main__":
    start(main)
