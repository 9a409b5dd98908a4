"""Stage tables: one table of one data set as Markdown, CSV and LaTeX, and the origin of every cell as JSON."""

import typer

from mfaranet.params import load
from mfaranet.tables import build
from workflow.common import Paths, start


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    table: str = typer.Argument(help="a table of params.yaml"),
) -> None:
    """Render one table from stored results."""
    paths = Paths(dataset)
    params = load()
    made = build(table, params.table(table), params.tolerances, params.seeds, paths.results)
    made.write(paths.tables / table)
    typer.echo(f"table: {paths.tables / table}.md")


if __name__ == "__main__":
    start(main)
