"""The tables of what networks cost, from stored results: complexity and latency."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mfaranet.schema import size_name
from mfaranet.tables.cells import Cell, Table, digits, two_digits
from mfaranet.tables.published import (
    UNPUBLISHED,
    VERDICT,
    compare,
    find,
    tolerance,
)
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import ComplexityTable, LatencyTable, Tolerances

GFLOPS = "GFLOPs (official counter / 1024^3)"
"""Header of what the paper means by GFLOPs."""
FORMS = {
    "unfolded": "",
    "folded": ", normalisation folded",
    "deployed": ", deployed",
    "compiled": ", compiled",
    "cuda_graph": ", CUDA graph",
}
"""Of networks in measurements of speed, and what headers call them."""


def complexity_table(settings: ComplexityTable, tolerances: Tolerances, results: Results) -> Table:
    """Parameters and multiply-accumulates of each network at the paper's sizes."""
    columns = [
        "Experiment",
        "Network",
        "Input",
        "Params (M)",
        "GMACs (1e9)",
        GFLOPS,
        "FLOPs by torch (1e9)",
        "GFLOPs published",
        *VERDICT,
    ]
    classes = results.run("complexity")["classes"]
    counted = results.content(*COUNTS)
    rows = []
    for experiment in _different(counted, size_name(results.run("complexity")["sizes"][0])):
        for j, size in enumerate(results.run("complexity")["sizes"]):
            key = size_name(size)
            params, gmacs, gflops = results.cost(experiment, key)
            rows.append(
                [
                    named(experiment),
                    results.fact(experiment, "title"),
                    results.cell("complexity", "run.json", f"/sizes/{j}", size_name),
                    params,
                    gmacs,
                    gflops,
                    results.cell(*COUNTS, f"/{experiment}/flop_counter/{key}", two_digits, 1e-9),
                    *compare(
                        gflops,
                        find("gflops", experiment, input_size=size, network=counted[experiment]["network"]),
                        lambda entry: (
                            "" if classes == entry["classes"] else f"published for {entry['classes']} classes"
                        ),
                        tolerance(tolerances, "gflops"),
                        two_digits,
                    ),
                ]
            )
    notes = [
        f"Networks with {classes} classes, one image; what training alone needs does not count. Of experiments with "
        "equal counts the first stands here.",
        "MACs are multiply-accumulates of convolutions and linear layers. GFLOPs are the paper's: its counter takes a "
        "transposed convolution at the positions of its output, stride squared too many, and the sum is divided by "
        "1024^3. torch.utils.flop_counter counts by itself, two operations a multiply-accumulate.",
        "None of these depends on the machine, or on the data but for the number of classes.",
        UNPUBLISHED,
    ]
    narrow = {
        **{column: column for column in ("Experiment", "Input", "Params (M)")},
        "GMACs (1e9)": "GMACs",
        GFLOPS: "GFLOPs",
        "GFLOPs published": "Published",
        **{column: column for column in VERDICT if column != "Tolerance"},
    }
    return Table(settings.title, columns, rows, notes, narrow, ("Network", "Input", "Params (M)"))


def latency_table(settings: LatencyTable, results: Results) -> Table:
    """What a measurement of speed found."""
    found = results.timings(settings.measurement)
    forms = forms_of(results, found)
    columns = ["Experiment", "Network", "Input"]
    for form in forms:
        columns += [f"{name}{FORMS[form]}" for name in ("FPS", "p50 (ms)", "p90 (ms)", "p99 (ms)")]
    budgets = [f"Within budget{FORMS[form]}" for form in forms]
    columns += ["Passes", "Peak memory (MiB)", *budgets]
    narrow = {
        **{column: column for column in ("Experiment", "Input", "FPS", "p50 (ms)", "p99 (ms)")},
        **{f"FPS{FORMS[form]}": f"FPS, {form.replace('_', ' ')}" for form in forms if form != "unfolded"},
        "Peak memory (MiB)": "MiB",
        **{f"Within budget{FORMS[form]}": f"In time, {form.replace('_', ' ')}" for form in forms},
    }
    note = results.speed_note(settings.measurement)
    if not found:
        return Table(settings.title, columns, [], [note], narrow)
    measured = results.content(*found)
    rows = []
    for experiment, timed in measured.items():
        for size in timed["sizes"]:
            place = f"/{experiment}/sizes/{size}"
            rows.append(
                [
                    named(experiment),
                    results.fact(experiment, "title"),
                    timed_size(results, found, experiment, size),
                    *(cell for form in forms for cell in _times(results, found, f"{place}/{form}")),
                    results.cell(*found, f"{place}/unfolded/passes"),
                    results.cell(*found, f"{place}/unfolded/peak_memory", partial(digits, places=0), 1 / 1024**2),
                    *within_budget(results, found, place, forms),
                ]
            )
    return Table(settings.title, columns, rows, [note], narrow, ("Network", "Input", *budgets))


def _times(results: Results, found: tuple[str, str], place: str) -> list[Cell]:
    percentiles = [results.cell(*found, f"{place}/{name}", two_digits, 1000) for name in ("p50", "p90", "p99")]
    return [results.cell(*found, f"{place}/fps", two_digits), *percentiles]


def _different(counted: Mapping[str, Any], size: str) -> list[str]:
    """The experiments whose counts, at one size, are others than those of all before them."""
    first: dict[tuple[Any, ...], str] = {}
    for name, each in counted.items():
        first.setdefault((each["network"], each["params"], each["macs"][size]), name)
    return list(first.values())


def forms_of(results: Results, found: tuple[str, str] | None) -> list[str]:
    """The forms that a measurement, where it was made, has of every network."""
    sizes = [size for each in results.content(*found).values() for size in each["sizes"].values()] if found else []
    return [form for form in FORMS if form in ("unfolded", "folded") or (sizes and all(form in size for size in sizes))]


def within_budget(results: Results, found: tuple[str, str], place: str, forms: Sequence[str]) -> list[Cell]:
    return [results.cell(*found, f"{place}/{form}/within_budget", _yes) for form in forms]


def timed_size(results: Results, found: tuple[str, str], experiment: str, size: str) -> Cell:
    """The name of a size among those that an experiment's network was timed at."""
    return replace(results.cell(*found, f"/{experiment}/sizes"), value=size, text=size)


def named(experiment: str) -> Cell:
    """The name of an experiment that a result has an entry of."""
    return Cell(experiment, experiment, {"file": "params.yaml", "pointer": "/experiments"})


def _yes(value: bool) -> str:
    return "yes" if value else "no"
