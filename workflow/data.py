"""Stage data: bring a data set into the prepared form, checked image by image, after a check of all settings."""

import typer
from common import Paths, start

from mfaranet.data import prepare
from mfaranet.params import check_networks, load


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Prepare one data set."""
    params = load()
    check_networks(params)
    record = prepare(dataset, params.profile(dataset).data, Paths(dataset).data)
    typer.echo(f"{record.title}: {record.splits} images in {Paths(dataset).data}")


if __name__ == "__main__":
    start(main)
