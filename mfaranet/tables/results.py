"""The stored results of one data set, as cells."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from mfaranet.files import read_json
from mfaranet.schema import Size, size_name
from mfaranet.tables.cells import BLANK, Cell, digits, one_digit, resolve, two_digits
from mfaranet.tables.settings import OverallTable, PerClassTable

COUNTS = ("complexity", "complexity.json")
"""Folder and file."""
EARLIER, OTHERWISE = "*", "**"
"""Marks of results that are recorded and not selected now: by the settings that params.yaml has, and by others."""


def training_of(evaluation: Any) -> Any:
    """The description of a training in that of an evaluation: of a pruned network, that of the whole one."""
    training = evaluation["training"]
    return training.get("training", training)


class Results:
    """What the stages left in ``root`` (results/<data set>), for one table.

    Args:
        root: the folder.
        experiments: what params.yaml says now of those that can be shown (see workflow.plan): ``seeds``, the
            experiments that are the same but for the seed, itself too; whether it is ``selected``; the digests of the
            settings of its ``evaluation`` and ``training``.
        table: name of the table, which params.yaml defines.
    """

    def __init__(self, root: Path, experiments: Mapping[str, Mapping[str, Any]], table: str = "") -> None:
        self.root = root
        self.experiments = experiments
        self.table = table
        self._read = cache(read_json)

    def recorded(self, experiment: str) -> bool:
        """Whether an evaluation of it is there."""
        return (self.root / "evaluate" / experiment / "run.json").exists()

    def alike(self, experiments: Iterable[str]) -> list[str]:
        """The recorded ones of some experiments that were scored on the same split as the first of these."""
        recorded = [name for name in experiments if self.recorded(name)]
        splits = [self.run(f"evaluate/{name}")["split"] for name in recorded]
        return [name for name, split in zip(recorded, splits, strict=True) if split == splits[0]]

    def mark(self, experiment: str) -> str:
        """Empty where a recorded experiment is selected now; else EARLIER or OTHERWISE."""
        now, run = self.experiments[experiment], self.run(f"evaluate/{experiment}")
        if now["selected"]:
            return ""
        same = (run["params_sha256"], training_of(run)["params_sha256"]) == (now["evaluation"], now["training"])
        return EARLIER if same else OTHERWISE

    def seeds(self, experiment: str) -> list[str]:
        """The recorded experiments that are the same but for the seed, by the same settings; itself first."""
        names = [name for name in self.experiments[experiment]["seeds"] if name != experiment and self.recorded(name)]
        return [experiment, *(name for name in names if self.mark(name) != OTHERWISE)]

    def distinct(self) -> list[str]:
        """The experiments, without those that only repeat one with another seed."""
        repeated = {seed for name, each in self.experiments.items() for seed in each["seeds"] if seed != name}
        return [name for name in self.experiments if name not in repeated]

    def cell(self, folder: str, file: str, pointer: str, show: Callable[[Any], str] = str, scale: float = 1) -> Cell:
        """The value at a JSON pointer of ``<folder>/<file>``, times ``scale``; run.json beside it describes its run."""
        path = self.root / folder / file
        content = self._read(path)
        value = resolve(content, pointer, path)
        if value is None:
            return BLANK
        run = self.run(folder)
        entry = content.get(pointer.split("/")[1])
        if isinstance(entry, dict) and "run" in entry:  # one that was kept is of an earlier run than the file
            run = {**{key: run[key] for key in ("stage", "dataset", "weights")}, **entry["run"]}
        origin = {
            "file": path.as_posix(),
            "pointer": pointer,
            **({"scale": scale} if scale != 1 else {}),
            "stage": run["stage"],
            **{key: run[key] for key in ("made_of", "params_sha256") if key in run},
            "commit": run["commit"],
            "modified": run["modified"],
            "dataset": run["dataset"]["title"],
            "weights": run["weights"],
        }
        value = value if scale == 1 else value * scale
        return Cell(value, show(value), origin)

    def run(self, folder: str) -> Any:
        """The description of the run that wrote a folder."""
        return self._read(self.root / folder / "run.json")

    def content(self, folder: str, file: str) -> Any:
        """All of a stored file."""
        return self._read(self.root / folder / file)

    def rows(self, settings: OverallTable | PerClassTable) -> list[tuple[int, str, int, str]]:
        """The experiments and protocols that a table has results of, each with its place in the definition.

        Raises:
            InputError: an experiment is selected, and its results are not there.
        """
        for experiment in settings.experiments:
            if self.experiments[experiment]["selected"] and not self.recorded(experiment):
                self.run(f"evaluate/{experiment}")
        return [
            (i, experiment, j, protocol)
            for i, experiment in enumerate(settings.experiments)
            if self.recorded(experiment)
            for j, protocol in enumerate(settings.protocols)
            if protocol in self.content(f"evaluate/{experiment}", "metrics.json")
        ]

    def fact(self, experiment: str, key: str) -> Cell:
        """What an experiment's network says of itself (see mfaranet.models.facts), as stage complexity recorded it."""
        if experiment not in self.content(*COUNTS):
            return BLANK
        network = self.content(*COUNTS)[experiment]["network"]
        return self.cell(COUNTS[0], "run.json", f"/networks/{network}/{key}")

    def input_size(self, experiment: str, protocol: str) -> Cell:
        """What the network saw in one pass of its evaluation: height and width, or words (see InputSize.shown)."""
        return self.cell(f"evaluate/{experiment}", "run.json", f"/input_sizes/{protocol}", size_name)

    def cost(self, experiment: str, size: str) -> list[Cell]:
        """Parameters, multiply-accumulates in 1e9, and the paper's GFLOPs: the official counter's, in 1024^3;
        blank where they were not counted."""
        counted = self.content(*COUNTS).get(experiment)
        params = self.cell(*COUNTS, f"/{experiment}/params", two_digits, 1e-6) if counted else BLANK
        if not counted or size not in counted["macs"]:
            return [params, BLANK, BLANK]
        return [
            params,
            self.cell(*COUNTS, f"/{experiment}/macs/{size}", two_digits, 1e-9),
            self.cell(*COUNTS, f"/{experiment}/official_macs/{size}", two_digits, 1 / 1024**3),
        ]

    def over_seeds(self, experiment: str, protocol: str, pointer: str) -> list[Cell]:
        """A score in percent of an experiment and of those that are the same but for the seed, where it has a value."""
        cells = [
            self.cell(f"evaluate/{name}", "metrics.json", f"/{protocol}/{pointer}", one_digit, 100)
            for name in self.seeds(experiment)
            if protocol in self.content(f"evaluate/{name}", "metrics.json")
        ]
        return [cell for cell in cells if cell.value is not None]

    def timings(self, measurement: str) -> tuple[str, str] | None:
        """Folder and file of a measurement of speed, None where it was not made."""
        folder = f"latency/{measurement}"
        if not (self.root / folder / "run.json").exists():
            return None
        return folder, self.run(folder)["file"]

    def speed(self, measurement: str, experiment: str, size: Size | str, form: str) -> Cell:
        """Images per second, blank where they were not measured; of a form that LatencySettings names."""
        found = self.timings(measurement)
        sizes = self.content(*found).get(experiment, {}).get("sizes", {}) if found else {}
        if not found or form not in sizes.get(size_name(size), {}):
            return BLANK
        return self.cell(*found, f"/{experiment}/sizes/{size_name(size)}/{form}/fps", partial(digits, places=1))

    def speed_note(self, measurement: str) -> str:
        """How and on what a measurement was made, or that it was not."""
        found = self.timings(measurement)
        if not found:
            return f"Speed was not measured here: measurements.{measurement} of params.yaml."
        run = self.run(found[0])
        asked = run["measurement"]
        layout, tf32 = asked["memory_format"].replace("_", " "), "with" if run.get("tf32") else "without"
        return (
            f"FPS: images per second here, one at a time, by the protocol {asked['protocol']} "
            f"(measurements.{measurement} of params.yaml) on {run['device']} ({run['processor']}, {run['threads']} "
            f"threads), {asked['precision']}, {layout}, {tf32} TF32, torch {run['versions']['torch']}; networks with "
            "initial weights, which change nothing. Of this machine alone."
        )

    def defined(self, pointer: str, value: str, text: str | None = None) -> Cell:
        """A row or column name, which the table's definition in params.yaml gives."""
        origin = {"file": "params.yaml", "pointer": f"/tables/{self.table}/{pointer}"}
        return Cell(value, text or value, origin)
