"""Stage latency: how long the experiments' networks take for one image, all in one interleaved run."""

import torch
import typer
from torch import nn

from mfaranet.data.record import DatasetRecord
from mfaranet.files import write_json
from mfaranet.measure.forms import in_form
from mfaranet.measure.latency import measure
from mfaranet.measure.machine import allow_tf32, choose_device, device_facts, device_name
from mfaranet.models import get_model
from mfaranet.schema import LatencySettings
from workflow.common import Paths, entry_run, kept, start, write_run
from workflow.planned import Planned
from workflow.sources import digest


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    measurement: str = typer.Argument(help="a measurement of params.yaml's section latency"),
) -> None:
    """Time each network as it is, with its batch normalisation folded into the convolutions, and in the other forms.

    With initial weights: what a pass takes does not depend on them, and so no training makes a measurement stale.
    """
    planned = Planned.read("latency", dataset, measurement)
    settings: LatencySettings = planned.part("measurement", LatencySettings)
    paths = Paths(dataset)
    record = DatasetRecord.load(paths.data)
    device = choose_device(settings.device, f"latency.{measurement}.device")
    allow_tf32(settings.tf32)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    machine = device_facts(device)
    how = {**machine, "torch": torch.__version__, "classes": len(record.classes)}
    how |= {key: value for key, value in planned.settings["measurement"].items() if key != "experiments"}
    made_of = {name: digest({**how, **each}) for name, each in planned.settings["networks"].items()}
    name = f"{device_name(device)}-{settings.precision}-{settings.memory_format}-torch{torch.__version__}.json"
    file = name.lower().replace(" ", "_")
    path = paths.latency / measurement / file
    result = kept(path, made_of)
    forms: dict[str, nn.Module] = {}
    networks = {name: each["network"] for name, each in planned.settings["networks"].items()}
    for name, network in networks.items():
        if name not in result:
            model = get_model(network["name"], len(record.classes), **network["options"])
            forms |= {f"{name} {form}": in_form(model, form) for form in settings.all_forms}
    timings = measure(forms, settings, device)
    result |= {
        name: {
            "network": network["name"],
            "sizes": {
                size: {form: timings[f"{name} {form}"][size] for form in settings.all_forms}
                for size in timings[f"{name} unfolded"]
            },
            "run": entry_run(made_of[name]),
        }
        for name, network in networks.items()
        if name not in result
    }
    write_json(path, {name: result[name] for name in networks})
    write_run(
        path.parent,
        planned,
        record,
        weights=None,
        file=file,
        **machine,
        measurement=settings.model_dump(mode="json"),
    )


if __name__ == "__main__":
    start(main)
