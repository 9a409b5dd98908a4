"""What one run uses, as the stage plan wrote it down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from mfaranet.errors import InputError
from mfaranet.files import read_yaml
from workflow.sources import digest, digests

FOLDER = Path("plan")


@dataclass(frozen=True)
class Planned:
    """The settings of a run, and the digests of its code by the names of modules and files."""

    stage: str
    """As DVC calls it."""
    settings: Mapping[str, Any]
    code: Mapping[str, str]

    @classmethod
    def read(cls, stage: str, *items: str) -> "Planned":
        """The plan of a stage; ``items`` are the values of its matrix, the data set first.

        Raises:
            InputError: there is none.
        """
        dataset, *names = items or [""]
        path = Path(FOLDER, dataset, stage, *names).with_suffix(".yaml")
        try:
            content = read_yaml(path)
        except (OSError, yaml.YAMLError) as error:
            raise InputError(
                f"{path} cannot be read ({error}); select the data set and the experiment in params.yaml and run "
                "`dvc repro plan`"
            ) from None
        return cls("@".join(filter(None, [stage, "-".join(items)])), content["settings"], content["code"])

    def part(self, name: str, kind: Any) -> Any:
        """A part of the settings as what it is, such as ``TrainSettings``."""
        return TypeAdapter(kind).validate_json(json.dumps(self.settings[name]))

    def digest(self) -> str:
        """SHA-256 over the settings, the same for the same values in any order."""
        return digest(self.settings)

    def code_digest(self) -> str:
        """SHA-256 over the digests of the code."""
        return digest(self.code)

    def load_code(self) -> None:
        """Import all of the code, so that an edit from now on changes nothing that runs.

        Raises:
            InputError: it was edited since the plan was made, and would be recorded as what it was then.
        """
        files = [name for name in self.code if "/" in name]
        modules = [name for name in self.code if "/" not in name]
        now = digests(modules, files)
        edited = [name for name, digest in self.code.items() if now.get(name) != digest]
        if edited:
            raise InputError(
                f"{self.stage}: edited since the plan was made: {', '.join(edited)}. `dvc repro` makes the plan anew"
            )
        for module in modules:
            import_module(module)
