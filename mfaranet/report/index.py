"""The page that links those of the data sets, and puts them side by side."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfaranet.files import write_text
from mfaranet.report import content
from mfaranet.report.environment import templates
from mfaranet.report.stored import Stored


def card(stored: Stored, protocol: str) -> dict[str, Any]:
    """What the index says of a data set: a sentence, verdicts with how often, mIoU by a protocol of each experiment."""
    tables = list(stored.tables.values())
    scores = content.scores(tables, protocol)
    return {
        "dataset": stored.dataset,
        "sentence": content.sentence(stored),
        "verdicts": {kind: count for kind, count, _ in content.summary(content.verdicts(tables))},
        "protocol": protocol.replace("_", " "),
        "miou": {name: cells.miou.text for name, cells in scores.items()},
    }


def write_index(path: Path, cards: Sequence[dict[str, Any]]) -> None:
    """Write the page; each data set's own lies beside it in a folder of its name."""
    experiments = list(dict.fromkeys(name for each in cards for name in each["miou"]))
    page = templates().get_template("index.html.j2")
    write_text(path, page.render(title="MFARANet, reproduced", cards=cards, experiments=experiments))
