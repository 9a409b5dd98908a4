"""Commands about networks: which there are, what they cost, how long they take."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from mfaranet.catalogue import CLASSES, SIZE, Cost, catalogue, count, recorded_costs
from mfaranet.cli.options import (
    DeviceOption,
    Json,
    Networks,
    Quiet,
    known_networks,
    parse_size,
    print_json,
    print_table,
)
from mfaranet.schema import size_name

app = typer.Typer(rich_markup_mode="markdown")
PANEL = "Networks"
_BLANK = "blank"


@app.command(rich_help_panel=PANEL)
def models(
    counted: Annotated[
        bool, typer.Option("--count", help="count parameters and GFLOPs now, in some seconds, rather than read them")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the networks: parameters, GFLOPs at 1024x2048 with 19 classes, published val mIoU, licence.

    GFLOPs are the paper's: multiply-accumulates by the official counter / 1024^3. They are read from results/ of this
    folder; elsewhere, as in an installed package, they are blank unless they are counted. What is not known is blank.
    The licence is that of the implementation that is followed; the code here is under MIT.
    """
    costs, origin = (_counted(), None) if counted else recorded_costs()
    listed = list(catalogue(costs))
    if json:
        print_json([asdict(each) for each in listed])
        return
    print_table(
        [
            {
                "name": each.name,
                "parameters": f"{each.params:,}" if each.params else _BLANK,
                f"GFLOPs at {size_name(SIZE)}": f"{each.gflops:.2f}" if each.gflops else _BLANK,
                "val mIoU published (%)": f"{100 * each.val_miou:.1f}" if each.val_miou else _BLANK,
                "implementation": each.implementation or _BLANK,
                "its licence": each.licence or "none stated",
            }
            for each in listed
        ]
    )
    if not quiet and not counted:
        typer.echo(f"\ncosts: {origin or 'nothing is recorded in results/ here; --count counts them'}", err=True)


def _counted() -> dict[str, Cost]:
    from tqdm import tqdm

    from mfaranet.models import list_models

    return {name: count(name) for name in tqdm(list_models(), desc="counting")}


@app.command(rich_help_panel=PANEL)
def complexity(
    networks: Networks,
    size: Annotated[str, typer.Option(help="HxW in pixels of the image")] = size_name(SIZE),
    classes: Annotated[int, typer.Option(min=1, help="that the network tells apart")] = CLASSES,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Count the parameters and multiply-accumulates of networks, with their default options, for one image.

    GFLOPs are the paper's: multiply-accumulates by the official counter / 1024^3.
    """
    names, pixels = known_networks(networks), parse_size(size)
    from tqdm import tqdm

    costs = {name: count(name, pixels, classes) for name in tqdm(names, desc="counting")}
    if json:
        print_json(
            [{"name": name, "size": pixels, **asdict(cost), "gflops": cost.gflops} for name, cost in costs.items()]
        )
        return
    print_table(
        [
            {
                "name": name,
                "size": size,
                "parameters": f"{cost.params:,}",
                "MACs": f"{cost.macs:,}",
                "GFLOPs": f"{cost.gflops:.2f}",
            }
            for name, cost in costs.items()
        ]
    )


@app.command(rich_help_panel=PANEL)
def latency(
    networks: Networks,
    size: Annotated[str, typer.Option(help="HxW in pixels of the image")] = "512x1024",
    device: DeviceOption = "auto",
    seconds: Annotated[float, typer.Option(min=0.01, help="of timed passes, for each network in each form")] = 5.0,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Time networks in turn, one image at a time, so that a machine that slows down slows all of them.

    Each as it is, with its normalisation folded into the convolutions, and deployed (as `mfaranet predict` runs it), in
    float32 and with initial weights, on which time does not depend. Nothing else should run meanwhile. Measurements
    that are recorded are the stage latency's.
    """
    names, pixels = known_networks(networks), parse_size(size)
    from mfaranet.measure.devices import take_device
    from mfaranet.measure.forms import in_form
    from mfaranet.measure.latency import measure
    from mfaranet.measure.machine import device_facts
    from mfaranet.models import get_model
    from mfaranet.schema import LatencySettings

    chosen = take_device(device)
    settings = LatencySettings(
        protocol="strict",
        device=device,
        precision="float32",
        tf32=True,
        memory_format="channels_first",
        forms=["deployed"],
        threads=None,
        sizes=[pixels],
        seconds=seconds,
        repeats=3,
        budget=4 * seconds + 60,  # one pass of the largest network takes many seconds on a CPU
        experiments=names,
    )
    models = {name: get_model(name) for name in names}
    turns = [(name, form) for name in names for form in settings.all_forms]
    timings = measure({f"{name} {form}": in_form(models[name], form) for name, form in turns}, settings, chosen)
    found: list[dict[str, Any]] = [
        {"name": name, "form": form, "size": pixels, **timings[f"{name} {form}"][size]} for name, form in turns
    ]
    if json:
        print_json({"machine": device_facts(chosen), "timings": found})
        return
    print_table(
        [
            {
                "name": each["name"],
                "form": each["form"],
                "FPS": f"{each['fps']:.2f}",
                **{f"{key} (ms)": f"{1000 * each[key]:.1f}" for key in ("p50", "p90", "p99")},
                "passes": str(each["passes"]),
            }
            for each in found
        ]
    )
    if not quiet:
        machine = device_facts(chosen)
        typer.echo(f"\none image of {size} on {machine['device']}; {machine['processor']}", err=True)
