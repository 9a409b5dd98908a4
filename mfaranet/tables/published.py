"""Published values, and what a reproduced value is worth beside one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mfaranet.files import read_yaml
from mfaranet.schema import Tolerances
from mfaranet.tables.cells import BLANK, Cell, computed

FILE = Path(__file__).with_name("published.yaml")
VERDICT = ("Difference", "Tolerance", "Verdict")
"""Headers of what compare gives after the published value."""
UNPUBLISHED = "Where published cells are blank, no published value of that experiment is known."
"""Note of a table with such values."""
Entry = dict[str, Any]


@cache
def _content(file: Path) -> Any:
    return read_yaml(file)


def network_cell(name: str, key: str, show: Callable[[Any], str] = str, scale: float = 1) -> Cell:
    """What published.yaml says of a network, times ``scale``; blank where it says nothing, or has no such network."""
    network = _content(FILE)["networks"].get(name, {})
    value = network.get(key)
    if value is None:
        return BLANK
    origin = {
        "file": "mfaranet/tables/published.yaml",
        "pointer": f"/networks/{name}/{key}",
        "source": network["source"],
    }
    value = value if scale == 1 else value * scale
    return Cell(value, show(value), {**origin, "scale": scale} if scale != 1 else origin)


def tolerance(tolerances: Tolerances, kind: str, scale: float = 1) -> Cell:
    """A tolerance of params.yaml, times ``scale``."""
    value = getattr(tolerances, kind) * scale
    return Cell(value, f"{value:g}", {"file": "params.yaml", "pointer": f"/tolerances/{kind}", "scale": scale})


def find(metric: str, experiment: str, **exact: Any) -> list[tuple[int, Entry]]:
    """The entries of published.yaml about an experiment's metric, each with its place in the list of values."""
    return [
        (index, entry)
        for index, entry in enumerate(_content(FILE)["values"])
        if entry["metric"] == metric
        and experiment in entry["experiments"]
        and all(entry[key] == value for key, value in exact.items())
    ]


def compare(
    reproduced: Cell,
    entries: list[tuple[int, Entry]],
    obstacle: Callable[[Entry], str],
    tolerance: Cell,
    show: Callable[[float], str],
    scale: float = 1,
) -> tuple[Cell, Cell, Cell, Cell]:
    """Cells for the published value, the difference (reproduced less published), the tolerance, and the verdict.

    All are blank where nothing is published. The verdict is ``match``, ``differs``, or ``not comparable: <reason>``,
    and then there is neither difference nor tolerance.

    Args:
        reproduced: the value found here, in the unit of the table.
        entries: what is published about it (see find).
        obstacle: why an entry cannot be compared, empty where it can.
        tolerance: in the unit of the table.
        show: text of a value.
        scale: units of the table in one of published.yaml.
    """
    if not entries:
        return BLANK, BLANK, BLANK, BLANK
    index, entry = min(entries, key=lambda each: bool(obstacle(each[1])))
    place = {"file": "mfaranet/tables/published.yaml", "pointer": f"/values/{index}/value", "scale": scale}
    number = entry["value"] * scale
    value = Cell(number, show(number), {**place, "source": entry["source"]})
    if reason := obstacle(entry):
        verdict = f"not comparable: {reason}"
        return value, BLANK, BLANK, computed(verdict, verdict, "verdict", reproduced, value)
    difference = reproduced.value - number
    verdict = "match" if abs(difference) <= tolerance.value else "differs"
    return (
        value,
        computed(
            difference, f"{'-' if difference < 0 else '+'}{show(abs(difference))}", "difference", reproduced, value
        ),
        tolerance,
        computed(verdict, verdict, "verdict", reproduced, value, tolerance),
    )
