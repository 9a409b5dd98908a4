"""params.yaml: read, checked, and merged to the settings of one run.

The settings of one run are three layers, later ones winning: the base (top-level ``network``, ``train``,
``evaluate``), the data set's profile, the experiment's differences.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, ValidationError

from mfaranet.errors import InputError
from mfaranet.files import read_yaml
from mfaranet.schema import (
    ComplexitySettings,
    Experiment,
    FigureSettings,
    LatencySettings,
    Name,
    Profile,
    Settings,
    Strict,
    TableSettings,
    Tolerances,
    WeightsFile,
)

T = TypeVar("T")


class Params(Strict):
    """All of params.yaml."""

    datasets: Annotated[list[Name], Field(min_length=1)]
    profiles: dict[Name, Profile]
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]
    selected_experiments: Annotated[list[Name], Field(min_length=1)]
    pruned_experiments: list[Name]
    latencies: Annotated[list[Name], Field(min_length=1)]
    submissions: list[Name]
    tables: dict[Name, TableSettings]
    tolerances: Tolerances
    figures: FigureSettings
    complexity: ComplexitySettings
    latency: dict[Name, dict[str, Any]]
    weights: dict[Name, WeightsFile]
    network: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]

    @property
    def measured_experiments(self) -> list[str]:
        """What is evaluated, counted and shown: the selected experiments, and the pruned ones."""
        return [*self.selected_experiments, *map(pruned_name, self.pruned_experiments)]

    @property
    def seeds(self) -> dict[str, list[str]]:
        """Each measured experiment with those that are the same but for the seed, ``<experiment>_seed_<number>``.

        One of that name that differs in more than the protocols by which it is evaluated is not of them.
        """

        def recipe(name: str) -> tuple[Any, ...]:
            each = self.experiments[name]
            return (each.network, _without(each.train, "seed"), _without(each.evaluate, "protocols"))

        return {
            name: [
                other
                for other in self.measured_experiments
                if re.fullmatch(rf"{name}(_seed_\d+)?", other) and recipe(other) == recipe(name)
            ]
            for name in self.measured_experiments
        }

    def profile(self, dataset: str) -> Profile:
        """The profile of a data set; InputError where there is none."""
        return _lookup(self.profiles, dataset, "profiles")

    def measurement(self, dataset: str, name: str) -> LatencySettings:
        """A measurement of speed, with what the data set's profile changes.

        Raises:
            InputError: there is none of that name, or a merged value is unknown, missing or impossible.
        """
        difference = self.profile(dataset).latency.get(name, {})
        merged = _merge(_lookup(self.latency, name, "latency"), difference)
        layers = {f"profiles.{dataset}.latency.{name}": difference, f"latency.{name}": merged}
        try:
            return LatencySettings.model_validate_json(json.dumps(merged))
        except ValidationError as error:
            raise InputError(_explain(error, layers, f"latency.{name}")) from None

    def settings(self, dataset: str, experiment: str) -> Settings:
        """Merge base, profile and differences.

        Raises:
            InputError: an unknown data set or experiment, or a merged value that is unknown, missing or impossible.
        """
        profile = self.profile(dataset)
        difference = _lookup(self.experiments, experiment, "experiments")
        merged = {
            "data": profile.data.model_dump(mode="json"),
            "weights": profile.weights,
            "network": self._network(difference.network),
            "train": _merge(self.train, profile.train, difference.train),
            "evaluate": _merge(self.evaluate, profile.evaluate, difference.evaluate),
        }
        layers = {
            f"experiments.{experiment}": difference.model_dump(),
            f"profiles.{dataset}": {"train": profile.train, "evaluate": profile.evaluate},
        }
        try:
            return Settings.model_validate_json(json.dumps(merged))
        except ValidationError as error:
            raise InputError(_explain(error, layers)) from None

    def networks(self) -> dict[str, dict[str, Any]]:
        """Each experiment's network, and its losses on the data sets, for mfaranet.training.checking."""
        every = {name: [self.settings(dataset, name) for dataset in self.profiles] for name in self.experiments}
        return {
            name: {
                "network": settings[0].network.model_dump(mode="json"),
                "losses": [each.train.loss.model_dump(mode="json") for each in settings],
            }
            for name, settings in every.items()
        }

    def _network(self, difference: Mapping[str, Any]) -> dict[str, Any]:
        # Another network has options of its own.
        other = difference.get("name", self.network.get("name")) != self.network.get("name")
        return _merge({"options": {}} if other else self.network, difference)


