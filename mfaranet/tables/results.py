"""The stored results of one data set, as cells."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any

from mfaranet.files import read_json
from mfaranet.schema import Size, TableSettings, size_name
from mfaranet.tables.cells import BLANK, Cell, digits, one_digit, resolve, two_digits


class Results:
    """What the stages left in ``root`` (results/<data set>), for one table.

    Args:
        root: the folder.
        table: name of the table, which params.yaml defines.
        selected: the experiments whose results count, each with those that are the same but for the seed (itself too).
    """

    def __init__(self, root: Path, table: str, selected: Mapping[str, list[str]]) -> None:
        self.root = root
        self.table = table
        self.selected = selected
        self._read = cache(read_json)

    def cell(self, folder: str, file: str, pointer: str, show: Callable[[Any], str] = str, scale: float = 1) -> Cell:
        """The value at a JSON pointer of ``<folder>/<file>``, times ``scale``; run.json beside it describes its run."""
        path = self.root / folder / file
        content = self._read(path)
        value = resolve(content, pointer, path)
        if value is None:
            return BLANK
        entry = content.get(pointer.split("/")[1])
        # One that was kept is of an earlier run than the file.
        run = {**self.run(folder), **(entry.get("run", {}) if isinstance(entry, dict) else {})}
        origin = {
            "file": path.as_posix(),
            "pointer": pointer,
            **({"scale": scale} if scale != 1 else {}),
            "stage": run["stage"],
            "params_sha256": run["params_sha256"],
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

    def rows(self, settings: TableSettings) -> list[tuple[int, str, int, str]]:
        """The experiments and protocols that a table has results of, each with its place in the definition."""
        return [
            (i, experiment, j, protocol)
            for i, experiment in enumerate(settings.experiments)
            if experiment in self.selected
            for j, protocol in enumerate(settings.protocols)
            if protocol in self.content(f"evaluate/{experiment}", "metrics.json")
        ]

    def fact(self, experiment: str, key: str) -> Cell:
        """What an experiment's network says of itself (see mfaranet.models.facts), as stage complexity recorded it."""
        network = self.content("complexity", "complexity.json")[experiment]["network"]
        return self.cell("complexity", "run.json", f"/networks/{network}/{key}")

    def input_size(self, experiment: str, protocol: str) -> Cell:
        """Height and width of what the network saw in one pass of its evaluation."""
        return self.cell(f"evaluate/{experiment}", "run.json", f"/input_sizes/{protocol}", size_name)

    def cost(self, experiment: str, size: str) -> list[Cell]:
        """Parameters, multiply-accumulates in 1e9, and the paper's GFLOPs: the official counter's, in 1024^3."""
        counted = ("complexity", "complexity.json")
        return [
            self.cell(*counted, f"/{experiment}/params", two_digits, 1e-6),
            self.cell(*counted, f"/{experiment}/macs/{size}", two_digits, 1e-9),
            self.cell(*counted, f"/{experiment}/official_macs/{size}", two_digits, 1 / 1024**3),
        ]

    def over_seeds(self, experiment: str, protocol: str, pointer: str) -> list[Cell]:
        """A score in percent of an experiment and of those that are the same but for the seed, where it has a value."""
        cells = [
            self.cell(f"evaluate/{name}", "metrics.json", f"/{protocol}/{pointer}", one_digit, 100)
            for name in self.selected[experiment]
            if protocol in self.content(f"evaluate/{name}", "metrics.json")
        ]
        return [cell for cell in cells if cell.value is not None]

    def timings(self, measurement: str) -> tuple[str, str] | None:
        """Folder and file of a measurement of speed, None where it was not made."""
        folder = f"latency/{measurement}"
        if not (self.root / folder / "run.json").exists():
            return None
        return folder, self.run(folder)["file"]

    def speed(self, measurement: str, experiment: str, size: Size, form: str) -> Cell:
        """Images per second, blank where they were not measured. ``form``: ``unfolded`` or ``folded``."""
        found = self.timings(measurement)
        sizes = self.content(*found).get(experiment, {}).get("sizes", {}) if found else {}
        if not found or size_name(size) not in sizes:
            return BLANK
        return self.cell(*found, f"/{experiment}/sizes/{size_name(size)}/{form}/fps", partial(digits, places=1))

    def speed_note(self, measurement: str) -> str:
        """How and on what a measurement was made, or that it was not."""
        found = self.timings(measurement)
        if not found:
            return f"Speed was not measured here: latency.{measurement} of params.yaml."
        run = self.run(found[0])
        asked = run["measurement"]
        return (
            f"FPS: images per second here, one at a time, by the protocol {asked['protocol']} (latency.{measurement} "
            f"of params.yaml) on {run['device']} ({run['processor']}, {run['threads']} threads), {asked['precision']}, "
            f"{asked['memory_format'].replace('_', ' ')}, {'with' if run.get('tf32') else 'without'} TF32, torch "
            f"{run['versions']['torch']}; networks with initial weights, which change nothing. Of this machine alone."
        )

    def defined(self, pointer: str, value: str, text: str | None = None) -> Cell:
        """A row or column name, which the table's definition in params.yaml gives."""
        origin = {"file": "params.yaml", "pointer": f"/tables/{self.table}/{pointer}"}
        return Cell(value, text or value, origin)
