"""Stage figures: what tables cannot show, of one data set."""

import typer

from mfaranet.data.prepared import SegmentationDataset, read_png
from mfaranet.errors import InputError
from mfaranet.evaluation.pictures import colour, colour_ids, draw_grid, evenly, photograph
from mfaranet.evaluation.scoring import SPLIT
from mfaranet.figures import CURVES, draw, label, write_curves
from mfaranet.schema import FigureSettings, Shown
from mfaranet.tables.results import Results
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Draw all figures."""
    planned = Planned.read("figures", dataset)
    settings: FigureSettings = planned.part("figures", FigureSettings)
    shown: Shown = planned.part("shown", Shown)
    paths = Paths(dataset)
    results = Results(paths.results, planned.settings["experiments"])
    recorded = [name for name in settings.experiments if results.recorded(name)]
    if not recorded:
        raise InputError("params.yaml: figures.experiments: nothing is recorded of them; see run.experiments")
    trained = paths.results / "train"
    draw(settings, shown, results, trained, paths.figures)
    selected = [name for name, each in planned.settings["experiments"].items() if each["selected"]]
    write_curves({name: trained / name / CURVES for name in selected}, paths.curves)
    predicted = [name for name in recorded if Paths(dataset, name).predictions.exists()]
    draw_predictions(settings, shown.protocol, dataset, predicted)
    typer.echo(f"figures: {paths.figures}")


def draw_predictions(settings: FigureSettings, protocol: str, dataset: str, experiments: list[str]) -> None:
    """Some images of the split, their ground truth, and what each experiment's network made of them."""
    images = SegmentationDataset(Paths(dataset).data, SPLIT)
    record = images.record
    rows = []
    for index in evenly(len(images), settings.pictures):
        image, truth = images[index]
        row = [photograph(image), colour(truth, record)]
        for experiment in experiments:
            folder = Paths(dataset, experiment).predictions / protocol
            row.append(colour_ids(read_png(folder / f"{images.stems[index]}.png")[0], record))
        rows.append(row)
    columns = ["image", "ground truth", *map(label, experiments)]
    draw_grid(f"{record.title}, {SPLIT}, {protocol}", columns, rows, Paths(dataset).pictures / "pictures.png")


if __name__ == "__main__":
    start(main)
