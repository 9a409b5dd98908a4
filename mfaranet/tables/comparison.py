"""The paper's Table XI, from stored results and what is published."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mfaranet.schema import size_name
from mfaranet.tables.cells import BLANK, Cell, Table, mean, one_digit, two_digits
from mfaranet.tables.cost import FORMS, forms_of, named, timed_size, within_budget
from mfaranet.tables.footnotes import footnotes
from mfaranet.tables.notes import mark_notes, run_notes
from mfaranet.tables.published import (
    UNPUBLISHED,
    VARIANT,
    judge,
    network_cell,
    network_entry,
    network_tolerance,
    printed_cell,
)
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import ComparisonTable, Tolerances

PAPER_SIZE = (1024, 2048)
ONE_GPU = {"rtx_2080": "FPS on an RTX 2080 at 512x1024", "v100": "FPS on a V100 at 1024x2048"}
"""Published measurements that each have one GPU, size and protocol for all networks: key and header."""


def comparison_table(settings: ComparisonTable, tolerances: Tolerances, results: Results) -> Table:
    """The paper's Table XI: each network's cost and published results beside its speed here."""
    paper = size_name(PAPER_SIZE)
    forms = forms_of(results, results.timings(settings.measurement))
    budgets = [f"Within budget{FORMS[form]}" for form in forms]
    miou = f"mIoU here, {settings.protocol.replace('_', ' ')} (%)"
    columns = [
        "Experiment",
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
        miou,
        "Val mIoU published (%)",
        "Test mIoU published (%)",
        "FPS published",
        "GPU",
        "At",
        *ONE_GPU.values(),
        "Input here",
        *(f"FPS here{FORMS[form]}" for form in forms),
        *budgets,
    ]
    counted = results.content(*COUNTS)
    experiments = [name for name in results.distinct() if name in counted]
    first = {counted[experiment]["network"]: experiment for experiment in reversed(experiments)}
    rows = []
    for experiment in experiments:
        # What was published of a network is not of its variants.
        name = counted[experiment]["network"] if experiment in first.values() else ""
        params, *counts = results.cost(experiment, paper)
        rows.append(
            [
                named(experiment),
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
    notes = [
        "Published values are of Cityscapes, from the sources named in mfaranet/tables/published.yaml (mfaranet trace "
        "prints them); FPS of different GPUs and programs cannot be compared with each other, or with those here.",
        *(["Of a network with several rows, they stand in the first."] if len(first) < len(experiments) else []),
        *_variants(first),
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
    narrow = {
        **({"Experiment": "Experiment"} if len(first) < len(experiments) else {"Network": "Network"}),
        "Params (M)": "Params (M)",
        "Params published (M)": "Published",
        "Verdict, params": "Verdict",
        f"GFLOPs at {paper} (official counter / 1024^3)": "GFLOPs",
        miou: "mIoU here (%)",
        "Val mIoU published (%)": "Val mIoU",
        "Test mIoU published (%)": "Test mIoU",
        "Input here": "Input here",
        "FPS here": "FPS here",
    }
    return Table(settings.title, columns, rows, notes, narrow, ("Input here", *budgets))


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


def _miou_here(protocol: str, results: Results, experiment: str) -> Cell:
    """The mean over seeds, blank where the network was not trained."""
    if not results.recorded(experiment):
        return BLANK
    miou = mean(results.over_seeds(experiment, protocol, "miou"), one_digit)
    return replace(miou, text=f"{miou.text}{results.mark(experiment)}")


def _speed_here(measurement: str, results: Results, experiment: str, forms: Sequence[str]) -> list[Cell]:
    found = results.timings(measurement)
    sizes = results.content(*found).get(experiment, {}).get("sizes", {}) if found else {}
    if not found or not sizes:
        return [BLANK] * (1 + 2 * len(forms))
    size = next(iter(sizes))
    place = f"/{experiment}/sizes/{size}"
    return [
        timed_size(results, found, experiment, size),
        *(results.cell(*found, f"{place}/{form}/fps", two_digits) for form in forms),
        *within_budget(results, found, place, forms),
    ]
