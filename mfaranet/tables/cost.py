"""The tables of what networks cost, from stored results: complexity, latency, and the paper's Table XI."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from mfaranet.schema import size_name
from mfaranet.tables.cells import BLANK, Cell, Table, digits, mean, one_digit, two_digits
from mfaranet.tables.footnotes import footnotes
from mfaranet.tables.notes import mark_notes, run_notes
from mfaranet.tables.published import (
    UNPUBLISHED,
    VARIANT,
    VERDICT,
    compare,
    find,
    judge,
    network_cell,
    network_entry,
    network_tolerance,
    printed_cell,
    tolerance,
)
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import ComparisonTable, ComplexityTable, LatencyTable, Tolerances

PAPER_SIZE = (1024, 2048)
GFLOPS = "GFLOPs (official counter / 1024^3)"
"""Header of what the paper means by GFLOPs."""
ONE_GPU = {"rtx_2080": "FPS on an RTX 2080 at 512x1024", "v100": "FPS on a V100 at 1024x2048"}
"""Published measurements that each have one GPU, size and protocol for all networks: key and header."""
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
                    _name(experiment),
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
    return Table(settings.title, columns, rows, notes)


def latency_table(settings: LatencyTable, results: Results) -> Table:
    """What a measurement of speed found."""
    found = results.timings(settings.measurement)
    forms = _forms(results, found)
    columns = ["Experiment", "Network", "Input"]
    for form in forms:
        columns += [f"{name}{FORMS[form]}" for name in ("FPS", "p50 (ms)", "p90 (ms)", "p99 (ms)")]
    columns += ["Passes", "Peak memory (MiB)", *(f"Within budget{FORMS[form]}" for form in forms)]
    if not found:
        return Table(settings.title, columns, [], [results.speed_note(settings.measurement)])
    measured = results.content(*found)
    rows = []
    for experiment, timed in measured.items():
        for size in timed["sizes"]:
            place = f"/{experiment}/sizes/{size}"
            rows.append(
                [
                    _name(experiment),
                    results.fact(experiment, "title"),
                    _size(results, found, experiment, size),
                    *(cell for form in forms for cell in _times(results, found, f"{place}/{form}")),
                    results.cell(*found, f"{place}/unfolded/passes"),
                    results.cell(*found, f"{place}/unfolded/peak_memory", partial(digits, places=0), 1 / 1024**2),
                    *_within_budget(results, found, place, forms),
                ]
            )
    return Table(settings.title, columns, rows, [results.speed_note(settings.measurement)])


def _times(results: Results, found: tuple[str, str], place: str) -> list[Cell]:
    percentiles = [results.cell(*found, f"{place}/{name}", two_digits, 1000) for name in ("p50", "p90", "p99")]
    return [results.cell(*found, f"{place}/fps", two_digits), *percentiles]


def comparison_table(settings: ComparisonTable, tolerances: Tolerances, results: Results) -> Table:
    """The paper's Table XI: each network's cost and published results beside its speed here."""
    paper = size_name(PAPER_SIZE)
    forms = _forms(results, results.timings(settings.measurement))
    columns = [
        "Network",
        "Backbone",
        "Pretraining",
        "Params (M)",
        "Params published (M)",
        "Verdict, params",
        f"GMACs at {paper} (1e9)",
        f"GFLOPs at {paper} (official counter / 1024^3)",
        f"GFLOPs of the linked code at {paper} (official counter / 1024^3)",
        "GFLOPs published",
        "GFLOPs published at",
        "Verdict, GFLOPs",
        f"mIoU here, {settings.protocol.replace('_', ' ')} (%)",
        "Val mIoU published (%)",
        "Test mIoU published (%)",
        "FPS published",
        "GPU",
        "At",
        *ONE_GPU.values(),
        "Input here",
        *(f"FPS here{FORMS[form]}" for form in forms),
        *(f"Within budget{FORMS[form]}" for form in forms),
    ]
    counted = results.content(*COUNTS)
    experiments = [name for name in results.distinct() if name in counted]
    rows = []
    for experiment in experiments:
        name = counted[experiment]["network"]
        params, *counts = results.cost(experiment, paper)
        rows.append(
            [
                results.fact(experiment, "title"),
                results.fact(experiment, "backbone"),
                network_cell(name, "pretraining"),
                params,
                *_published_cost(tolerances, name, "params", params),
                *counts,
                network_cell(name, "macs_as_executed", two_digits, 1 / 1024**3),
                *_published_gflops(tolerances, results, experiment, name),
                _miou_here(settings.protocol, results, experiment),
                network_cell(name, "val_miou", one_digit, 100),
                network_cell(name, "test_miou", one_digit, 100),
                network_cell(name, "fps", one_digit),
                network_cell(name, "fps", of="gpu"),
                network_cell(name, "fps", size_name, of="size"),
                *(printed_cell(name, key) for key in ONE_GPU),
                *_speed_here(settings.measurement, results, experiment, forms),
            ]
        )
    networks = dict.fromkeys(counted[experiment]["network"] for experiment in experiments)
    notes = [
        "Published values are of Cityscapes, from the sources named in mfaranet/tables/published.yaml (mfaranet trace "
        "prints them); FPS of different GPUs and programs cannot be compared with each other, or with those here.",
        *_variants(networks),
        "Params and GFLOPs are of what the prediction needs; those of the linked code stand beside where it runs more. "
        "Published GFLOPs are held against GMACs here, those of HRNet's own counter against the official one's; where "
        "a verdict is differs, what the network says of itself below names why.",
        f"Networks with {results.run('complexity')['classes']} classes.",
        results.speed_note(settings.measurement),
        UNPUBLISHED,
    ]
    if trained := [name for name in experiments if results.recorded(name)]:
        here = "mIoU here is of networks trained by one recipe, that of params.yaml, and says nothing of Cityscapes."
        notes += [here, *run_notes(results, trained), *mark_notes(results, trained)]
    notes += footnotes(experiments, results)
    return Table(settings.title, columns, rows, notes)


def _published_cost(
    tolerances: Tolerances, network: str, key: str, counted: Cell, obstacle: str = ""
) -> tuple[Cell, Cell]:
    """A published cost of a network, and the verdict on what is counted here."""
    published = printed_cell(network, key)
    if published == BLANK:
        return BLANK, BLANK
    allowed = network_tolerance(tolerances, network, key)
    return published, judge(counted, published, obstacle, allowed, two_digits)[-1]


def _published_gflops(tolerances: Tolerances, results: Results, experiment: str, network: str) -> list[Cell]:
    """GFLOPs as published, the size of the image, and the verdict on what is counted at that size here."""
    entry = network_entry(network, "gflops")
    size = entry.get("size")
    _, gmacs, gflops = results.cost(experiment, size_name(size)) if size else [BLANK] * 3
    counted = gflops if entry.get("counter") == "official" else gmacs
    obstacle = "" if counted != BLANK else f"published at {size_name(size) if size else 'a size that is not named'}"
    published, verdict = _published_cost(tolerances, network, "gflops", counted, obstacle)
    return [published, network_cell(network, "gflops", size_name, of="size"), verdict]


def _variants(networks: Iterable[str]) -> list[str]:
    """What the marks of published numbers mean, where there are some."""
    entries = [(name, key, network_entry(name, key)) for key in ONE_GPU for name in networks]
    marked = [f"{name}, {ONE_GPU[key]}: {entry['variant']}" for name, key, entry in entries if "variant" in entry]
    return [f"{VARIANT} of a variant: {'; '.join(marked)}."] if marked else []


def _different(counted: Mapping[str, Any], size: str) -> list[str]:
    """The experiments whose counts, at one size, are others than those of all before them."""
    first: dict[tuple[Any, ...], str] = {}
    for name, each in counted.items():
        first.setdefault((each["network"], each["params"], each["macs"][size]), name)
    return list(first.values())


def _miou_here(protocol: str, results: Results, experiment: str) -> Cell:
    """The mean over seeds, blank where the network was not trained."""
    if not results.recorded(experiment):
        return BLANK
    miou = mean(results.over_seeds(experiment, protocol, "miou"), one_digit)
    return replace(miou, text=f"{miou.text}{results.mark(experiment)}")


def _forms(results: Results, found: tuple[str, str] | None) -> list[str]:
    """The forms that a measurement, where it was made, has of every network."""
    sizes = [size for each in results.content(*found).values() for size in each["sizes"].values()] if found else []
    return [form for form in FORMS if form in ("unfolded", "folded") or (sizes and all(form in size for size in sizes))]


def _speed_here(measurement: str, results: Results, experiment: str, forms: Sequence[str]) -> list[Cell]:
    found = results.timings(measurement)
    sizes = results.content(*found).get(experiment, {}).get("sizes", {}) if found else {}
    if not found or not sizes:
        return [BLANK] * (1 + 2 * len(forms))
    size = next(iter(sizes))
    place = f"/{experiment}/sizes/{size}"
    return [
        _size(results, found, experiment, size),
        *(results.cell(*found, f"{place}/{form}/fps", two_digits) for form in forms),
        *_within_budget(results, found, place, forms),
    ]


def _within_budget(results: Results, found: tuple[str, str], place: str, forms: Sequence[str]) -> list[Cell]:
    return [results.cell(*found, f"{place}/{form}/within_budget", _yes) for form in forms]


def _size(results: Results, found: tuple[str, str], experiment: str, size: str) -> Cell:
    """The name of a size among those that an experiment's network was timed at."""
    return replace(results.cell(*found, f"/{experiment}/sizes"), value=size, text=size)


def _name(experiment: str) -> Cell:
    """The name of an experiment that a result has an entry of."""
    return Cell(experiment, experiment, {"file": "params.yaml", "pointer": "/experiments"})


def _yes(value: bool) -> str:
    return "yes" if value else "no"
