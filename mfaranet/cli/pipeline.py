"""Commands about the pipeline of this folder: its settings, its data, its tables, what it lacks."""

from pathlib import Path
from typing import Annotated

import typer

import mfaranet
from mfaranet.cli.options import Json, Quiet, print_json
from mfaranet.errors import InputError

app = typer.Typer(rich_markup_mode="markdown")
PANEL = "The pipeline of this folder"


@app.command(rich_help_panel=PANEL)
def doctor(
    file: Annotated[Path, typer.Option(help="the settings")] = Path("params.yaml"),
    json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="only what is missing")] = False,
) -> None:
    """Look for what this machine and this folder lack for the pipeline: packages, git, DVC, data, weights, room.

    Each line says how to mend it. Exit status 1 when something needed is missing. Nothing is changed or downloaded.
    """
    from dataclasses import asdict

    from mfaranet.doctor.examination import examine
    from mfaranet.doctor.surroundings import versions

    found = examine(file)
    missing = [each for each in found if each.state == "missing"]
    if json:
        print_json({"versions": versions(), "missing": len(missing), "findings": [asdict(each) for each in found]})
    else:
        for each in missing if quiet else found:
            colour = {"ok": "green", "missing": "red", "note": "yellow"}[each.state]
            typer.echo(f"{typer.style(f'{each.state:8}', fg=colour)}{each.about}: {each.text}")
    if missing:
        raise typer.Exit(1)


@app.command(rich_help_panel=PANEL)
def params(
    dataset: Annotated[str | None, typer.Argument(help="data set, to print its merged settings")] = None,
    experiment: Annotated[str, typer.Argument(help="experiment to print")] = "base",
    file: Annotated[Path, typer.Option(help="the file to check")] = Path("params.yaml"),
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Check params.yaml, and print the settings that one run would use.

    What a network's own options may be is left to the stage check, which builds all of them.
    """
    import yaml

    from mfaranet.params import load

    _refuse_another_folders_code()
    checked = load(file)
    if dataset is None:
        if json:
            print_json({"datasets": list(checked.profiles), "experiments": list(checked.experiments)})
        elif not quiet:
            typer.echo(f"{file} is valid: {len(checked.profiles)} data sets, {len(checked.experiments)} experiments")
        return
    settings = checked.settings(dataset, experiment).model_dump(mode="json")
    if json:
        print_json(settings)
    else:
        typer.echo(yaml.safe_dump(settings, sort_keys=False))


@app.command("check-data", rich_help_panel=PANEL)
def check_data(
    folder: Annotated[Path, typer.Argument(help="photographs in images/, masks at the same paths in masks/")],
    name: Annotated[str | None, typer.Option(help="of the data set; the folder's by default")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Look at a data set of your own, and print a profile for the end of params.yaml.

    What is found, and what is wrong, goes to stderr, so that `>> params.yaml` appends the profile alone. Give the
    classes their names there.
    """
    import yaml

    from mfaranet.datasets.looking import describe, look, profile, profile_name

    found = look(folder)
    text = profile(found, name or profile_name(folder))
    if json:
        problems = [{"problem": str(each), "mend": each.mend} for each in found.problems]
        print_json({"found": describe(found), "problems": problems, "profile": yaml.safe_load(text)})
        return
    if not quiet:
        typer.echo("\n".join(describe(found)), err=True)
    typer.echo(text, nl=False)


@app.command(rich_help_panel=PANEL)
def trace(
    table: Annotated[Path, typer.Argument(help="a table in results/, such as results/sample/tables/pruned.md")],
    row: Annotated[str, typer.Argument(help="experiment, network or other label of the row, or of several rows")],
    column: Annotated[str, typer.Argument(help="header of the column; its unit may be left out")],
    json: Json = False,
) -> None:
    """Print where the cells of a table came from: files, stages, settings, code, data, weights."""
    from mfaranet.tables.cells import describe
    from mfaranet.tables.cells import trace as find

    found = list(find(table, row, column))
    if json:
        print_json(
            [{"row": labels, "text": cell.text, "value": cell.value, "origin": cell.origin} for labels, cell in found]
        )
        return
    for labels, cell in found:
        typer.secho(f"{' | '.join(labels)}: {cell.text or 'blank'}", bold=True)
        typer.echo(describe(cell.value, cell.origin))


@app.command(rich_help_panel=PANEL)
def report(
    dataset: Annotated[str, typer.Argument(help="data set with results in results/")],
    against: Annotated[
        str | None, typer.Option(metavar="REV", help="show what changed since this commit, branch or experiment")
    ] = None,
    output: Annotated[Path, typer.Option(help="the page to write")] = Path("report.html"),
    quiet: Quiet = False,
) -> None:
    """Write one HTML file of what is recorded of a data set; or of what changed, by DVC's own comparison.

    The first is what the stage report writes, for a folder in which it has not run. Run it where params.yaml is.
    """
    from mfaranet.report.making import make_difference, make_report

    _refuse_another_folders_code()
    if against is None:
        make_report(dataset, output)
    else:
        make_difference(dataset, against, output)
    if not quiet:
        typer.echo(str(output))


@app.command("open", rich_help_panel=PANEL)
def open_report(
    dataset: Annotated[str | None, typer.Argument(help="data set; all of them by default")] = None,
    path: Annotated[bool, typer.Option("--print", help="print where the page is, and open nothing")] = False,
) -> None:
    """Open the page of a data set, or the index of all, in the browser."""
    page = Path("results", dataset or "", "report.html")
    if not page.exists():
        stage = f"report@{dataset}" if dataset else "index"
        raise InputError(
            f"{page} is not there; `dvc repro {stage}` makes it, or `mfaranet report` from what is recorded"
        )
    typer.echo(str(page.resolve()))
    if not path:
        typer.launch(str(page.resolve()))


def _refuse_another_folders_code() -> None:
    own, here = Path(mfaranet.__file__), Path("mfaranet/__init__.py")
    if here.exists() and not here.samefile(own):
        raise InputError(f"this is the code of {own.parents[1]}; for that of this folder run `python -m mfaranet`")
