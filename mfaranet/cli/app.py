"""All commands, in groups, and what is the same for each of them."""

from importlib.metadata import version
from typing import Annotated

import typer

from mfaranet.cli import networks, pipeline, trained
from mfaranet.errors import report_errors

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="MFARANet: networks, what they cost, what they see in your images, and the pipeline that trains them.",
    epilog="Exit status: 0 done; 1 bad input, or something needed is missing, as the message says; 2 wrong usage. "
    "Results go to stdout, all else to stderr.",
)
app.add_typer(trained.app)
app.add_typer(networks.app)
app.add_typer(pipeline.app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(version("mfaranet"))
        raise typer.Exit


@app.callback()
def _(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")] = (
        False
    ),
) -> None: ...


def main() -> None:
    """Entry point of the console script."""
    report_errors(app)
