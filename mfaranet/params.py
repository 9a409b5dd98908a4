"""params.yaml: read, checked, and merged to the settings of one run.

The settings of one run are three layers, later ones winning: the base (top-level ``network``, ``train``,
``evaluate``), the data set's profile, the experiment's differences.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from reprlib import Repr
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from mfaranet.errors import InputError
from mfaranet.files import read_yaml
from mfaranet.links import check_link
from mfaranet.models import module_of
from mfaranet.schema import (
    ComplexitySettings,
    Difference,
    ImageNetFile,
    LatencySettings,
    Name,
    Profile,
    Run,
    Settings,
    Strict,
)
from mfaranet.tables.settings import (
    ComparisonTable,
    ComplexityTable,
    FigureSettings,
    LatencyTable,
    OverallTable,
    PerClassTable,
    ReportSettings,
    Shown,
    TableSettings,
    Tolerances,
)

T = TypeVar("T")
_LISTED, _LONGEST = 50, 100
"""Faults that are told, and characters of each key and value in them."""
_SHORT = Repr()
_SHORT.maxstring = _SHORT.maxother = _LONGEST
TABLES: dict[str, type[TableSettings]] = {
    "overall": OverallTable,
    "per_class": PerClassTable,
    "complexity": ComplexityTable,
    "latency": LatencyTable,
    "comparison": ComparisonTable,
}


class Params(Strict):
    """All of params.yaml."""

    run: Run
    groups: dict[Name, list[Name]]
    experiments: Annotated[dict[Name, Difference], Field(min_length=1)]
    tables: dict[Name, dict[str, Any]]
    network: dict[str, Any]
    train: dict[str, Any]
    other_networks: Difference
    """What experiments change first whose network is another than that of the section ``network``."""
    evaluate: dict[str, Any]
    complexity: ComplexitySettings
    latency: dict[str, Any]
    measurements: dict[Name, dict[str, Any]]
    shown: Shown
    figures: FigureSettings
    tolerances: Tolerances
    weights: dict[Name, ImageNetFile]
    profiles: dict[Name, Profile]

    @property
    def measured_experiments(self) -> list[str]:
        """What is evaluated: the selected experiments, and the pruned ones."""
        return [*self.run.experiments, *map(pruned_name, self.run.pruned)]

    def seeds(self, name: str) -> list[str]:
        """An experiment and those that are the same but for the seed, ``<experiment>_seed_<number>``.

        One of that name that differs in more than the protocols by which it is evaluated is not of them.
        """

        def recipe(name: str) -> tuple[Any, ...]:
            each = self.experiments[name]
            return (each.network, _without(each.train, "seed"), _without(each.evaluate, "protocols"))

        return [
            other
            for other in self.experiments
            if re.fullmatch(rf"{name}(_seed_\d+)?", other) and recipe(other) == recipe(name)
        ]

    def members(self, names: Iterable[str]) -> list[str]:
        """Names of experiments, with those of a group in the place of its name; each once."""
        return list(dict.fromkeys(each for name in names for each in self.groups.get(name, [name])))

    def profile(self, dataset: str) -> Profile:
        """The profile of a data set; InputError where there is none."""
        return _lookup(self.profiles, dataset, "profiles")

    def measurement(self, dataset: str, name: str) -> LatencySettings:
        """A measurement of speed on a data set, with the experiments of groups.

        Raises:
            InputError: there is none of that name, or a merged value is unknown, missing or impossible.
        """
        own = _lookup(self.measurements, name, "measurements")
        difference = self.profile(dataset).measurements.get(name, {})
        merged = _merge(self.latency, own, difference)
        layers = {f"profiles.{dataset}.measurements.{name}": difference, f"measurements.{name}": own}
        settings: LatencySettings = _validated(LatencySettings, merged, layers, "latency")
        return settings.model_copy(update={"experiments": self.members(settings.experiments)})

    def table(self, name: str) -> TableSettings:
        """A table, with what the section ``shown`` gives where it names nothing else, and the experiments of groups.

        Raises:
            InputError: there is none of that name, or a value is unknown, missing or impossible.
        """
        own = _lookup(self.tables, name, "tables")
        given = {"protocols": [self.shown.protocol], **self.shown.model_dump()}
        kind = _lookup(TABLES, str(own.get("kind", "")), f"tables.{name}.kind")
        unnamed = {key: given[key] for key in kind.model_fields if key in given}
        settings: TableSettings = _validated(kind, {**unnamed, **own}, {f"tables.{name}": own}, f"tables.{name}")
        if isinstance(settings, OverallTable | PerClassTable):
            return settings.model_copy(update={"experiments": self.members(settings.experiments)})
        return settings

    def drawn(self) -> FigureSettings:
        """What figures show, with the experiments of groups."""
        named = {key: self.members(getattr(self.figures, key)) for key in ("experiments", "ablations")}
        return self.figures.model_copy(update=named)

    def report(self, dataset: str) -> ReportSettings:
        """What the page of a data set shows.

        Raises:
            InputError: there is none of that name, or a value is unknown, missing or impossible.
        """
        tables = {name: self.table(name) for name in self.tables}
        networks = {
            name: table.measurement == self.figures.comparison
            for name, table in tables.items()
            if isinstance(table, ComparisonTable)
        }
        return ReportSettings(
            form=self.profile(dataset).data.form,
            tables=list(tables),
            networks=sorted(networks, key=lambda name: not networks[name]),
            classes=[name for name, table in tables.items() if isinstance(table, PerClassTable)],
            figures=self.drawn(),
            shown=self.shown,
        )

    def settings(self, dataset: str, experiment: str) -> Settings:
        """Merge base, profile and differences.

        Raises:
            InputError: an unknown data set or experiment, or a merged value that is unknown, missing or impossible.
        """
        profile = self.profile(dataset)
        difference = _lookup(self.experiments, experiment, "experiments")
        other = difference.network.get("name", self.network.get("name")) != self.network.get("name")
        first = self.other_networks if other else Difference()
        # Another network has options of its own.
        options = _merge({} if other else self.network, first.network, difference.network)
        merged = {
            "data": profile.data.model_dump(mode="json"),
            "weights": profile.weights,
            "network": {"name": options.pop("name", None), "options": options},
            "train": _merge(self.train, profile.train, first.train, difference.train),
            "evaluate": _merge(self.evaluate, profile.evaluate, first.evaluate, difference.evaluate),
        }
        layers = {
            f"experiments.{experiment}": difference.model_dump(),
            **({"other_networks": first.model_dump()} if other else {}),
            f"profiles.{dataset}": {"train": profile.train, "evaluate": profile.evaluate},
        }
        settings: Settings = _validated(Settings, merged, layers)
        return settings

    def encoder_weights(self, settings: Settings) -> str | None:
        """The entry of ``weights`` that a training starts from, which need not be there; None for one from scratch."""
        if settings.weights == "none" or settings.train.released:
            return None
        named = (name for name, file in self.weights.items() if settings.network.name in file.networks)
        return settings.network.options.get("backbone") or next(named, None)

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
    _check_links(content, "")
    params: Params = _validated(Params, content, {})
    _check_references(params)
    return params


def _check_links(content: Any, where: str) -> None:
    """Before any of them is written elsewhere."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "url" and isinstance(value, str):
                check_link(value, f"params.yaml: {where}url")
            _check_links(value, f"{where}{key}.")


