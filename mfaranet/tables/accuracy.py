"""The tables of accuracy, from stored results."""

import statistics
from dataclasses import replace
from typing import Any

from mfaranet.schema import size_name
from mfaranet.tables.cells import BLANK, Cell, Table, computed, mean, one_digit, pointer_part
from mfaranet.tables.cost import FORMS, GFLOPS
from mfaranet.tables.notes import mark_notes, run_notes
from mfaranet.tables.published import UNPUBLISHED, VERDICT, Entry, compare, find, tolerance
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import OverallTable, PerClassTable, Tolerances

SHOWN_FORMS = ("unfolded", "folded", "deployed")
NARROW = {
    "Experiment": "Experiment",
    "Data": "Data",
    "Weights": "Weights",
    "Protocol": "Protocol",
    "Input": "Input",
    "mIoU (%)": "mIoU (%)",
    "Seeds": "Seeds",
    "Std over seeds (points)": "Std",
    "mIoU published (%)": "Published",
    "Difference (points)": "Difference",
    "Verdict": "Verdict",
    "Params (M)": "Params (M)",
    GFLOPS: "GFLOPs",
    "FPS": "FPS",
}
"""Columns for people, and their headers there."""
CONDITIONS = ("Network", "Data", "Weights", "Protocol", "Input", "Seeds", "Params (M)", GFLOPS)


def overall_table(settings: OverallTable, tolerances: Tolerances, results: Results) -> Table:
    columns = [
        "Experiment",
        "Network",
        "Data",
        "Weights",
        "Protocol",
        "Input",
        "mIoU (%)",
        "Seeds",
        "Std over seeds (points)",
        "mIoU published (%)",
        *(f"{name} (points)" for name in VERDICT[:2]),
        VERDICT[2],
        "Pixel accuracy (%)",
        "Params (M)",
        "GMACs (1e9)",
        GFLOPS,
        *(f"FPS{FORMS[form]}" for form in SHOWN_FORMS if settings.measurement),
    ]
    places = results.rows(settings)
    rows = [_result(settings, tolerances, results, *place) for place in places]
    if rows:
        rows.append(_baseline(results, f"evaluate/{places[0][1]}", columns))
    notes = [*_notes(settings, results), UNPUBLISHED]
    if settings.measurement:
        notes.append(results.speed_note(settings.measurement))
    narrow = {column: header for column, header in NARROW.items() if column in columns}
    return Table(settings.title, columns, rows, notes, narrow, CONDITIONS, beside=min(1, len(rows)))


def _result(
    settings: OverallTable, tolerances: Tolerances, results: Results, i: int, experiment: str, j: int, protocol: str
) -> list[Cell]:
    evaluated = f"evaluate/{experiment}"
    seen = results.input_size(experiment, protocol)
    size = seen.value
    miou, seeds, deviation = _over_seeds(results, experiment, protocol)
    return [
        results.defined(f"experiments/{i}", experiment, f"{experiment}{results.mark(experiment)}"),
        results.fact(experiment, "title"),
        _data(results, evaluated),
        results.cell(evaluated, "run.json", "/weights", weights_text),
        results.defined(f"protocols/{j}", protocol, protocol.replace("_", " ")),
        seen,
        miou,
        seeds,
        deviation,
        *_miou_verdict(tolerances, results, experiment, protocol, size, miou),
        mean(results.over_seeds(experiment, protocol, "pixel_accuracy"), one_digit),
        *results.cost(experiment, size_name(size)),
        *(results.speed(settings.measurement, experiment, size, form) for form in SHOWN_FORMS if settings.measurement),
    ]


def _over_seeds(results: Results, experiment: str, protocol: str) -> tuple[Cell, Cell, Cell]:
    """mIoU, how many trainings it is the mean of, and their standard deviation, blank for one."""
    scores = results.over_seeds(experiment, protocol, "miou")
    count = computed(len(scores), str(len(scores)), "count", *scores)
    if len(scores) < 2:
        return mean(scores, one_digit), count, BLANK
    deviation = statistics.stdev(score.value for score in scores)
    return (
        mean(scores, one_digit),
        count,
        computed(deviation, one_digit(deviation), "standard deviation", *scores),
    )


