"""Footnotes of a table: the papers of the networks that it shows, and the implementations that are followed."""

from collections.abc import Iterable, Mapping
from typing import Any

from mfaranet.tables.results import COUNTS, Results


def footnotes(experiments: Iterable[str], results: Results) -> list[str]:
    """One for each network that the experiments have, after one that explains them."""
    counted = results.content(*COUNTS)
    facts = results.run(COUNTS[0])["networks"]
    networks = dict.fromkeys(counted[experiment]["network"] for experiment in experiments)
    return [
        "What follows is what each network says of itself: networks in complexity/run.json, by its name here. An "
        "implementation is official where the paper's authors wrote it. Those of the networks that MFARANet's authors "
        "compare are the ones that their README links to.",
        *(footnote(facts[network]) for network in networks),
    ]


def footnote(facts: Mapping[str, Any]) -> str:
    """What is known of a network (see mfaranet.models.facts), in sentences."""
    said = []
    if facts["paper"]:
        said.append(f"{', '.join(str(facts[key]) for key in ('paper', 'year', 'link') if facts[key])}.")
    if facts["implementation"]:
        whose = "official" if facts["official"] else "unofficial"
        said.append(
            f"Implementation followed: {facts['implementation']} ({whose}, {facts['licence'] or 'no licence stated'})."
        )
    if facts["deviation"]:
        said.append(facts["deviation"])
    return f"{facts['title']}: {' '.join(said) or 'nothing.'}"
