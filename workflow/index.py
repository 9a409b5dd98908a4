"""Stage index: the page that links those of all data sets."""

from pathlib import Path

import typer

from mfaranet.files import read_json
from mfaranet.report.index import write_index
from workflow.common import start


def main() -> None:
    """Gather what each report says of its data set."""
    cards = [read_json(path) for path in sorted(Path("results/reports").glob("*.json"))]
    write_index(Path("results/report.html"), cards)
    typer.echo("index: results/report.html")


if __name__ == "__main__":
    start(main)
