"""Stage submission: predict the test split by each protocol, as zips that the Cityscapes test server takes."""

import typer

from mfaranet.data.prepared import DatasetRecord
from mfaranet.evaluation.inference import InputSizes
from mfaranet.evaluation.submission import SPLIT, refuse_existing, write_submission
from mfaranet.files import sha256
from mfaranet.measure.machine import place
from mfaranet.schema import EvaluateSettings
from mfaranet.weights.checkpoints import load_trained
from workflow.common import Paths, read_json, start, write_run
from workflow.planned import Planned


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Write one zip of label-id PNGs for each protocol, and a description of the run beside them."""
    planned = Planned.read("submission", dataset, experiment)
    chosen: EvaluateSettings = planned.part("evaluate", EvaluateSettings)
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    training = read_json(paths.checkpoints / "run.json")
    archives = {protocol: paths.submission / f"{protocol}.zip" for protocol in chosen.protocols}
    refuse_existing(archives.values())
    model, facts = load_trained(paths.checkpoints / f"{chosen.checkpoint}.safetensors")
    ran = place(model, chosen.device, chosen.tf32)
    sizes = InputSizes(chosen.input_size, chosen.window_size, chosen.base_size)
    for protocol, archive in archives.items():
        write_submission(model, paths.data, protocol, sizes, archive)
    write_run(
        paths.submission,
        planned,
        record,
        **ran,
        split=SPLIT,
        network=planned.settings["network"],
        sizes={"size": chosen.input_size, "window": chosen.window_size},
        checkpoint={"name": chosen.checkpoint, "epoch": facts["epoch"]},
        weights=facts["weights"],
        training=training,
        archives={archive.name: sha256(archive) for archive in archives.values()},
    )


if __name__ == "__main__":
    start(main)
