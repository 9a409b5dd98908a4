"""Stage submission: predict the test split by each protocol, as zips that the Cityscapes test server takes."""

import typer

from mfaranet.data.record import DatasetRecord
from mfaranet.evaluation.submission import SPLIT, refuse_existing, write_submission
from mfaranet.files import sha256
from mfaranet.schema import EvaluateSettings
from workflow.common import Paths, start, write_run
from workflow.planned import Planned
from workflow.trained import Trained


def main(
    dataset: str = typer.Argument(help="a data set of params.yaml"),
    experiment: str = typer.Argument(help="an experiment of params.yaml"),
) -> None:
    """Write one zip of label-id PNGs for each protocol, and a description of the run beside them."""
    planned = Planned.read("submission", dataset, experiment)
    chosen: EvaluateSettings = planned.part("evaluate", EvaluateSettings)
    paths = Paths(dataset, experiment)
    record = DatasetRecord.load(paths.data)
    archives = {protocol: paths.submission / f"{protocol}.zip" for protocol in chosen.protocols}
    refuse_existing(archives.values())
    trained = Trained.load(planned, paths, chosen)
    for protocol, archive in archives.items():
        write_submission(trained.model, paths.data, protocol, trained.sizes, archive)
    write_run(
        paths.submission,
        planned,
        record,
        **trained.facts,
        split=SPLIT,
        archives={archive.name: sha256(archive) for archive in archives.values()},
    )


if __name__ == "__main__":
    start(main)
