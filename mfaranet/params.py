"""The typed view of params.yaml: the only place where its keys are defined and checked.

The settings of one run are three layers, later ones winning: the base (top-level ``network``, ``train``,
``evaluate``), the data set's profile, the experiment's differences.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mfaranet.errors import InputError

T = TypeVar("T")
Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Size = tuple[Positive, Positive]
"""Height and width in pixels."""
ProtocolName = Literal["full_image", "single_scale", "single_scale_flip", "multi_scale_flip"]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]*$")]
"""A name that is a folder, a DVC stage and a Snakemake rule at once: no dots, dashes or capitals."""


class Strict(BaseModel):
    """Unknown keys are refused, and nothing is converted silently."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SampleData(Strict):
    """Street scenes drawn by mfaranet.data.sample."""

    form: Literal["sample"]
    size: Size
    train: Positive
    val: Positive
    test: Positive
    seed: int


class CamVidData(Strict):
    """CamVid in the SegNet form."""

    form: Literal["camvid"]
    source: Path | None
    """A folder or a zip; without it $MFARANET_CAMVID, without that the download from ``url``."""
    url: str
    sha256: str | None


class CityscapesData(Strict):
    """Cityscapes, from the user's own copy."""

    form: Literal["cityscapes"]
    source: Path | None
    """A folder that holds leftImg8bit/ and gtFine/, or the two official zips; without it $CITYSCAPES_DATASET."""


DataSettings = SampleData | CamVidData | CityscapesData


class WeightsFile(Strict):
    """One ImageNet backbone file."""

    url: str
    sha256: str | None
    path: Path | None
    """A local file, used instead of the download."""


class NetworkSettings(Strict):
    """Arguments of mfaranet.get_model."""

    name: str
    options: dict[str, Any]


class LossSettings(Strict):
    """The paper's joint loss (see mfaranet.losses)."""

    name: Literal["joint_edge_ohem", "joint_edge", "cross_entropy"]
    ohem_threshold: Fraction
    ohem_min_kept: Positive
    boundary_weight: Annotated[float, Field(ge=0)]
    attention_weight: Annotated[float, Field(ge=0)]
    attention_threshold: float


class AugmentationSettings(Strict):
    """Random changes of a training image (see mfaranet.data.transforms)."""

    scale: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    rotation: Annotated[float, Field(ge=0, le=180)]
    rotation_probability: Fraction
    flip_probability: Fraction

    @model_validator(mode="after")
    def _ordered(self) -> "AugmentationSettings":
        if self.scale[0] > self.scale[1]:
            raise ValueError("scale must be [smallest, largest]")
        return self


class TrainSettings(Strict):
    """Everything that changes what a training run computes."""

    size: Size
    crop: Size
    epochs: Positive
    batch_size: Annotated[int, Field(ge=2)]
    workers: Annotated[int, Field(ge=0)]
    seed: int
    base_lr: Annotated[float, Field(gt=0)]
    decoder_lr_factor: Annotated[float, Field(gt=0)]
    momentum: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: Annotated[float, Field(ge=0)]
    poly_power: Annotated[float, Field(gt=0)]
    validate_every: Positive
    precision: Literal["32-true", "16-mixed", "bf16-mixed"]
    augmentation: AugmentationSettings
    loss: LossSettings


class EvaluateSettings(Strict):
    """How a trained network is measured."""

    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    size: Size
    """The network's input image is resized to this."""
    window: Size
    base_size: Positive
    """Longer side of the image at scale 1 in sliding-window protocols."""
    checkpoint: Literal["best", "last"]
    pictures: Positive


class Profile(Strict):
    """What one data set changes."""

    data: DataSettings = Field(discriminator="form")
    weights: Literal["none", "imagenet"]
    train: dict[str, Any]
    evaluate: dict[str, Any]


class Experiment(Strict):
    """What one experiment changes. The parts are apart so that each stage depends on its own alone."""

    network: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]


class TableSettings(Strict):
    """One table: what it shows, and of which experiments and protocols."""

    kind: Literal["overall", "per_class"]
    title: str
    experiments: Annotated[list[Name], Field(min_length=1)]
    protocols: Annotated[list[ProtocolName], Field(min_length=1)]


class Settings(Strict):
    """The complete settings of one experiment on one data set."""

    data: DataSettings = Field(discriminator="form")
    weights: Literal["none", "imagenet"]
    network: NetworkSettings
    train: TrainSettings
    evaluate: EvaluateSettings

    def digest(self, *parts: str) -> str:
        """SHA-256 over the named parts (all of them by default), the same for the same values in any key order."""
        chosen = self.model_dump(mode="json", include=set(parts) if parts else None)
        return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()


class Params(Strict):
    """All of params.yaml."""

    datasets: Annotated[list[Name], Field(min_length=1)]
    profiles: dict[Name, Profile]
    experiments: Annotated[dict[Name, Experiment], Field(min_length=1)]
    tables: dict[Name, TableSettings]
    weights: dict[Name, WeightsFile]
    network: dict[str, Any]
    train: dict[str, Any]
    evaluate: dict[str, Any]

    def profile(self, dataset: str) -> Profile:
        """The profile of a data set; InputError where there is none."""
        return _lookup(self.profiles, dataset, "profiles")

    def table(self, name: str) -> TableSettings:
        """The definition of a table; InputError where there is none."""
        return _lookup(self.tables, name, "tables")

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
            "network": _merge(self.network, difference.network),
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


def load(path: Path = Path("params.yaml")) -> Params:
    """Read and check params.yaml, every data set with every experiment, before any work is done.

    What it says of networks is left to check_networks, which takes seconds to import.

    Raises:
        InputError: the file is missing or no YAML, or a key is unknown, missing, of the wrong type or impossible.
    """
    try:
        content = yaml.safe_load(path.read_text())
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


def check_networks(params: Params) -> None:
    """Check the name and the options of every experiment's network.

    Raises:
        InputError: one is unknown, or has an impossible value.
    """
    from mfaranet.models import check_options

    for experiment in params.experiments:
        network = params.settings(params.datasets[0], experiment).network
        check_options(network.name, network.options, where=f"params.yaml: experiments.{experiment}.network")


def _check_references(params: Params) -> None:
    if len(set(params.datasets)) != len(params.datasets):
        raise InputError("params.yaml: datasets: the same data set is named twice")
    for dataset in params.datasets:
        _lookup(params.profiles, dataset, "profiles")
    for experiment in params.experiments:
        for dataset in params.profiles:
            params.settings(dataset, experiment)
    for name, table in params.tables.items():
        for experiment in table.experiments:
            if experiment not in params.experiments:
                raise InputError(f"params.yaml: tables.{name}.experiments: no experiment is called {experiment!r}")


def _lookup(mapping: Mapping[str, T], key: str, section: str) -> T:
    if key not in mapping:
        raise InputError(f"params.yaml: {section} has no {key!r}; it has: {', '.join(mapping)}")
    return mapping[key]


def _merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            old = merged.get(key)
            merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(error: ValidationError, layers: Mapping[str, Mapping[str, Any]]) -> str:
    """One line a fault, each naming the key where it stands in params.yaml."""
    lines = []
    for fault in error.errors():
        # Pydantic names the form of the data settings after their key; params.yaml has no such level.
        location = [str(part) for i, part in enumerate(fault["loc"]) if not i or fault["loc"][i - 1] != "data"]
        layer = next((name for name, values in layers.items() if _holds(values, location)), "")
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
