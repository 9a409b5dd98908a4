"""Stage evaluate: score a trained network by each protocol, and show what it predicts."""

import shutil

import typer

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.evaluation.metrics import summarise
from mfaranet.evaluation.scoring import draw_examples, evaluate, most_frequent_class, write_confusion
from mfaranet.files import write_json
from mfaranet.schema import EvaluateSettings
from workflow.common import Paths, start, write_run
from workflow.planned import Planned
from workflow.trained import Trained


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Write metrics, label-id PNGs and a picture of some predictions."""
    planned = Planned.read("evaluate", dataset, experiment)
    chosen: EvaluateSettings = planned.part("evaluate", EvaluateSettings)
    paths = Paths(dataset, experiment)
    images = SegmentationDataset(paths.data, chosen.split)
    trained = Trained.load(planned, paths, chosen)
    confusions = {
        protocol: evaluate(trained.model, images, protocol, trained.sizes, paths.predictions / protocol)
        for protocol in chosen.protocols
    }
    write_confusion(confusions, images.record.classes, paths.evaluation / "confusion.csv")
    metrics = {protocol: summarise(matrix, images.record.classes) for protocol, matrix in confusions.items()}
    metrics["most_frequent_class"] = most_frequent_class(images.record, chosen.split)
    write_json(paths.evaluation / "metrics.json", metrics)
    pictures = paths.predictions / "pictures.png"
    draw_examples(trained.model, images, chosen.protocols[0], trained.sizes, chosen.pictures, pictures)
    write_run(paths.evaluation, planned, images.record, **trained.facts, split=chosen.split)
    if states := trained.facts["training"].get("states"):
        # Not at the end of the training: DVC could be killed before it has recorded that.
        shutil.rmtree(paths.resume / states, ignore_errors=True)


if __name__ == "__main__":
    start(main)
