"""Stage data: bring a data set into the prepared form, checked image by image."""

import typer

from mfaranet.data.preparation import prepare
from mfaranet.params import load
from workflow.common import Paths, start


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Prepare one data set."""
    record = prepare(dataset, load().profile(dataset).data, Paths(dataset).data)
    typer.echo(f"{record.title}: {record.splits} images in {Paths(dataset).data}")


if __name__ == "__main__":
    start(main)
