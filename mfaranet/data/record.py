"""What a prepared data set says of itself."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from mfaranet.errors import InputError
from mfaranet.files import write_text
from mfaranet.schema import Strict

SPLITS = ("train", "val", "test")
_RECORD = "dataset.json"


class DatasetRecord(Strict):
    """What a prepared data set is and holds."""

    name: str
    title: str
    """For tables."""
    complete: bool
    """False where scores cannot be compared with published ones: a subset, the drawn sample."""
    classes: list[str]
    colours: list[tuple[int, int, int]]
    """RGB of each class, for display."""
    label_ids: list[int]
    """The id of each class in the source's own label files."""
    size: tuple[int, int] | None
    """Height and width of every image in pixels; None where images differ."""
    splits: dict[str, int]
    """Number of images."""
    labelled: list[str]
    """The splits that have labels."""
    class_pixels: dict[str, list[int]]
    """Pixels of each class in each labelled split."""
    ignored_pixels: dict[str, int]
    fingerprint: str
    """SHA-256 over the sorted paths and SHA-256 of all prepared PNG files."""
    warnings: list[str] = Field(default_factory=list)
    """What may be right, but should be known: classes that do not occur, labels wholly void."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        of_splits = [set(self.class_pixels), set(self.ignored_pixels), set(self.labelled) & set(self.splits)]
        of_classes = [len(self.colours), len(self.label_ids), *map(len, self.class_pixels.values())]
        if any(found != set(self.labelled) for found in of_splits) or any(n != len(self.classes) for n in of_classes):
            raise ValueError("it does not say the same of each labelled split, or of each class")
        return self

    def save(self, root: Path) -> None:
        """Write ``dataset.json`` in the prepared folder; without ``warnings`` where there are none."""
        write_text(root / _RECORD, self.model_dump_json(indent=2, exclude_defaults=True) + "\n")

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read ``dataset.json`` of a prepared folder.

        Raises:
            InputError: it is missing or not as ``save`` writes it.
        """
        path = root / _RECORD
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as error:
            reason = "missing" if isinstance(error, OSError) else "not a whole record of a prepared data set"
            raise InputError(f"{path} is {reason}; prepare the data set again") from None
