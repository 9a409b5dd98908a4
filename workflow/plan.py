"""Stage plan: what each run of each stage uses, a small file for each, from params.yaml and the source code.

A run's file has its settings, base, profile and differences merged, and a digest of each module of its code.
The other stages depend on their file and on data, so that an edit makes stale what it changes and nothing else.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mfaranet.errors import report_errors
from mfaranet.files import atomic_folder
from mfaranet.models import module_of
from mfaranet.params import Params, load, pruned_name
from mfaranet.schema import NetworkSettings, Settings, Strict
from mfaranet.tables.settings import ComparisonTable, TableSettings
from workflow.planned import FOLDER
from workflow.sources import digest, digests, facts_digest

AROUND = {
    "mfaranet",
    "mfaranet.downloads",
    "mfaranet.errors",
    "mfaranet.files",
    "mfaranet.links",
    "mfaranet.models.facts",
    "mfaranet.params",
    "mfaranet.records",
    "mfaranet.runs",
    "mfaranet.schema",
    "mfaranet.tables.settings",
    "workflow",
    "workflow.common",
    "workflow.gpus",
    "workflow.planned",
    "workflow.running",
    "workflow.snapshot",
    "workflow.sources",
}
"""Modules that check, start, read, write and describe. What they make of settings stands in the plan, and an edit of
the rest reruns nothing."""
PUBLISHED = "mfaranet/tables/published.yaml"
PAGE = Path("mfaranet/report")
"""The templates of pages, with their style, script and citations."""

Run = tuple[tuple[str, ...], dict[str, Any], list[str]]
"""Stage and names of a run, its settings, and the modules that are imported by a name that it works out."""


def main() -> None:
    """Write the plan anew."""
    write(load())


def write(params: Params) -> None:
    """Write the plan of what some settings select."""
    with atomic_folder(FOLDER) as folder:
        for names, settings, modules in runs(params):
            stage = names[1] if len(names) > 1 else names[0]
            content = {"settings": settings, "code": code(stage, modules)}
            path = (folder / Path(*names)).with_suffix(".yaml")
            path.parent.mkdir(parents=True, exist_ok=True)
            text = yaml.dump(json.loads(json.dumps(content)), Dumper=yaml.CSafeDumper, sort_keys=False)
            path.write_text(text, encoding="utf-8")


def code(stage: str, modules: list[str]) -> dict[str, str]:
    """The digests of the code that a stage runs."""
    page = [str(path) for path in PAGE.rglob("*") if path.suffix in (".css", ".j2", ".js", ".yaml")]
    files = {"tables": [PUBLISHED], "figures": [PUBLISHED], "report": page, "index": page}.get(stage, [])
    found = digests([f"workflow.{stage}", *modules], files)
    return {name: digest for name, digest in found.items() if name not in AROUND}


def runs(params: Params) -> Iterator[Run]:
    """Every run that params.yaml selects, with the stage that checks it as a whole."""
    networks = params.networks()
    modules = sorted({module_of(each["network"]["name"]) for each in networks.values()})
    yield ("check",), {"experiments": networks}, modules
    yield ("index",), {}, []
    for dataset in params.run.datasets:
        for names, settings, modules in _of_one(params, dataset):
            yield (dataset, *names), settings, modules


def _of_one(params: Params, dataset: str) -> Iterator[Run]:
    profile, run = params.profile(dataset), params.run
    every = {name: params.settings(dataset, name) for name in params.experiments}
    selected = {name: every[name] for name in run.experiments}
    yield ("data",), {"data": profile.data.model_dump(mode="json", exclude={"cache"})}, []
    yield ("decode",), {"cache": profile.data.cache}, []
    starts = {name: _start(params, name, settings) for name, settings in selected.items()}
    started = [selected[name].network for name, start in starts.items() if start]
    yield ("weights",), _weights(params, starts), _modules(*started)
    for name, settings in selected.items():
        yield ("train", name), _training(settings), _modules(settings.network)
    for name in params.measured_experiments:
        yield ("evaluate", name), _evaluation(every[name]), _modules(every[name].network)
    for name in run.pruned:
        pruned = every[pruned_name(name)]
        settings_of = {"network": _dump(pruned.network), "checkpoint": pruned.evaluate.checkpoint}
        yield ("prune", name), settings_of, _modules(every[name].network, pruned.network)
    for name in run.submissions:
        yield ("submission", name), _evaluation(every[name]), _modules(every[name].network)
    yield from _measurements(params, dataset, every)
    tables = {name: params.table(name) for name in params.tables}
    shown = {name: _shown(table, params, dataset) for name, table in tables.items()}
    drawn = params.drawn()
    compared = [seed for name in (*drawn.experiments, *drawn.ablations) for seed in params.seeds(name)]
    known = params.members(
        [*params.measured_experiments, *(each for names in shown.values() for each in names), *compared]
    )
    experiments = {name: _of_results(params, name, every) for name in known}
    summary = {
        "experiments": experiments,
        "tables": {
            name: {"kind": table.kind, "measurement": getattr(table, "measurement", None), "experiments": shown[name]}
            for name, table in tables.items()
        },
        "shown": _dump(params.shown),
        "protocols": params.evaluate["protocols"],
    }
    yield ("summary",), summary, []
    for name, table in tables.items():
        content = {
            "table": _dump(table),
            "tolerances": _dump(params.tolerances),
            "experiments": {each: experiments[each] for each in shown[name]},
        }
        yield ("tables", name), content, []
    yield ("report",), {"report": _dump(params.report(dataset))}, []
    yield ("figures",), {"figures": _dump(drawn), "shown": _dump(params.shown), "experiments": experiments}, []


def _measurements(params: Params, dataset: str, every: dict[str, Settings]) -> Iterator[Run]:
    """The counts, and the timings."""
    counted = {
        name: {
            "network": _dump(settings.network),
            "protocols": settings.evaluate.protocols,
            "input_size": settings.evaluate.input_size.shown,
            "window_size": settings.evaluate.window_size,
            "code": _measured("complexity", settings.network),
        }
        for name, settings in every.items()
    }
    networks = _modules(*(settings.network for settings in every.values()))
    told = {"complexity": _dump(params.complexity), "experiments": counted, "facts": facts_digest(networks)}
    yield ("complexity",), told, networks
    for measurement in params.run.measurements:
        asked = params.measurement(dataset, measurement)
        timed = {name: every[name].network for name in asked.experiments}
        content = {
            "measurement": _dump(asked),
            "networks": {
                name: {"network": _dump(network), "code": _measured("latency", network)}
                for name, network in timed.items()
            },
        }
        yield ("latency", measurement), content, _modules(*timed.values())


def _of_results(params: Params, name: str, every: Mapping[str, Settings]) -> dict[str, Any]:
    """What tells whether recorded results of an experiment are of what params.yaml says now."""
    trained = next((each for each in every if pruned_name(each) == name), name)
    return {
        "seeds": params.seeds(name),
        "selected": name in params.measured_experiments,
        "evaluation": digest(_evaluation(every[name])),
        "training": digest(_training(every[trained])),
    }


def _shown(table: TableSettings, params: Params, dataset: str) -> list[str]:
    """The experiments that a table can show, with those that are the same but for the seed."""
    if isinstance(table, ComparisonTable):
        names = params.measurement(dataset, table.measurement).experiments
    else:
        names = getattr(table, "experiments", [])
    return params.members(seed for name in names for seed in params.seeds(name))


def _measured(stage: str, network: NetworkSettings) -> str:
    """A digest of the code that counts or times one network; what is known of the others is kept (see common.kept)."""
    return digest(code(stage, _modules(network)))


def _training(settings: Settings) -> dict[str, Any]:
    return {"weights": settings.weights, "network": _dump(settings.network), "train": _dump(settings.train)}


def _evaluation(settings: Settings) -> dict[str, Any]:
    return {"network": _dump(settings.network), "evaluate": _dump(settings.evaluate)}


def _start(params: Params, experiment: str, settings: Settings) -> dict[str, Any] | None:
    """The entry of ``weights`` that the encoder of a training starts from, the network that has this encoder, and how
    the file is called in which this one finds them; None for a training from scratch."""
    network, entry = settings.network, params.encoder_weights(settings)
    if entry is None:
        return None
    if backbone := network.options.get("backbone"):  # one file for all experiments that share it
        network = network.model_copy(update={"options": {"backbone": backbone}})
        return {"weights": entry, "file": f"{entry}.safetensors", "network": _dump(network)}
    return {"weights": entry, "file": f"{entry}-{experiment}.safetensors", "network": _dump(network)}


def _weights(params: Params, starts: Mapping[str, dict[str, Any] | None]) -> dict[str, Any]:
    """What each training starts from, and where the files are; None for one that params.yaml does not have."""
    names = sorted({start["weights"] for start in starts.values() if start})
    files = {name: _dump(params.weights[name]) if name in params.weights else None for name in names}
    return {"experiments": starts, "files": files}


def _modules(*networks: NetworkSettings) -> list[str]:
    return sorted({module_of(network.name) for network in networks})


def _dump(settings: Strict) -> Any:
    return settings.model_dump(mode="json")


if __name__ == "__main__":
    report_errors(main)
