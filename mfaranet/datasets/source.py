"""A data set as it was found: its files, what they should be, and what is wrong with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mfaranet.errors import InputError

Colour = tuple[int, int, int]
"""Red, green, blue."""
TWICE = "files that differ only in capitals: remove the wrong one"
_LISTED_PROBLEMS = 50
_NAMED = 5


class DataError(InputError):
    """One problem of a data set; they are gathered, so that all are told at once.

    Args:
        text: where it is and what is wrong.
        mend: what to do about it and all others of its kind.
    """

    def __init__(self, text: str, mend: str) -> None:
        super().__init__(text)
        self.mend = mend


class UnknownValuesError(DataError):
    """What stands for no class in one label.

    Args:
        shown: the label.
        pixels: of each value, in words.
        mend: as in DataError.
    """

    def __init__(self, shown: str, pixels: Mapping[str, int], mend: str) -> None:
        super().__init__(f"{shown}: {', '.join(pixels)}", mend)
        self.shown = shown
        self.pixels = pixels


def gathered(problems: Sequence[UnknownValuesError]) -> list[DataError]:
    """A problem for each value, with its pixels and files."""
    found: dict[tuple[str, str], list[UnknownValuesError]] = {}
    for problem in problems:
        for value in problem.pixels:
            found.setdefault((value, problem.mend), []).append(problem)

    def described(value: str, labels: list[UnknownValuesError]) -> str:
        names = [label.shown for label in labels]
        where = names[0] if len(names) == 1 else f"{len(names)} labels ({some(names)})"
        return f"{where}: {value} at {sum(label.pixels[value] for label in labels)} pixels: stands for no class"

    return [DataError(described(value, labels), mend) for (value, mend), labels in found.items()]


@dataclass(frozen=True)
class Pair:
    """One image of a source and its label, if its split has labels."""

    split: str
    stem: str
    image: Path
    label: Path | None


@dataclass(frozen=True)
class Convention:
    """Another way to number the classes, which label files may follow by mistake."""

    name: str
    values: frozenset[int]
    """All that it has."""
    marks: frozenset[int]
    """One of these is there whenever the files follow it."""
    least: int
    """A street scene has at least so many values; fewer may be chance."""
    mend: str

    def fits(self, found: frozenset[int]) -> bool:
        """Whether label files with these values follow it rather than the right one."""
        return found <= self.values and bool(found & self.marks) and len(found) >= self.least


@dataclass(frozen=True)
class LabelSet:
    """The classes in order of their index, and the ids that stand for them (and for none) in the source's labels."""

    classes: list[str]
    colours: list[Colour]
    ids: list[int]
    void: frozenset[int]
    mistaken: Sequence[Convention] = ()
    painted: Mapping[Colour, int] | None = None
    """The id that each colour stands for, where label files may be RGB pictures."""
    indexed: bool = True
    """Whether label files may be such whose pixels are ids."""


@dataclass(frozen=True)
class Source:
    """A data set as found: its files, what they should be, and what is wrong with the list of them already."""

    origin: Path
    """The folder or archive that the user knows."""
    roots: tuple[Path, ...]
    """The folders that the files lie in; problems name paths relative to them."""
    title: str
    complete: bool
    labels: LabelSet
    size: tuple[int, int] | None
    """Height and width; None where images differ, which may be JPEG then as well."""
    pairs: list[Pair]
    problems: list[DataError]

    def shown(self, path: Path) -> str:
        """A file's path for messages."""
        return next(path.relative_to(root).as_posix() for root in self.roots if path.is_relative_to(root))


def some(names: Sequence[str]) -> str:
    """The first few, and how many more there are."""
    more = [f"and {len(names) - _NAMED} more"] if len(names) > _NAMED else []
    return ", ".join([*names[:_NAMED], *more])


def slashed(counts: Mapping[str, int]) -> str:
    """Numbers of images, as in 367/101/233."""
    return "/".join(map(str, counts.values()))


def voc_colours(count: int) -> list[Colour]:
    """The colours of PASCAL VOC for indices 0..count-1, black first: a bit of the index for each channel in turn."""

    def channel(index: int, first: int) -> int:
        return sum((index >> 3 * place + first & 1) << 7 - place for place in range(8))

    return [(channel(index, 0), channel(index, 1), channel(index, 2)) for index in range(count)]


def complain(origin: Path, problems: Sequence[DataError]) -> InputError:
    """All problems in one error, each kind's mend once."""
    listed = [str(problem) for problem in problems[:_LISTED_PROBLEMS]]
    if len(problems) > len(listed):
        listed.append(f"... and {len(problems) - len(listed)} more")
    mends = dict.fromkeys(problem.mend for problem in problems)
    return InputError(
        f"{origin} is not prepared, problems found: {len(problems)}\n  "
        + "\n  ".join(listed)
        + "\nto mend:\n  "
        + "\n  ".join(mends)
    )
