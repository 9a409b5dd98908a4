"""What params.yaml says of tables and figures."""

from typing import Annotated, Literal

from pydantic import Field

from mfaranet.schema import Fraction, Name, Positive, ProtocolName, Strict


class Tolerances(Strict):
    """How far a reproduced value may be from the published one and still match it."""

    miou_released: Fraction
    """Of the authors' own weights."""
    miou_trained: Fraction
    gflops: Annotated[float, Field(ge=0)]
    network_cost: Annotated[float, Field(ge=0)]
    """Parameters and GFLOPs of the compared networks: of the last digit that a source prints."""


class OverallTable(Strict):
    """Accuracy and cost, a row for each experiment and protocol."""

    kind: Literal["overall"]
    title: str
    experiments: Annotated[list[Name], Field(min_length=1)]
    protocols: Annotated[list[ProtocolName], Field(min_length=1)]
    measurement: Name | None
    """That speed comes from, where it was made."""


class PerClassTable(Strict):
    """IoU, a row for each class, a column for each experiment and protocol."""

    kind: Literal["per_class"]
    title: str
    experiments: Annotated[list[Name], Field(min_length=1)]
    protocols: Annotated[list[ProtocolName], Field(min_length=1)]


class ComplexityTable(Strict):
    """Parameters and multiply-accumulates of all networks that were counted."""

    kind: Literal["complexity"]
    title: str


class LatencyTable(Strict):
    """All that a measurement of speed found."""

    kind: Literal["latency"]
    title: str
    measurement: Name


class ComparisonTable(Strict):
    """The paper's Table XI, of the networks of a measurement."""

    kind: Literal["comparison"]
    title: str
    measurement: Name
    protocol: ProtocolName
    """Of the mIoU here."""


TableSettings = Annotated[
    OverallTable | PerClassTable | ComplexityTable | LatencyTable | ComparisonTable, Field(discriminator="kind")
]


class Shown(Strict):
    """What tables and figures show that name nothing else."""

    protocol: ProtocolName
    measurement: Name


class FigureSettings(Strict):
    """What the figures show."""

    experiments: Annotated[list[Name], Field(min_length=1)]
    """In the curves, the bars and the predictions; in the others are all."""
    ablations: Annotated[list[Name], Field(min_length=1)]
    """What is held against the first of them; or groups."""
    speed: Name
    """The measurement whose speeds accuracy is shown over, at the size of the evaluation."""
    comparison: Name
    """The measurement of the networks of Table XI whose speeds published accuracy is shown over."""
    pictures: Positive


class ReportSettings(Strict):
    """What the page of a data set shows."""

    form: str
    """Of the data set."""
    tables: list[Name]
    """In their order."""
    networks: list[Name]
    """The tables of all networks of which the first that is there is drawn."""
    classes: list[Name]
    """The tables of classes."""
    figures: FigureSettings
    shown: Shown
