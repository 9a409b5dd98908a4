"""The command line `mfaranet`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from mfaranet.errors import InputError, report_errors

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="MFARANet: networks, settings, predictions, origins."
)


@app.command()
def models() -> None:
    """List the networks."""
    from mfaranet.models import list_models

    typer.echo("\n".join(list_models()))


@app.command()
def params(
    dataset: Annotated[str | None, typer.Argument(help="data set, to print its merged settings")] = None,
    experiment: Annotated[str, typer.Argument(help="experiment to print")] = "base",
    file: Annotated[Path, typer.Option(help="the file to check")] = Path("params.yaml"),
) -> None:
    """Check params.yaml, and print the settings that one run would use.

    What a network's own options may be is left to the stage check, which builds
    all of them.
    """
    import yaml

    from mfaranet.params import load

    _refuse_another_folders_code()
    checked = load(file)
    if dataset is None:
        typer.echo(f"{file} is valid: {len(checked.profiles)} data sets, {len(checked.experiments)} experiments")
    else:
        settings = checked.settings(dataset, experiment).model_dump(mode="json")
        typer.echo(yaml.safe_dump(settings, sort_keys=False))


@app.command("check-data")
def check_data(
    folder: Annotated[Path, typer.Argument(help="photographs in images/, masks at the same paths in masks/")],
    name: Annotated[str | None, typer.Option(help="of the data set; the folder's by default")] = None,
) -> None:
    """Look at a data set of your own, and print a profile for the end of params.yaml.

    What is found, and what is wrong, goes to stderr, so that `>> params.yaml`
    appends the profile alone. Give the classes their names there.
    """
    from mfaranet.datasets.looking import describe, look, profile, profile_name

    found = look(folder)
    typer.echo("\n".join(describe(found)), err=True)
    typer.echo(profile(found, name or profile_name(folder)), nl=False)


@app.command()
def convert(
    file: Annotated[Path, typer.Argument(help="the authors' .pth, trained on Cityscapes")],
    output: Annotated[Path, typer.Argument(help="the file to write, .safetensors")],
    experiment: Annotated[str, typer.Option(help="experiment of params.yaml with the network's options")] = "base",
    force: Annotated[
        bool, typer.Option("--force", help="replace what an earlier convert wrote, and only that")
    ] = False,
) -> None:
    """Bring a trained network of the authors into our form, for `mfaranet predict`.

    No file is replaced that convert did not write.
    """
    from mfaranet.params import load
    from mfaranet.predict import convert_released

    found = convert_released(file, output, load().settings("cityscapes", experiment).network, force=force)
    typer.echo(f"{output}: epoch {found.epoch}; left out: {', '.join(found.left_out) or 'nothing'}")
    if found.untouched:
        typer.echo(f"not in the file, training-only and left as initialised: {', '.join(found.untouched)}")


@app.command()
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="best.safetensors or last.safetensors of a training run")],
    images: Annotated[list[Path], typer.Argument(help="PNG, JPEG, WebP, AVIF, TIFF, JPEG 2000, BMP, GIF or PNM")],
    output: Annotated[Path, typer.Option(help="folder for the label maps, one colour PNG an image")],
    force: Annotated[
        bool, typer.Option("--force", help="replace what an earlier predict wrote, and only that")
    ] = False,
) -> None:
    """Segment images with a trained network, the whole image at once, at its own
    size or with the longer side that images of several sizes had in training.

    Images are turned upright by their EXIF orientation. Of 16 bits the upper 8
    count. What is transparent lies over white. Animated images, several pages
    and float pixels are refused. No file is replaced that predict did not write.
    """
    from mfaranet.predict import segment

    for path in segment(checkpoint, images, output, force=force):
        typer.echo(str(path))


@app.command()
def export(
    checkpoint: Annotated[Path, typer.Argument(help="best.safetensors or last.safetensors of a training run")],
    to: Annotated[Literal["onnx", "torch-export", "openvino"], typer.Option(help="format of the file")],
    size: Annotated[str | None, typer.Option(help="HxW in pixels of the one image that goes in")] = None,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="any number of images of any size go in")] = False,
    precision: Annotated[Literal["fp32", "fp16", "int8"], typer.Option(help="of weights and features")] = "fp32",
    scores: Annotated[bool, typer.Option("--scores", help="scores of the classes come out, not labels")] = False,
    data: Annotated[
        Path | None, typer.Option(help="folder of a prepared data set, as data/sample; int8 needs it")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="the file to write; by default beside the checkpoint")] = None,
    force: Annotated[bool, typer.Option("--force", help="replace what an earlier export wrote, and only that")] = False,
) -> None:
    """Write a trained network for other programs: images (N, 3, H, W), uint8, RGB, in; label maps, uint8, out.

    The file is run and compared with the network in PyTorch, on images of the data set or on drawn ones, before it is
    put in place. No file is replaced that export did not write. docs/deployment.md says more.
    """
    from mfaranet.deployment.export import Form, export, parse_size

    if bool(size) == dynamic:
        raise InputError("give --size HxW, as 512x1024, for one image of that size, or --dynamic for any")
    made = export(
        checkpoint, Form(to, parse_size(size) if size else None, precision, scores), output, data=data, force=force
    )
    typer.echo(
        f"{made.path}: {100 * made.agreement.share:.3f} % of pixels have the label of PyTorch's network; ", nl=False
    )
    meaning = "scores differ by at most" if scores else "where labels differ, its scores do by at most"
    typer.echo(f"{meaning} {made.agreement.difference:.2g}")
    if made.miou:
        typer.echo("mIoU on val: " + ", ".join(f"{name} {100 * value:.2f} %" for name, value in made.miou.items()))


@app.command()
def trace(
    table: Annotated[Path, typer.Argument(help="a table in results/, such as results/sample/tables/pruned.md")],
    row: Annotated[str, typer.Argument(help="experiment, network or other label of the row, or of several rows")],
    column: Annotated[str, typer.Argument(help="header of the column; its unit may be left out")],
) -> None:
    """Print where the cells of a table came from: files, stages, settings, code, data, weights."""
    from mfaranet.tables.cells import describe
    from mfaranet.tables.cells import trace as find

    for labels, cell in find(table, row, column):
        typer.secho(f"{' | '.join(labels)}: {cell.text or 'blank'}", bold=True)
        typer.echo(describe(cell.value, cell.origin))


@app.command()
def report(
    dataset: Annotated[str, typer.Argument(help="data set with results in results/")],
    against: Annotated[
        str | None, typer.Option(metavar="REV", help="show what changed since this commit, branch or experiment")
    ] = None,
    output: Annotated[Path, typer.Option(help="the page to write")] = Path("report.html"),
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
    typer.echo(str(output))


@app.command("open")
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
    own, here = Path(__file__), Path("mfaranet/cli.py")
    if here.exists() and not here.samefile(own):
        raise InputError(f"this is the code of {own.parents[1]}; for that of this folder run `python -m mfaranet`")


def main() -> None:
    """Entry point of the console script."""
    report_errors(app)
