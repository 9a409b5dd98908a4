"""Stage submission: predict the test split by each protocol, as zips that the Cityscapes test server takes."""

import typer

from mfaranet.checkpoints import load_trained
from mfaranet.data.prepared import DatasetRecord
from mfaranet.devices import place
from mfaranet.files import sha256
from mfaranet.inference import InputSizes
from mfaranet.params import load
from mfaranet.submission import SPLIT, refuse_existing, write_submission
from workflow.common import Paths, read_json, start, write_run


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Write one zip of label-id PNGs for each protocol, and a description of the run beside them."""
    settings = load().settings(dataset, experiment)
    chosen = settings.evaluate
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    training = read_json(paths.training / "run.json")
    archives = {protocol: paths.submission / f"{protocol}.zip" for protocol in chosen.protocols}
    refuse_existing(archives.values())
    model, facts = load_trained(paths.checkpoints / f"{chosen.checkpoint}.safetensors")
    ran = place(model, chosen.device, chosen.tf32)
    sizes = InputSizes(chosen.input_size, chosen.window_size, chosen.base_size)
    for protocol, archive in archives.items():
        write_submission(model, paths.data, protocol, sizes, archive)
    write_run(
        paths.submission,
        f"submission@{dataset}-{experiment}",
        [settings],
        ("data", "weights", "network", "train", "evaluate"),
        record,
        **ran,
        split=SPLIT,
        network=settings.network.model_dump(mode="json"),
        sizes={"size": chosen.input_size, "window": chosen.window_size},
        checkpoint={"name": chosen.checkpoint, "epoch": facts["epoch"]},
        weights=facts["weights"],
        training=training,
        archives={archive.name: sha256(archive) for archive in archives.values()},
    )


if __name__ == "__main__":
    start(main)
