"""Stage figures: what tables cannot show, of one data set."""

import typer

from mfaranet.data.prepared import SegmentationDataset, read_png
from mfaranet.errors import InputError
from mfaranet.evaluation.pictures import colour, colour_ids, draw_grid, photograph, spread
from mfaranet.evaluation.scoring import SPLIT
from mfaranet.figures import draw, label
from mfaranet.schema import FigureSettings
from mfaranet.tables.results import Results
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Draw all figures."""
    planned = Planned.read("figures", dataset)
    settings: FigureSettings = planned.part("figures", FigureSettings)
    seeds, paths = planned.settings["seeds"], Paths(dataset)
    shown = [name for name in settings.experiments if name in seeds]
    if not shown:
        raise InputError("params.yaml: figures.experiments: none of them is selected; see selected_experiments")
    results = Results(paths.results, "", seeds)
    draw(settings, results, paths.results / "train", paths.figures)
    draw_predictions(settings, dataset, shown)
    typer.echo(f"figures: {paths.figures}")


def draw_predictions(settings: FigureSettings, dataset: str, experiments: list[str]) -> None:
    """Some images of the split, their truth, and what each experiment's network made of them."""
    images = SegmentationDataset(Paths(dataset).data, SPLIT)
    record = images.record
    rows = []
    for index in spread(len(images), settings.pictures):
        image, truth = images[index]
        row = [photograph(image), colour(truth, record)]
        for experiment in experiments:
            folder = Paths(dataset, experiment).predictions / settings.protocol
            row.append(colour_ids(read_png(folder / f"{images.stems[index]}.png")[0], record))
        rows.append(row)
    columns = ["image", "truth", *map(label, experiments)]
    draw_grid(f"{record.title}, {SPLIT}, {settings.protocol}", columns, rows, Paths(dataset).figures / "pictures.png")


if __name__ == "__main__":
    start(main)
