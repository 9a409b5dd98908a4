"""Commands that use trained networks."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mfaranet.cli.options import Checkpoint, DeviceOption, FirstCheckpoint, Quiet, parse_size
from mfaranet.errors import InputError
from mfaranet.schema import ProtocolName

app = typer.Typer(rich_markup_mode="markdown")
PANEL = "Trained networks"

Protocol = Annotated[
    ProtocolName, typer.Option(help="how the network sees an image; all but full_image take sliding windows")
]
Window = Annotated[
    str | None, typer.Option(help="HxW in pixels of a sliding window; by default the crops of the training")
]


@app.command(rich_help_panel=PANEL)
def predict(
    checkpoint: Checkpoint,
    images: Annotated[
        list[Path],
        typer.Argument(
            help="pictures (PNG, JPEG, WebP, AVIF, TIFF, JPEG 2000, BMP, GIF, PNM), folders, patterns in quotes, videos"
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="folder for the results, in it the folders of the images")
    ],
    kind: Annotated[
        Literal["labels", "colour", "overlay", "probabilities"],
        typer.Option("--as", help="class indices; the classes' colours; these over the image; an .npz of float16"),
    ] = "colour",
    protocol: Protocol = "full_image",
    window: Window = None,
    batch: Annotated[int, typer.Option(min=1, help="images of one size in a row that go through together")] = 1,
    device: DeviceOption = "auto",
    force: Annotated[
        bool, typer.Option("--force", help="replace what an earlier predict wrote, and only that")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Segment pictures and videos with a trained network.

    An image is seen at its own size, or resized as in training. Where that does not fit into memory, take
    `--protocol single_scale`, which slides a window.

    Pictures are turned upright by their EXIF orientation. Of 16 bits the upper 8 count. What is transparent lies over
    white. Animated images, several pages and float pixels are refused. Beside colours lies legend.png.

    Of a video comes an MP4; as labels, which that would blur, a folder of a PNG a frame; as probabilities nothing: a
    minute of them would take gigabytes.

    No file is replaced that predict did not write. What cannot be read is named at the end, with exit status 1, and the
    others are done.
    """
    from mfaranet.predict.segment import segment

    report = segment(
        checkpoint,
        images,
        output,
        kind=kind,
        batch=batch,
        force=force,
        device=device,
        protocol=protocol,
        window=parse_size(window, "--window") if window else None,
    )
    if not quiet:
        for path in report.written:
            typer.echo(bytes(path))  # a name need not be UTF-8
    if report.failed:
        total = len(report.written) + len(report.failed)
        raise InputError(
            report.failed[0]
            if total == 1
            else f"not segmented, {len(report.failed)} of {total}:\n  " + "\n  ".join(report.failed)
        )


@app.command(rich_help_panel=PANEL)
def demo(
    checkpoint: FirstCheckpoint = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="of the address; 0: any free one")] = 8765,
    protocol: Protocol = "full_image",
    window: Window = None,
    device: DeviceOption = "auto",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open the page in the browser")] = True,
) -> None:
    """Segment a picture, a video or the camera on a page in the browser, until Ctrl-C.

    The page offers all trainings of this folder. It is for this machine alone (127.0.0.1), and takes nothing from
    elsewhere. Uploads are removed once they are seen; of a video it shows the first 500 frames.
    """
    try:
        from mfaranet.demo.server import serve
    except ModuleNotFoundError as error:
        raise InputError(f"{error}: the page needs libraries of its own; pip install 'mfaranet[demo]'") from None
    from mfaranet.predict.predictor import load
    from mfaranet.runs import offered_runs

    def ready(address: str) -> None:
        typer.echo(f"{address} (Ctrl-C ends it)")
        if browser:
            typer.launch(address)

    options: Any = {
        "device": device,
        "protocol": protocol,
        "window": parse_size(window, "--window") if window else None,
    }
    serve(offered_runs(checkpoint), partial(load, **options), port, ready)


@app.command(rich_help_panel=PANEL)
def convert(
    file: Annotated[Path, typer.Argument(help="the authors' .pth, trained on Cityscapes")],
    output: Annotated[Path, typer.Argument(help="the file to write, .safetensors")],
    experiment: Annotated[str, typer.Option(help="experiment of params.yaml with the network's options")] = "base",
    force: Annotated[
        bool, typer.Option("--force", help="replace what an earlier convert wrote, and only that")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Bring a trained network of the authors into our form, for `mfaranet predict`.

    No file is replaced that convert did not write.
    """
    from mfaranet.params import load
    from mfaranet.weights.conversion import convert_released

    found = convert_released(file, output, load().settings("cityscapes", experiment).network, force=force)
    if quiet:
        return
    typer.echo(f"{output}: epoch {found.epoch}; left out: {', '.join(found.left_out) or 'nothing'}")
    if found.untouched:
        typer.echo(f"not in the file, training-only and left as initialised: {', '.join(found.untouched)}")


@app.command(rich_help_panel=PANEL)
def export(
    checkpoint: Checkpoint,
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
    quiet: Quiet = False,
) -> None:
    """Write a trained network for other programs: images (N, 3, H, W), uint8, RGB, in; label maps, uint8, out.

    The file is run and compared with the network in PyTorch, on images of the data set or on drawn ones, before it is
    put in place. No file is replaced that export did not write. docs/deployment.md says more.
    """
    from mfaranet.deployment.export import Form, export
    from mfaranet.runs import checkpoint_of

    if bool(size) == dynamic:
        raise InputError("give --size HxW, as 512x1024, for one image of that size, or --dynamic for any")
    form = Form(to, parse_size(size) if size else None, precision, scores)
    made = export(checkpoint_of(checkpoint), form, output, data=data, force=force)
    if quiet:
        return
    typer.echo(
        f"{made.path}: {100 * made.agreement.share:.3f} % of pixels have the label of PyTorch's network; ", nl=False
    )
    meaning = "scores differ by at most" if scores else "where labels differ, its scores do by at most"
    typer.echo(f"{meaning} {made.agreement.difference:.2g}")
    if made.miou:
        typer.echo("mIoU on val: " + ", ".join(f"{name} {100 * value:.2f} %" for name, value in made.miou.items()))
