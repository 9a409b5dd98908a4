"""Published values, and what a reproduced value is worth beside one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from mfaranet.files import read_yaml
from mfaranet.tables.cells import BLANK, Cell, computed
from mfaranet.tables.settings import Tolerances
from mfaranet.tables.writing import NOT_COMPARABLE

FILE = Path(__file__).with_name("published.yaml")
_PATH = "mfaranet/tables/published.yaml"
VERDICT = ("Difference", "Tolerance", "Verdict")
"""Headers of what compare gives after the published value."""
VARIANT = "\u2020"
"""Mark of a number that was published of a variant of the network."""
UNPUBLISHED = "Where published cells are blank, no published value of that experiment is known."
"""Note of a table with such values."""
Entry = dict[str, Any]


@cache
def _content(file: Path) -> Any:
    return read_yaml(file)


def network_cell(name: str, key: str, show: Callable[[Any], str] = str, scale: float = 1, of: str = "value") -> Cell:
    """What published.yaml says of a network, times ``scale``; blank where it says nothing, or has no such network.

    ``of``: the value, or what belongs to it, such as its ``size``.
    """
    entry = network_entry(name, key)
    value = entry.get(of)
    if value is None:
        return BLANK
    origin = {"file": _PATH, "pointer": f"/networks/{name}/{key}/{of}", "source": entry["source"]}
    value = value if scale == 1 else value * scale
    return Cell(value, show(value), {**origin, "scale": scale} if scale != 1 else origin)


def network_entry(name: str, key: str) -> Entry:
    """What published.yaml has under a key of a network; empty where there is nothing."""
    entry: Entry = _content(FILE)["networks"].get(name, {}).get(key, {})
    return entry


def printed_cell(name: str, key: str) -> Cell:
    """A published number of a network in the digits that were printed, with VARIANT where it is a variant's."""
    entry = network_entry(name, key)
    mark = VARIANT if "variant" in entry else ""
    return network_cell(name, key, lambda value: f"{value:.{entry.get('decimals', 0)}f}{mark}")


def network_tolerance(tolerances: Tolerances, name: str, key: str) -> Cell:
    """How far from a printed number one may be: ``tolerances.network_cost`` of its last digit."""
    return tolerance(tolerances, "network_cost", 10.0 ** -network_entry(name, key).get("decimals", 0))


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
    place = {"file": _PATH, "pointer": f"/values/{index}/value", "scale": scale}
    number = entry["value"] * scale
    value = Cell(number, show(number), {**place, "source": entry["source"]})
    return value, *judge(reproduced, value, obstacle(entry), tolerance, show)


def judge(
    reproduced: Cell, published: Cell, obstacle: str, tolerance: Cell, show: Callable[[float], str]
) -> tuple[Cell, Cell, Cell]:
    """Cells for the difference, the tolerance and the verdict of a published value (see compare)."""
    if obstacle:
        verdict = f"{NOT_COMPARABLE}: {obstacle}"
        return BLANK, BLANK, computed(verdict, verdict, "verdict", reproduced, published)
    difference = reproduced.value - published.value
    verdict = "match" if abs(difference) <= tolerance.value else "differs"
    return (
        computed(
            difference, f"{'-' if difference < 0 else '+'}{show(abs(difference))}", "difference", reproduced, published
        ),
        tolerance,
        computed(verdict, verdict, "verdict", reproduced, published, tolerance),
    )
