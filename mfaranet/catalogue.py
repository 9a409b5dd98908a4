"""What is known of each network without building it, or torch: its facts, what it costs, what was published of it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mfaranet.files import read_json
from mfaranet.models import list_models, module_of
from mfaranet.models.facts import Facts
from mfaranet.schema import Size, size_name
from mfaranet.tables.published import network_entry

CLASSES = 19
SIZE: Size = (1024, 2048)
"""The paper's, at which costs are stated."""


@dataclass(frozen=True)
class Listed:
    """A network as `mfaranet models` shows it. What is None is unknown, but for ``licence``: none is stated."""

    name: str
    params: int | None
    """Of a network with its default options and 19 classes."""
    gflops: float | None
    """Of an image of 1024x2048: multiply-accumulates by the official counter / 1024^3, as the tables have them."""
    val_miou: float | None
    """Published, on Cityscapes' val, as a share of 1."""
    implementation: str | None
    """The GitHub repository that is followed."""
    licence: str | None
    """That of the implementation."""


@dataclass(frozen=True)
class Cost:
    """What a pass of one image takes: parameters, and multiply-accumulates by both counts (see measure.complexity)."""

    params: int
    macs: int
    official_macs: int

    @property
    def gflops(self) -> float:
        """The paper's."""
        return self.official_macs / 1024**3


def catalogue(costs: dict[str, Cost]) -> Iterator[Listed]:
    """All networks; ``costs`` are those of the networks whose costs are known, at SIZE with CLASSES."""
    for name in list_models():
        facts, cost = stated_facts(name), costs.get(name)
        yield Listed(
            name,
            cost.params if cost else None,
            cost.gflops if cost else None,
            network_entry(name, "val_miou").get("value"),
            facts.implementation,
            facts.licence,
        )


def recorded_costs(results: Path = Path("results")) -> tuple[dict[str, Cost], Path | None]:
    """The costs that a stage complexity has recorded for CLASSES at SIZE, and where; nothing where none has.

    Of several experiments of a network the first counts, which is the one without changes.
    """
    for path in sorted(results.glob("*/complexity/complexity.json")):
        if read_json(path.with_name("run.json"))["classes"] == CLASSES:
            costs: dict[str, Cost] = {}
            for each in read_json(path).values():
                if size_name(SIZE) in each["macs"]:
                    macs = (each[key][size_name(SIZE)] for key in ("macs", "official_macs"))
                    costs.setdefault(each["network"], Cost(each["params"], *macs))
            return costs, path
    return {}, None


def count(name: str, size: Size = SIZE, classes: int = CLASSES) -> Cost:
    """Build a network with its default options, on the meta device, and count one pass at (height, width)."""
    import torch

    from mfaranet.measure.complexity import complexity
    from mfaranet.models import get_model

    with torch.device("meta"):
        found = complexity(get_model(name, classes), size)
    return Cost(found.params, found.macs, found.official_macs)


def stated_facts(name: str) -> Facts:
    """The ``facts`` of a network, read from its source, as its module needs torch; its name alone where it has none."""
    spec = find_spec(module_of(name))
    assert spec
    assert spec.origin
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            for each in node.body:
                match each:
                    case ast.Assign(
                        targets=[ast.Name(id="facts")], value=ast.Call(func=ast.Name(id=call), keywords=keywords)
                    ):
                        said: dict[str, Any] = {word.arg or "": ast.literal_eval(word.value) for word in keywords}
                        # What pruning leaves has the facts of the whole network, but for some.
                        return replace(stated_facts("mfaranet"), **said) if call == "replace" else Facts(**said)
    return Facts(name)