def _miou_verdict(
    tolerances: Tolerances, results: Results, experiment: str, protocol: str, size: Any, miou: Cell
) -> tuple[Cell, ...]:
    run = results.run(f"evaluate/{experiment}")
    data, weights = run["dataset"], run["weights"]

    def obstacle(entry: Entry) -> str:
        if entry["dataset"] != data["name"]:
            return f"published on {entry['dataset']}"
        if not data["complete"]:
            return "only a part of the data set"
        if entry["split"] != run["split"]:
            return f"published on the {entry['split']} split"
        if entry["network"] != run["network"]["name"]:
            return f"published for {entry['network']}"
        if entry["input_size"] != size:
            return f"published at {size_name(entry['input_size'])}"
        return "trained from scratch" if weights == "none" else ""

    kind = "miou_released" if weights != "none" and "released" in weights else "miou_trained"
    entries = find("miou", experiment, protocol=protocol)
    return compare(miou, entries, obstacle, tolerance(tolerances, kind, 100), one_digit, scale=100)


def _baseline(results: Results, evaluated: str, columns: list[str]) -> list[Cell]:
    """The row of predicting the most frequent class of the training split everywhere."""
    scores = "/most_frequent_class"
    known = {
        "Experiment": results.cell(evaluated, "metrics.json", f"{scores}/class", "most frequent class: {}".format),
        "Data": _data(results, evaluated),
        "mIoU (%)": results.cell(evaluated, "metrics.json", f"{scores}/miou", one_digit, 100),
        "Pixel accuracy (%)": results.cell(evaluated, "metrics.json", f"{scores}/pixel_accuracy", one_digit, 100),
    }
    return [known.get(column, BLANK) for column in columns]


def _data(results: Results, evaluated: str) -> Cell:
    """The data set's title, and the split where that is not the usual one, so that nobody compares the two."""
    title, split = results.cell(evaluated, "run.json", "/dataset/title"), results.run(evaluated)["split"]
    return title if split == "val" else replace(title, text=f"{title.text}, {split} split")


def per_class_table(settings: PerClassTable, results: Results) -> Table:
    runs = [(experiment, protocol) for _, experiment, _, protocol in results.rows(settings)]
    names = [f"{name}{results.mark(name)}" for name, _ in runs]
    columns = [
        "Class",
        *(f"{name}, {protocol.replace('_', ' ')} (%)" for name, (_, protocol) in zip(names, runs, strict=True)),
    ]
    # Where all are by one protocol, names tell them apart.
    short = names if len(set(names)) == len(names) else columns[1:]
    rows = []

    def scores(pointer: str) -> list[Cell]:
        return [mean(results.over_seeds(*run, pointer), one_digit) for run in runs]

    if runs:
        classes = results.cell(f"evaluate/{runs[0][0]}", "metrics.json", f"/{runs[0][1]}/iou")
        for name in classes.value:
            rows.append([replace(classes, value=name, text=name), *scores(f"iou/{pointer_part(name)}")])
        rows.append([Cell("mean", "mean", None), *scores("miou")])
    narrow = dict(zip(columns, ["Class", *short], strict=True))
    return Table(settings.title, columns, rows, _notes(settings, results), narrow)


def _notes(settings: OverallTable | PerClassTable, results: Results) -> list[str]:
    shown = list(dict.fromkeys(experiment for _, experiment, _, _ in results.rows(settings)))
    absent = [experiment for experiment in settings.experiments if experiment not in shown]
    missing = [f"Not measured, because params.yaml does not select them here: {', '.join(absent)}."] if absent else []
    if not shown:
        return missing
    notes = run_notes(results, shown)
    notes[1:1] = [*missing, *mark_notes(results, shown)]
    notes.append("mIoU is the mean over the classes that occur, from one confusion matrix over all images.")
    if any(len(results.seeds(experiment)) > 1 for experiment in shown):
        scores = "mIoU and pixel accuracy are means" if isinstance(settings, OverallTable) else "each value is the mean"
        notes.append(f"Of several seeds, {scores} over those that have a value; all else is of the first.")
    uncounted = [name for name in shown if name not in results.content(*COUNTS)]
    if isinstance(settings, OverallTable) and uncounted:
        notes.append(f"Not counted, so without parameters and GFLOPs: {', '.join(uncounted)}.")
    return notes


def weights_text(value: Any) -> str:
    """How a training started, from what run.json says of its weights."""
    if value == "none":
        return "from scratch"
    return "the authors'" if "released" in value else "ImageNet"
