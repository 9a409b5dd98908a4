"""Stage evaluate: score a trained network by each protocol, and show what it predicts."""

import shutil

import typer

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.evaluation.inference import InputSizes
from mfaranet.evaluation.metrics import summarise
from mfaranet.evaluation.scoring import SPLIT, draw_examples, evaluate, most_frequent_class, write_confusion
from mfaranet.files import write_json
from mfaranet.measure.machine import place
from mfaranet.schema import EvaluateSettings
from mfaranet.weights.checkpoints import load_trained
from workflow.common import Paths, read_json, start, write_run
from workflow.planned import Planned


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Write metrics, label-id PNGs and a picture of some predictions."""
    planned = Planned.read("evaluate", dataset, experiment)
    chosen: EvaluateSettings = planned.part("evaluate", EvaluateSettings)
    paths = Paths(dataset, experiment)
    images = SegmentationDataset(paths.data, SPLIT)
    model, facts = load_trained(paths.checkpoints / f"{chosen.checkpoint}.safetensors")
    ran = place(model, chosen.device, chosen.tf32)
    sizes = InputSizes(chosen.input_size, chosen.window_size, chosen.base_size)
    confusions = {
        protocol: evaluate(model, images, protocol, sizes, paths.predictions / protocol)
        for protocol in chosen.protocols
    }
    write_confusion(confusions, images.record.classes, paths.evaluation / "confusion.csv")
    metrics = {protocol: summarise(matrix, images.record.classes) for protocol, matrix in confusions.items()}
    metrics["most_frequent_class"] = most_frequent_class(images.record)
    write_json(paths.evaluation / "metrics.json", metrics)
    draw_examples(model, images, chosen.protocols[0], sizes, chosen.pictures, paths.predictions / "pictures.png")
    training = read_json(paths.checkpoints / "run.json")
    write_run(
        paths.evaluation,
        planned,
        images.record,
        **ran,
        split=SPLIT,
        network=planned.settings["network"],
        sizes={"size": chosen.input_size, "window": chosen.window_size},
        checkpoint={"name": chosen.checkpoint, "epoch": facts["epoch"]},
        weights=facts["weights"],
        training=training,
    )
    if states := training.get("states"):
        # Not at the end of the training: DVC could be killed before it has recorded that.
        shutil.rmtree(paths.resume / states, ignore_errors=True)


if __name__ == "__main__":
    start(main)
