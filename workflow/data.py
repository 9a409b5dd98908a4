"""Stage data: bring a data set into the prepared form, checked image by image."""

import typer

from mfaranet.datasets.preparation import prepare
from mfaranet.schema import DataSettings
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Prepare one data set."""
    settings: DataSettings = Planned.read("data", dataset).part("data", DataSettings)
    record = prepare(dataset, settings, Paths(dataset).data)
    typer.echo(f"{record.title}: {record.splits} images in {Paths(dataset).data}")


if __name__ == "__main__":
    start(main)
