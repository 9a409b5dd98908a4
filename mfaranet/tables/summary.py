"""What of the stored results a table shows, and each experiment in a few numbers."""

from typing import Any

from mfaranet.schema import size_name
from mfaranet.tables.results import COUNTS, Results
from mfaranet.tables.settings import Shown

_OF_ONE_RUN = {"commit", "modified", "plan", "params_sha256", "code_sha256"}
_BY_NETWORK = "networks"


def sources(kind: str, measurement: str | None, results: Results) -> dict[str, Any]:
    """All that a table of a kind shows, by the folder that it lies in, and the experiment.

    A table whose sources are as before is as before: of what is kept by experiment, counts and timings, those of others
    do not matter.
    """
    recorded = [name for name in results.experiments if results.recorded(name)]
    found: dict[str, Any] = {
        f"evaluate/{name}": [results.content(f"evaluate/{name}", file) for file in ("metrics.json", "run.json")]
        for name in recorded
    }
    timings = results.timings(measurement) if measurement else None
    for file, whole in ((COUNTS, "complexity"), (timings, "latency")):
        if file is None:
            continue
        entries = results.content(*file)
        names = entries if kind == whole else results.experiments
        run = results.run(file[0])
        facts = run.get(_BY_NETWORK, {})
        shown = {name: entries[name] for name in names if name in entries}
        found |= {f"{file[0]}/{name}": [entry, facts.get(entry["network"])] for name, entry in shown.items()}
        found[file[0]] = {key: run[key] for key in run.keys() - _OF_ONE_RUN - {_BY_NETWORK}}
    return found


def scores(results: Results, experiment: str, protocols: list[str], shown: Shown) -> dict[str, Any]:
    """What people compare of one experiment: the numbers of `dvc metrics show`, each where there is one.

    ``miou`` and ``pixel_accuracy`` by protocol, in 0..1; ``params``; ``gflops``, the paper's, and ``fps`` at the input
    size of the protocol that is ``shown``.
    """
    measured = results.content(f"evaluate/{experiment}", "metrics.json")
    found: dict[str, Any] = {
        score: {protocol: measured[protocol][score] for protocol in protocols if protocol in measured}
        for score in ("miou", "pixel_accuracy")
    }
    counted = results.content(*COUNTS).get(experiment)
    if counted and shown.protocol in measured:
        size = results.input_size(experiment, shown.protocol).value
        found["params"] = counted["params"]
        if macs := counted["official_macs"].get(size_name(size)):
            found["gflops"] = macs / 1024**3
        fps = results.speed(shown.measurement, experiment, size, "unfolded").value
        found |= {"fps": fps} if fps else {}
    return found
