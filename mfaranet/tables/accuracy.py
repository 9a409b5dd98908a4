"""The paper's tables, from stored results: those of accuracy. See cost_tables for the others."""

import statistics
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfaranet.schema import TableSettings, Tolerances, size_name
from mfaranet.tables.cells import BLANK, Cell, Table, computed, mean, one_digit, pointer_part
from mfaranet.tables.cost import GFLOPS, comparison_table, complexity_table, latency_table
from mfaranet.tables.published import UNPUBLISHED, VERDICT, Entry, compare, find, tolerance
from mfaranet.tables.results import Results


def build(
    name: str, settings: TableSettings, tolerances: Tolerances, selected: Mapping[str, list[str]], results: Path
) -> Table:
    """Make a table from ``results``, the folder of one data set, of those of its experiments that are selected.

    ``selected`` has with each the experiments that are the same but for the seed, itself among them.

    Raises:
        InputError: a result that the table needs is missing, or holds no such value.
    """
    stored = Results(results, name, selected)
    match settings.kind:
        case "overall":
            return _overall(settings, tolerances, stored)
        case "per_class":
            return _per_class(settings, stored)
        case "complexity":
            return complexity_table(settings, tolerances, stored)
        case "latency":
            return latency_table(settings, stored)
        case "comparison":
            return comparison_table(settings, stored)


def _overall(settings: TableSettings, tolerances: Tolerances, results: Results) -> Table:
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
        *(["FPS", "FPS, normalisation folded"] if settings.latency else []),
    ]
    places = results.rows(settings)
    rows = [_result(settings, tolerances, results, *place) for place in places]
    if rows:
        rows.append(_baseline(results, f"evaluate/{places[0][1]}", columns))
    notes = [*_notes(settings, results), UNPUBLISHED]
    if settings.latency:
        notes.append(results.speed_note(settings.latency))
    return Table(settings.title, columns, rows, notes)


def _result(
    settings: TableSettings, tolerances: Tolerances, results: Results, i: int, experiment: str, j: int, protocol: str
) -> list[Cell]:
    evaluated = f"evaluate/{experiment}"
    seen = results.input_size(experiment, protocol)
    size = seen.value
    miou, seeds, deviation = _over_seeds(results, experiment, protocol)
    return [
        results.defined(f"experiments/{i}", experiment),
        results.fact(experiment, "title"),
        results.cell(evaluated, "run.json", "/dataset/title"),
        results.cell(evaluated, "run.json", "/weights", _weights),
        results.defined(f"protocols/{j}", protocol, protocol.replace("_", " ")),
        seen,
        miou,
        seeds,
        deviation,
        *_miou_verdict(tolerances, results, experiment, protocol, size, miou),
        results.cell(evaluated, "metrics.json", f"/{protocol}/pixel_accuracy", one_digit, 100),
        *results.cost(experiment, size_name(size)),
        *(
            results.speed(settings.latency, experiment, size, form)
            for form in ("unfolded", "folded")
            if settings.latency
        ),
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
        "Data": results.cell(evaluated, "run.json", "/dataset/title"),
        "mIoU (%)": results.cell(evaluated, "metrics.json", f"{scores}/miou", one_digit, 100),
        "Pixel accuracy (%)": results.cell(evaluated, "metrics.json", f"{scores}/pixel_accuracy", one_digit, 100),
    }
    return [known.get(column, BLANK) for column in columns]


def _per_class(settings: TableSettings, results: Results) -> Table:
    runs = [(experiment, protocol) for _, experiment, _, protocol in results.rows(settings)]
    columns = ["Class", *(f"{experiment}, {protocol.replace('_', ' ')} (%)" for experiment, protocol in runs)]
    rows = []

    def scores(pointer: str) -> list[Cell]:
        return [mean(results.over_seeds(*run, pointer), one_digit) for run in runs]

    if runs:
        classes = results.cell(f"evaluate/{runs[0][0]}", "metrics.json", f"/{runs[0][1]}/iou")
        for name in classes.value:
            rows.append([replace(classes, value=name, text=name), *scores(f"iou/{pointer_part(name)}")])
        rows.append([Cell("mean", "mean", None), *scores("miou")])
    return Table(settings.title, columns, rows, _notes(settings, results))


def _notes(settings: TableSettings, results: Results) -> list[str]:
    shown = list(dict.fromkeys(experiment for _, experiment, _, _ in results.rows(settings)))
    notes = []
    absent = [experiment for experiment in settings.experiments if experiment not in shown]
    if absent:
        notes.append(f"Not measured, because params.yaml does not select them here: {', '.join(absent)}.")
    if not shown:
        return notes
    runs = {experiment: results.run(f"evaluate/{experiment}") for experiment in shown}
    notes.insert(0, f"Measured on {_each(runs, _split)}.")
    if present := _each(runs, _classes):
        notes.append(f"Classes that occur: {present}.")
    if any(not run["dataset"]["complete"] for run in runs.values()):
        notes.append("This is not a whole public data set: no mIoU here can be compared with a published one.")
    if scratch := [experiment for experiment, run in runs.items() if run["weights"] == "none"]:
        which = "" if len(scratch) == len(runs) else f": {', '.join(scratch)}"
        notes.append(f"Trained from scratch, without ImageNet weights{which}.")
    if trained := _each(runs, lambda run: _device(run["training"])):
        notes.append(f"Trained on {trained}.")
    seen = [experiment for experiment, each in runs.items() if each["training"]["split"] == "trainval"]
    if seen:
        notes.append(f"Trained on the validation split as well, so that their scores say nothing: {', '.join(seen)}.")
    notes.append("mIoU is the mean over the classes that occur, from one confusion matrix over all images.")
    if any(len(results.selected[experiment]) > 1 for experiment in shown):
        scores = "mIoU is the mean" if settings.kind == "overall" else "each value is the mean over those that have one"
        notes.append(f"Of several seeds, {scores}; all else is of the first.")
    return notes


def _each(runs: Mapping[str, Any], say: Callable[[Any], str]) -> str:
    """What is to be said of the runs: once where it is the same of all, else with the names that it is said of."""
    said: dict[str, list[str]] = {}
    for experiment, run in runs.items():
        said.setdefault(say(run), []).append(experiment)
    if len(said) == 1:
        return next(iter(said))
    return "; ".join(f"{text} ({', '.join(names)})" for text, names in said.items() if text)


def _split(run: Any) -> str:
    return f"the {run['split']} split of {run['dataset']['title']}"


def _classes(run: Any) -> str:
    """How many classes have a pixel in each labelled split."""
    present = run["dataset"].get("classes_present", {})
    return ", ".join(f"{count} of {run['dataset']['classes']} in {split}" for split, count in present.items())


def _device(training: Any) -> str:
    """What a training ran on; nothing where it was the authors', or an older one that does not say."""
    training = training.get("training", training)  # of a pruned network: that of the whole one
    if "processes" not in training:
        return ""
    tf32 = ", TF32" if training["tf32"] else ""
    return f"{training['processes']} x {training['device']} ({training['precision']}{tf32})"


def _weights(value: Any) -> str:
    if value == "none":
        return "from scratch"
    return "the authors'" if "released" in value else "ImageNet"
