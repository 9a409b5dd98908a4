"""The paper's tables, from stored results: one kind of table a function."""

import statistics
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfaranet.cells import BLANK, Cell, Table, computed
from mfaranet.published import Entry, compare, find, network_title
from mfaranet.results import Results
from mfaranet.settings import TableSettings, Tolerances, size_name

VERDICT = ("Difference", "Tolerance", "Verdict")


def build(
    name: str, settings: TableSettings, tolerances: Tolerances, selected: Mapping[str, list[str]], results: Path
) -> Table:
    """Make a table from ``results``, the folder of one data set, of those of its experiments that are selected.

    ``selected`` has with each the experiments that are the same but for the seed, itself among them.

    Raises:
        InputError: a result that the table needs is missing, or holds no such value.
    """
    make = {"overall": _overall, "per_class": _per_class, "complexity": _complexity, "latency": _latency}
    return make[settings.kind](settings, tolerances, Results(results, name, selected))


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
        "GFLOPs (MACs / 1024^3)",
        *(["FPS", "FPS, normalisation folded"] if settings.latency else []),
    ]
    places = results.rows(settings)
    rows = [_result(settings, tolerances, results, *place) for place in places]
    if rows:
        rows.append(_baseline(results, f"evaluate/{places[0][1]}", columns))
    notes = _notes(settings, results)
    if settings.latency:
        notes.append(_speed_note(settings.latency, results))
    return Table(settings.title, columns, rows, notes)


def _result(
    settings: TableSettings, tolerances: Tolerances, results: Results, i: int, experiment: str, j: int, protocol: str
) -> list[Cell]:
    evaluated = f"evaluate/{experiment}"
    size = results.content("complexity", "complexity.json")[experiment]["input_sizes"][protocol]
    miou, seeds, deviation = _over_seeds(results, experiment, protocol)
    return [
        results.defined(f"experiments/{i}", experiment),
        results.cell(evaluated, "run.json", "/network/name", network_title),
        results.cell(evaluated, "run.json", "/dataset/title"),
        results.cell(evaluated, "run.json", "/weights", _weights),
        results.defined(f"protocols/{j}", protocol, protocol.replace("_", " ")),
        results.cell("complexity", "complexity.json", f"/{experiment}/input_sizes/{protocol}", size_name),
        miou,
        seeds,
        deviation,
        *_miou_verdict(tolerances, results, experiment, protocol, size, miou),
        results.cell(evaluated, "metrics.json", f"/{protocol}/pixel_accuracy", _one_digit, 100),
        *_cost(results, experiment, size_name(size)),
        *(
            results.speed(settings.latency, experiment, size, form)
            for form in ("unfolded", "folded")
            if settings.latency
        ),
    ]


