"""Stage latency: how long the experiments' networks take for one image, all in one interleaved run."""

import os
import platform
from pathlib import Path

import torch
import typer
from torch import nn

from mfaranet.checkpoints import load_trained
from mfaranet.data.prepared import DatasetRecord
from mfaranet.devices import allow_tf32, choose_device, device_facts, device_name
from mfaranet.files import write_json
from mfaranet.measure.folding import fold_batch_norm
from mfaranet.measure.latency import measure
from mfaranet.models import get_model
from mfaranet.params import Params, load
from workflow.common import Paths, start, write_run


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    measurement: str = typer.Argument(help="a measurement of params.yaml's section latency"),
) -> None:
    """Time each network with its batch normalisation as it is, and folded into the convolutions."""
    params = load()
    settings = params.measurement(dataset, measurement)
    paths = Paths(dataset)
    record = DatasetRecord.load(paths.data)
    device = choose_device(settings.device, f"latency.{measurement}.device")
    allow_tf32(settings.tf32)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    loaded = {name: load_network(params, dataset, name, len(record.classes)) for name in settings.experiments}
    forms: dict[str, nn.Module] = {}
    for name, (network, _) in loaded.items():
        forms[f"{name} unfolded"] = network
        forms[f"{name} folded"] = fold_batch_norm(network)
    timings = measure(forms, settings, device)
    name = f"{device_name(device)}-{settings.precision}-{settings.memory_format}-torch{torch.__version__}.json"
    file = name.lower().replace(" ", "_")
    folder = paths.latency / measurement
    write_json(
        folder / file,
        {
            name: {
                "network": params.settings(dataset, name).network.name,
                "weights": weights,
                "sizes": {
                    size: {form: timings[f"{name} {form}"][size] for form in ("unfolded", "folded")}
                    for size in timings[f"{name} unfolded"]
                },
            }
            for name, (_, weights) in loaded.items()
        },
    )
    write_run(
        folder,
        f"latency@{dataset}-{measurement}",
        [params.settings(dataset, name) for name in settings.experiments],
        ("network",),
        record,
        weights=None,
        file=file,
        **device_facts(device),
        processor=processor(),
        threads=torch.get_num_threads(),
        measurement=settings.model_dump(mode="json"),
    )


def load_network(params: Params, dataset: str, experiment: str, classes: int) -> tuple[nn.Module, str]:
    """The network that was evaluated, or one with initial weights where none was; and which of them it is."""
    settings = params.settings(dataset, experiment)
    if experiment not in params.measured_experiments:
        return get_model(settings.network.name, classes, **settings.network.options), "initial"
    checkpoint = Paths(dataset, experiment).checkpoints / f"{settings.evaluate.checkpoint}.safetensors"
    return load_trained(checkpoint)[0], "trained"


def processor() -> str:
    """Model and number of processors, as far as the system tells."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} x {models[0] if models else platform.processor() or platform.machine()}"


if __name__ == "__main__":
    start(main)
