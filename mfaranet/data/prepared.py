"""The prepared form, the same for every data set.

<root>/images/{train,val,test}/<stem>.png   8-bit RGB, byte for byte the source's file
<root>/labels/{train,val,test}/<stem>.png   8-bit grey: class index, 255 = ignored; only for labelled splits
<root>/dataset.json                         DatasetRecord
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor
from torch.utils.data import Dataset

from mfaranet.errors import InputError
from mfaranet.files import write_text

SPLITS = ("train", "val", "test")
_RECORD = "dataset.json"


class DatasetRecord(BaseModel):
    """What a prepared data set is and holds."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

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
    size: tuple[int, int]
    """Height and width of every image in pixels."""
    splits: dict[str, int]
    """Number of images."""
    labelled: list[str]
    """The splits that have labels."""
    class_pixels: dict[str, list[int]]
    """Pixels of each class in each labelled split."""
    ignored_pixels: dict[str, int]
    fingerprint: str
    """SHA-256 over the sorted paths and SHA-256 of all prepared PNG files."""
    warnings: list[str] = []
    """What may be right, but should be known: classes that do not occur, labels wholly void."""

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


class SegmentationDataset(Dataset[tuple[Tensor, Tensor]]):
    """A labelled split of a prepared data set.

    An item is an image (3, H, W) and its label (H, W) of class indices with 255 for ignored, both uint8;
    ``transform(image, label)``, where given, makes the item of them.

    Raises:
        InputError: the split has no labels, or the folder is not as it was prepared; for an item, a corrupt file.
    """

    def __init__(self, root: Path, split: str, transform: Callable[[Tensor, Tensor], Any] | None = None) -> None:
        self.record = DatasetRecord.load(root)
        if split not in self.record.labelled:
            raise InputError(
                f"{root}: split {split!r} of {self.record.title} has no labels; choose from {self.record.labelled}"
            )
        self.transform = transform
        self._images, self._labels = root / "images" / split, root / "labels" / split
        self.stems = sorted(path.stem for path in self._images.glob("[!.]*.png"))
        labels = sorted(path.stem for path in self._labels.glob("[!.]*.png"))
        if self.stems != labels or len(labels) != self.record.splits[split]:
            raise InputError(
                f"{root}: split {split!r} has {len(self.stems)} images and {len(labels)} labels instead of "
                f"{self.record.splits[split]} pairs; prepare the data set again"
            )

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        name = f"{self.stems[index]}.png"
        image = read_png(self._images / name)
        label = read_png(self._labels / name)[0]
        return self.transform(image, label) if self.transform else (image, label)


def read_png(path: Path) -> Tensor:
    """Pixels (channels, H, W), uint8.

    Raises:
        InputError: the file is missing or corrupt.
    """
    try:
        pixels = np.atleast_3d(np.array(Image.open(path)))
    except Exception:  # Pillow raises half a dozen kinds on corrupt files
        raise InputError(f"{path} is missing or corrupt; prepare the data set again") from None
    return torch.from_numpy(pixels).permute(2, 0, 1)
