"""What is said under a table of the experiments that it shows."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mfaranet.tables.results import EARLIER, OTHERWISE, Results, training_of


def mark_notes(results: Results, experiments: Iterable[str]) -> list[str]:
    """What the marks of recorded experiments mean, where there are some."""
    marked: dict[str, list[str]] = {}
    for name in experiments:
        marked.setdefault(results.mark(name), []).append(name)
    meanings = {
        EARLIER: "recorded earlier, by the settings that params.yaml has, and not selected now",
        OTHERWISE: "recorded earlier, by other settings than params.yaml has now, and not selected: not to be compared",
    }
    return [f"{mark} {text}: {', '.join(marked[mark])}." for mark, text in meanings.items() if mark in marked]


def run_notes(results: Results, experiments: Iterable[str]) -> list[str]:
    """On what the experiments were trained and measured, and what that is worth."""
    runs = {experiment: results.run(f"evaluate/{experiment}") for experiment in experiments}
    notes = [f"Measured on {_each(runs, _split)}."]
    if present := _each(runs, _classes):
        notes.append(f"Classes that occur: {present}.")
    if any(not run["dataset"]["complete"] for run in runs.values()):
        notes.append("This is not a whole public data set: no mIoU here can be compared with a published one.")
    if scratch := [experiment for experiment, run in runs.items() if run["weights"] == "none"]:
        which = "" if len(scratch) == len(runs) else f": {', '.join(scratch)}"
        notes.append(f"Trained from scratch, without ImageNet weights{which}.")
    if trained := _each(runs, lambda run: _device(training_of(run))):
        notes.append(
            f"Trained on {trained}. Other processors, numbers of threads or GPUs round otherwise, and so move a score "
            "as far as another seed does."
        )
    seen = [name for name, each in runs.items() if (each["training"]["split"], each["split"]) == ("trainval", "val")]
    if seen:
        notes.append(f"Trained on the validation split as well, so that their scores say nothing: {', '.join(seen)}.")
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
    if "processes" not in training:
        return ""
    how = [training["precision"], *(["TF32"] if training["tf32"] else [])]
    if training["device"] == "cpu" and "threads" in training:
        how += [training["processor"], training["instructions"], f"{training['threads']} threads"]
    return f"{training['processes']} x {training['device']} ({', '.join(how)})"