def _check_references(params: Params) -> None:
    run = params.run
    for key, chosen in run:
        if len(set(chosen)) != len(chosen):
            raise InputError(f"params.yaml: run.{key}: the same name stands there twice")
    for dataset in run.datasets:
        _lookup(params.profiles, dataset, "profiles")
    for group, members in params.groups.items():
        if group in params.experiments:
            raise InputError(f"params.yaml: groups.{group}: an experiment is called so too")
        _check_experiments(params, members, f"groups.{group}")
    for name in run.experiments:
        if name in params.groups:
            raise InputError(
                f"params.yaml: run.experiments: {name} is a group; its experiments stand there after "
                f"`dvc exp run -S 'run.experiments=${{groups.{name}}}'`"
            )
    for experiment in params.measured_experiments:
        _lookup(params.experiments, experiment, "experiments")
    for key, chosen, allowed in (
        ("pruned", run.pruned, run.experiments),
        ("submissions", run.submissions, params.measured_experiments),
    ):
        for experiment in chosen:
            if experiment not in allowed:
                raise InputError(f"params.yaml: run.{key}: {experiment!r} is not among run.experiments")
    for experiment in params.experiments:
        for dataset in params.profiles:
            settings = params.settings(dataset, experiment)
            if dataset in run.datasets and experiment in params.measured_experiments:
                _check_split(settings, dataset, experiment)
        try:
            module_of(settings.network.name)
        except InputError as error:
            raise InputError(f"params.yaml: experiments.{experiment}.network: {error}") from None
    _check_weights(params)
    shown = [params.shown.measurement, params.figures.speed, params.figures.comparison]
    for name in params.tables:
        table = params.table(name)
        _check_experiments(params, getattr(table, "experiments", []), f"tables.{name}.experiments")
        shown += filter(None, [getattr(table, "measurement", None)])
    changed = [name for profile in params.profiles.values() for name in profile.measurements]
    for measurement in [*run.measurements, *shown, *changed]:
        _lookup(params.measurements, measurement, "measurements")
    for dataset in params.profiles:
        for measurement in params.measurements:
            named = params.measurement(dataset, measurement).experiments
            _check_experiments(params, named, f"measurements.{measurement}.experiments")
    for key in ("experiments", "ablations"):
        _check_experiments(params, getattr(params.drawn(), key), f"figures.{key}")