def _over_seeds(results: Results, experiment: str, protocol: str) -> tuple[Cell, Cell, Cell]:
    """mIoU, how many trainings it is the mean of, and their standard deviation, blank for one."""
    scores = [
        results.cell(f"evaluate/{name}", "metrics.json", f"/{protocol}/miou", _one_digit, 100)
        for name in results.selected[experiment]
        if protocol in results.content(f"evaluate/{name}", "metrics.json")
    ]
    count = computed(len(scores), str(len(scores)), "count", *scores)
    if len(scores) == 1:
        return scores[0], count, BLANK
    values = [score.value for score in scores]
    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    return (
        computed(mean, _one_digit(mean), "mean", *scores),
        count,
        computed(deviation, _one_digit(deviation), "standard deviation", *scores),
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
            return f"published for {network_title(entry['network'])}"
        if entry["input_size"] != size:
            return f"published at {size_name(entry['input_size'])}"
        return "trained from scratch" if weights == "none" else ""

    kind = "miou_released" if weights != "none" and "released" in weights else "miou_trained"
    entries = find("miou", experiment, protocol=protocol)
    return compare(miou, entries, obstacle, _tolerance(tolerances, kind, 100), _one_digit, scale=100)


def _cost(results: Results, experiment: str, size: str) -> list[Cell]:
    """Parameters, multiply-accumulates in 1e9, and in 1024^3 as the paper counts them."""
    counted = "complexity", "complexity.json"
    return [
        results.cell(*counted, f"/{experiment}/params", _two_digits, 1e-6),
        results.cell(*counted, f"/{experiment}/macs/{size}", _two_digits, 1e-9),
        results.cell(*counted, f"/{experiment}/macs/{size}", _two_digits, 1 / 1024**3),
    ]


def _baseline(results: Results, evaluated: str, columns: list[str]) -> list[Cell]:
    """The row of predicting the most frequent class of the training split everywhere."""
    scores = "/most_frequent_class"
    known = {
        "Experiment": results.cell(evaluated, "metrics.json", f"{scores}/class", "most frequent class: {}".format),
        "Data": results.cell(evaluated, "run.json", "/dataset/title"),
        "mIoU (%)": results.cell(evaluated, "metrics.json", f"{scores}/miou", _one_digit, 100),
        "Pixel accuracy (%)": results.cell(evaluated, "metrics.json", f"{scores}/pixel_accuracy", _one_digit, 100),
    }
    return [known.get(column, BLANK) for column in columns]


def _per_class(settings: TableSettings, tolerances: Tolerances, results: Results) -> Table:
    runs = [(experiment, protocol) for _, experiment, _, protocol in results.rows(settings)]
    columns = ["Class", *(f"{experiment}, {protocol.replace('_', ' ')} (%)" for experiment, protocol in runs)]
    rows = []

    def scores(pointer: str) -> list[Cell]:
        return [results.cell(f"evaluate/{e}", "metrics.json", f"/{p}/{pointer}", _one_digit, 100) for e, p in runs]

    if runs:
        classes = results.cell(f"evaluate/{runs[0][0]}", "metrics.json", f"/{runs[0][1]}/iou")
        for name in classes.value:
            key = name.replace("~", "~0").replace("/", "~1")
            rows.append([replace(classes, value=name, text=name), *scores(f"iou/{key}")])
        rows.append([Cell("mean", "mean", None), *scores("miou")])
    return Table(settings.title, columns, rows, _notes(settings, results))


def _complexity(settings: TableSettings, tolerances: Tolerances, results: Results) -> Table:
    columns = [
        "Experiment",
        "Network",
        "Input",
        "Params (M)",
        "GMACs (1e9)",
        "GFLOPs (MACs / 1024^3)",
        "FLOPs by torch (1e9)",
        "Official counter (MACs / 1024^3)",
        *VERDICT,
    ]
    classes = results.run("complexity")["classes"]
    counted = results.content("complexity", "complexity.json")
    rows = []
    for i, experiment in enumerate(settings.experiments):
        for j, size in enumerate(results.run("complexity")["sizes"]):
            key = size_name(size)
            params, gmacs, gflops = _cost(results, experiment, key)
            rows.append(
                [
                    results.defined(f"experiments/{i}", experiment),
                    results.cell("complexity", "complexity.json", f"/{experiment}/network", network_title),
                    results.cell("complexity", "run.json", f"/sizes/{j}", size_name),
                    params,
                    gmacs,
                    gflops,
                    results.cell(
                        "complexity", "complexity.json", f"/{experiment}/flop_counter/{key}", _two_digits, 1e-9
                    ),
                    *compare(
                        gflops,
                        find("gflops", experiment, input_size=size, network=counted[experiment]["network"]),
                        lambda entry: (
                            "" if classes == entry["classes"] else f"published for {entry['classes']} classes"
                        ),
                        _tolerance(tolerances, "gflops"),
                        _two_digits,
                    ),
                ]
            )
    notes = [
        f"Networks with {classes} classes, one image; what training alone needs does not count.",
        "MACs are multiply-accumulates of convolutions and linear layers. The paper prints MACs / 1024^3 as GFLOPs. "
        "torch.utils.flop_counter counts by itself, two operations a multiply-accumulate, and all matrix products.",
        "None of these depends on the machine, or on the data but for the number of classes.",
    ]
    return Table(settings.title, columns, rows, notes)


def _latency(settings: TableSettings, tolerances: Tolerances, results: Results) -> Table:
    times = [f"{name} (ms)" for name in ("p50", "p90", "p99")]
    columns = [
        "Experiment",
        "Network",
        "Weights",
        "Input",
        *("FPS", *times),
        *("FPS, normalisation folded", *(f"{time[:3]} folded (ms)" for time in times)),
        "Passes",
        "Peak memory (MiB)",
        "Within budget",
    ]
    assert settings.latency
    found = results.timings(settings.latency)
    if not found:
        return Table(settings.title, columns, [], [_speed_note(settings.latency, results)])
    measured = results.content(*found)
    rows = []
    for i, experiment in enumerate(settings.experiments):
        for size in measured.get(experiment, {}).get("sizes", {}):
            place = f"/{experiment}/sizes/{size}"
            network = results.cell(*found, f"/{experiment}/network", network_title)
            rows.append(
                [
                    results.defined(f"experiments/{i}", experiment),
                    network,
                    results.cell(*found, f"/{experiment}/weights"),
                    replace(network, value=size, text=size),
                    *_times(results, found, f"{place}/unfolded"),
                    *_times(results, found, f"{place}/folded"),
                    results.cell(*found, f"{place}/unfolded/passes"),
                    results.cell(*found, f"{place}/unfolded/peak_memory", "{:.0f}".format, 1 / 1024**2),
                    results.cell(*found, f"{place}/unfolded/within_budget", lambda within: "yes" if within else "no"),
                ]
            )
    return Table(settings.title, columns, rows, [_speed_note(settings.latency, results)])


def _times(results: Results, found: tuple[str, str], place: str) -> list[Cell]:
    percentiles = [results.cell(*found, f"{place}/{name}", _two_digits, 1000) for name in ("p50", "p90", "p99")]
    return [results.cell(*found, f"{place}/fps", _two_digits), *percentiles]


def _speed_note(measurement: str, results: Results) -> str:
    found = results.timings(measurement)
    if not found:
        return f"Speed was not measured here: latency.{measurement} of params.yaml."
    run = results.run(found[0])
    asked = run["measurement"]
    return (
        f"FPS: images per second, one at a time, by the protocol {asked['protocol']} (latency.{measurement} of "
        f"params.yaml) on {run['device']} ({run['processor']}, {run['threads']} threads), {asked['precision']}, "
        f"{asked['memory_format'].replace('_', ' ')}, torch {run['versions']['torch']}. They are of this machine alone."
    )


def _tolerance(tolerances: Tolerances, kind: str, scale: float = 1) -> Cell:
    value = getattr(tolerances, kind) * scale
    return Cell(value, f"{value:g}", {"file": "params.yaml", "pointer": f"/tolerances/{kind}", "scale": scale})


def _notes(settings: TableSettings, results: Results) -> list[str]:
    shown = list(dict.fromkeys(experiment for _, experiment, _, _ in results.rows(settings)))
    notes = []
    absent = [experiment for experiment in settings.experiments if experiment not in shown]
    if absent:
        notes.append(f"Not measured, because params.yaml does not select them here: {', '.join(absent)}.")
    if not shown:
        return notes
    runs = {experiment: results.run(f"evaluate/{experiment}") for experiment in shown}
    run = runs[shown[0]]
    notes.insert(0, f"Measured on the {run['split']} split of: {run['dataset']['title']}.")
    if not run["dataset"]["complete"]:
        notes.append("This is not a whole public data set: no mIoU here can be compared with a published one.")
    if run["weights"] == "none":
        notes.append("Trained from scratch, without ImageNet weights.")
    seen = [experiment for experiment, each in runs.items() if each["training"]["split"] == "trainval"]
    if seen:
        notes.append(f"Trained on the validation split as well, so that their scores say nothing: {', '.join(seen)}.")
    notes.append("mIoU is the mean over the classes that occur, from one confusion matrix over all images.")
    return notes


def _weights(value: Any) -> str:
    if value == "none":
        return "from scratch"
    return "the authors'" if "released" in value else "ImageNet"


def _one_digit(value: float) -> str:
    return f"{value:.1f}"


def _two_digits(value: float) -> str:
    return f"{value:.2f}"
