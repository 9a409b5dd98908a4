"""What a network says of itself: its name, its paper, and the implementation that it follows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Facts:
    """Words about a network, its class attribute ``facts``: an edit of them changes nothing that is computed.

    What is None is unknown, but for ``licence``, where none is stated. Numbers that were published of a network are
    in mfaranet/tables/published.yaml.
    """

    title: str
    """The network's name as its authors write it."""
    backbone: str | None = None
    """Its encoder, where that has a name; of several the default."""
    paper: str | None = None
    """The title."""
    year: int | None = None
    link: str | None = None
    """Address of the paper: arXiv's, or its DOI's."""
    implementation: str | None = None
    """The GitHub repository that is followed; of the networks of Table XI the one that MFARANet's authors link to."""
    official: bool = False
    """Whether that is code of the paper's authors."""
    licence: str | None = None
    """That of the implementation."""
    deviation: str | None = None
    """What of the implementation is followed, where that leaves the paper, and what is changed here: sentences."""
