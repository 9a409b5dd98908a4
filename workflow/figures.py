"""Stage figures: what tables cannot show, of one data set."""

import typer

from mfaranet.data.prepared import SegmentationDataset, read_pixels
from mfaranet.errors import InputError
from mfaranet.evaluation.pictures import colour, colour_ids, draw_grid, evenly, legend_of, photograph
from mfaranet.figures.curves import CURVES, write_curves
from mfaranet.figures.drawing import draw
from mfaranet.figures.style import label
from mfaranet.tables.results import Results
from mfaranet.tables.settings import FigureSettings, Shown
from workflow.common import Paths, start
from workflow.planned import Planned


def main(dataset: str = typer.Argument(help="a data set of params.yaml")) -> None:
    """Draw all figures."""
    planned = Planned.read("figures", dataset)
    settings: FigureSettings = planned.part("figures", FigureSettings)
    shown: Shown = planned.part("shown", Shown)
    paths = Paths(dataset)
    results = Results(paths.results, planned.settings["experiments"])
    shown_alike = results.alike(settings.experiments)
    if not shown_alike:
        raise InputError("params.yaml: figures.experiments: nothing is recorded of them; see run.experiments")
    trained = paths.results / "train"
    draw(settings, shown, results, trained, paths.figures, paths.vectors)
    selected = [name for name, each in planned.settings["experiments"].items() if each["selected"]]
    write_curves({name: trained / name / CURVES for name in selected}, paths.curves)
    predicted = [name for name in shown_alike if Paths(dataset, name).predictions.exists()]
    split = results.run(f"evaluate/{shown_alike[0]}")["split"]
    draw_predictions(SegmentationDataset(paths.data, split), settings.pictures, shown.protocol, predicted)
    typer.echo(f"figures: {paths.figures}")


def draw_predictions(images: SegmentationDataset, count: int, protocol: str, experiments: list[str]) -> None:
    """Some images of a split, their ground truth, and what each experiment's network made of them."""
    record = images.record
    rows = []
    for index in evenly(len(images), count):
        image, truth = images[index]
        row = [photograph(image), colour(truth, record)]
        for experiment in experiments:
            folder = Paths(record.name, experiment).predictions / protocol
            row.append(colour_ids(read_pixels(folder / f"{images.stems[index]}.png")[0], record))
        rows.append(row)
    columns = ["image", "ground truth", *map(label, experiments)]
    title = f"{record.title}, {images.split}, {protocol}"
    legend = legend_of(record, (each for row in rows for each in row[1:]))
    draw_grid(title, columns, rows, legend, Paths(record.name).pictures / "pictures.png")


if __name__ == "__main__":
    start(main)
