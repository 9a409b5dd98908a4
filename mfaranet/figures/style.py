"""What all figures share: size, colours, how they are saved."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfaranet.files import atomic_write

COLUMN = 5.0
"""Width in inches; printed at a column's 3.5 the text has 6 points or more."""
# Okabe and Ito's colours, with markers that tell them apart in grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vP*"
# Each pair once, those of different colour and marker first.
STYLES = tuple(
    (colour, MARKERS[(i + turn) % len(MARKERS)]) for turn in range(len(MARKERS)) for i, colour in enumerate(COLOURS)
)
FEW = ("Nothing to show yet.", "One point: no trend.", "Two points: no trend.")
"""What a plot says of none, one or two points."""


def label(name: str) -> str:
    """A name of params.yaml, for people."""
    return name.replace("_", " ")


def new_figure(title: str, height: float = 3.6) -> tuple[Figure, Axes]:
    """A figure with one plot, ``height`` inches high."""
    figure = Figure(figsize=(COLUMN, height), layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=8)
    return figure, axes


def admit_few(axes: Axes, points: int) -> bool:
    """Whether there are too few points to show a trend, and then the plot says so."""
    few = points < len(FEW)
    if few:
        axes.text(0.5, 0.96, FEW[points], transform=axes.transAxes, ha="center", va="top", fontsize=8, style="italic")
    return few


def save(figure: Figure, name: str, folder: Path, vectors: Path) -> None:
    """Write ``<name>.png`` to a folder and ``<name>.pdf`` to another one; the same figure gives the same bytes."""
    atomic_write(folder / f"{name}.png", lambda temporary: figure.savefig(temporary, format="png", dpi=200))
    with rc_context({"pdf.fonttype": 42}):  # publishers refuse matplotlib's own kind, Type 3
        undated = {"CreationDate": None}
        atomic_write(
            vectors / f"{name}.pdf", lambda temporary: figure.savefig(temporary, format="pdf", metadata=undated)
        )