def _check_split(settings: Settings, dataset: str, experiment: str) -> None:
    if settings.evaluate.split == "test" and not settings.data.test_labels:
        raise InputError(
            f"params.yaml: experiments.{experiment}.evaluate.split: the test split of {dataset} has no labels here; "
            f"evaluate on val, or list {experiment} in run.submissions"
        )


def _check_weights(params: Params) -> None:
    starts: dict[str, str] = {}
    for name, file in params.weights.items():
        for network in file.networks:
            try:
                module_of(network)
            except InputError as error:
                raise InputError(f"params.yaml: weights.{name}.networks: {error}") from None
            if starts.setdefault(network, name) != name:
                raise InputError(f"params.yaml: weights.{name}.networks: {network} starts from {starts[network]}")


def _check_experiments(params: Params, experiments: Iterable[str], where: str) -> None:
    for experiment in experiments:
        if experiment not in params.experiments:
            raise InputError(f"params.yaml: {where}: no experiment is called {experiment!r}")


def _validated(kind: Any, content: Any, layers: Mapping[str, Mapping[str, Any]], section: str = "") -> Any:
    """``content`` as what it is; InputError names the layer that holds a fault, else ``section``."""
    try:
        return TypeAdapter(kind).validate_json(json.dumps(content, default=_refuse))
    except ValidationError as error:
        raise InputError(_explain(error, layers, section)) from None
    except (TypeError, ValueError) as error:  # keys that are no texts, numbers of thousands of digits
        raise InputError(f"params.yaml: {section or 'a key or value'}: {error}") from None


def _refuse(value: Any) -> None:
    """Of what YAML has and settings have not: dates, sets, bytes."""
    raise InputError(
        f"params.yaml: {_shown(value)} is a {type(value).__name__} to YAML; put it in quotes if it is text"
    )


def _shown(value: Any) -> str:
    return _SHORT.repr(value)


def _lookup(mapping: Mapping[str, T], key: str, section: str) -> T:
    if key not in mapping:
        raise InputError(f"params.yaml: {section} has no {_shown(key)}; it has: {', '.join(mapping)}")
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
    faults = error.errors()
    for fault in faults[:_LISTED]:
        # Pydantic names the form of the data settings after their key; params.yaml has no such level.
        location = [str(part) for i, part in enumerate(fault["loc"]) if not i or fault["loc"][i - 1] != "data"]
        layer = next((name for name, values in layers.items() if _holds(values, location)), section)
        key = ".".join(filter(None, [layer, *(part[:_LONGEST] for part in location)]))
        message = "unknown key" if fault["type"] == "extra_forbidden" else fault["msg"]
        got = "" if fault["type"] in ("missing", "extra_forbidden") else f" (got {_shown(fault['input'])})"
        lines.append(f"params.yaml: {key or 'all of it'}: {message}{got}")
    if len(faults) > _LISTED:
        lines.append(f"... and {len(faults) - _LISTED} more")
    return "\n".join(lines)


def _holds(values: Any, location: list[str]) -> bool:
    for part in location:
        if not isinstance(values, Mapping):
            return True  # the fault lies inside this value
        if part not in values:
            return False
        values = values[part]
    return True
