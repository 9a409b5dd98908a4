"""Stage tables: one table of one data set as Markdown, CSV and LaTeX, and the origin of every cell as JSON."""

import typer

from mfaranet.tables.build import build
from mfaranet.tables.settings import TableSettings, Tolerances
from workflow.common import Paths, start
from workflow.planned import Planned


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    table: str = typer.Argument(help="a table of params.yaml"),
) -> None:
    """Render one table from stored results."""
    paths = Paths(dataset)
    planned = Planned.read("tables", dataset, table)
    definition, tolerances = planned.part("table", TableSettings), planned.part("tolerances", Tolerances)
    made = build(table, definition, tolerances, planned.settings["experiments"], paths.results)
    made.write(paths.tables / table)
    typer.echo(f"table: {paths.tables / table}.md")


if __name__ == "__main__":
    start(main)