def pruned_name(experiment: str) -> str:
    """The experiment that evaluates the pruned network of a trained one."""
    return f"{experiment}_pruned"


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml, every data set with every experiment, before any work is done.

    What it says of networks is left to mfaranet.training.checking, which takes seconds to import.

    Raises:
        InputError: the file is missing or no YAML, or a key is unknown, missing, of the wrong type or impossible.
    """
    try:
        content = read_yaml(path)
    except OSError as error:
        raise InputError(f"{path}: {os.strerror(error.errno or 0)}; run from the repository root") from None
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {error}") from None
    try:
        params = Params.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise InputError(_explain(error, {})) from None
    _check_references(params)
    return params


def _check_references(params: Params) -> None:
    for key in ("datasets", "selected_experiments", "pruned_experiments", "submissions", "latencies"):
        chosen = getattr(params, key)
        if len(set(chosen)) != len(chosen):
            raise InputError(f"params.yaml: {key}: the same name stands there twice")
    for dataset in params.datasets:
        _lookup(params.profiles, dataset, "profiles")
    for experiment in params.measured_experiments:
        _lookup(params.experiments, experiment, "experiments")
    for key, allowed in (
        ("pruned_experiments", params.selected_experiments),
        ("submissions", params.measured_experiments),
    ):
        for experiment in getattr(params, key):
            if experiment not in allowed:
                raise InputError(f"params.yaml: {key}: {experiment!r} is not among selected_experiments")
    for experiment in params.experiments:
        for dataset in params.profiles:
            params.settings(dataset, experiment)
    for measurement in params.latencies:
        _lookup(params.latency, measurement, "latency")
    for dataset, profile in params.profiles.items():
        for measurement in profile.latency:
            _lookup(params.latency, measurement, "latency")
        for measurement in params.latency:
            named = params.measurement(dataset, measurement).experiments
            _check_experiments(params, named, f"latency.{measurement}")
    for name, table in params.tables.items():
        _check_experiments(params, table.experiments, f"tables.{name}")
        if table.latency is not None:
            _lookup(params.latency, table.latency, "latency")
    _check_experiments(params, params.figures.experiments, "figures")
    for measurement in (params.figures.latency, params.figures.comparison):
        _lookup(params.latency, measurement, "latency")


def _check_experiments(params: Params, experiments: Iterable[str], where: str) -> None:
    for experiment in experiments:
        if experiment not in params.experiments:
            raise InputError(f"params.yaml: {where}.experiments: no experiment is called {experiment!r}")


def _lookup(mapping: Mapping[str, T], key: str, section: str) -> T:
    if key not in mapping:
        raise InputError(f"params.yaml: {section} has no {key!r}; it has: {', '.join(mapping)}")
    return mapping[key]


def _without(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name != key}


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError, layers: Mapping[str, Mapping[str, Any]], section: str = "") -> str:
    """One line a fault, each naming the key where it stands in params.yaml, or in which ``section`` it is missing."""
    lines = []
    for fault in error.errors():
        # Pydantic names the form of the data settings after their key; params.yaml has no such level.
        location = [str(part) for i, part in enumerate(fault["loc"]) if not i or fault["loc"][i - 1] != "data"]
        layer = next((name for name, values in layers.items() if _holds(values, location)), section)
        key = ".".join(filter(None, [layer, *location]))
        message = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"]
        got = "" if fault["type"] in ("missing", "extra_forbidden") else f" (got {fault['input']!r})"
        lines.append(f"params.yaml: {key}: {message}{got}")
    return "\n".join(lines)


def _holds(values: Any, location: list[str]) -> bool:
    for part in location:
        if not isinstance(values, Mapping):
            return True  # the fault lies inside this value
        if part not in values:
            return False
        values = values[part]
    return True
