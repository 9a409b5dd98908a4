"""Stage report: the page of one data set."""

import typer

from mfaranet.files import write_json
from mfaranet.report.content import BASE
from mfaranet.report.index import card
from mfaranet.report.layers import find_pictures
from mfaranet.report.page import write_report
from mfaranet.report.stored import Stored
from mfaranet.tables.settings import ReportSettings
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Write the page, and what the index says of it."""
    settings: ReportSettings = Planned.read("report", dataset).part("report", ReportSettings)
    paths, protocol = Paths(dataset, BASE), settings.shown.protocol
    stored = Stored(paths.results)
    pictures = find_pictures(stored, paths.data, paths.predictions / protocol, settings.figures.pictures)
    write_report(paths.report, stored, settings, pictures)
    write_json(paths.card, card(stored, protocol))
    typer.echo(f"report: {paths.report}")


if __name__ == "__main__":
    start(main)
