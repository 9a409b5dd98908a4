"""The prepared form, the same for every data set.

<root>/images/{train,val,test}/<stem>.png   8-bit RGB, byte for byte the source's file; or .jpg
<root>/labels/{train,val,test}/<stem>.png   8-bit grey: class index, 255 = ignored; only for labelled splits
<root>/dataset.json                         DatasetRecord

A JPEG stays one: it takes a sixth of the space of the same pixels as PNG, and a third of the time to decode.
Beside it may be its decoded form (see mfaranet.data.decoded), which is read instead.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from mfaranet.data.decoded import DecodedSplit
from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError


class SegmentationDataset(Dataset[tuple[Tensor, Tensor]]):
    """A labelled split of a prepared data set.

    An item is an image (3, H, W) and its label (H, W) of class indices with 255 for ignored, both uint8;
    ``transform(image, label)``, where given, makes the item of them.

    Raises:
        InputError: the split has no labels, or the folder or its decoded form is not as it was made; for an item, a
            corrupt file.
    """

    def __init__(self, root: Path, split: str, transform: Callable[[Tensor, Tensor], Any] | None = None) -> None:
        self.record = DatasetRecord.load(root)
        if split not in self.record.labelled:
            raise InputError(
                f"{root}: split {split!r} of {self.record.title} has no labels; choose from {self.record.labelled}"
            )
        self.split = split
        self.transform = transform
        self._images, self._labels = prepared_images(root, split), root / "labels" / split
        self.stems = sorted(path.stem for path in self._images)
        labels = sorted(path.stem for path in self._labels.glob("[!.]*.png"))
        if self.stems != labels or len(labels) != self.record.splits[split]:
            raise InputError(
                f"{root}: split {split!r} has {len(self.stems)} images and {len(labels)} labels instead of "
                f"{self.record.splits[split]} pairs; prepare the data set again"
            )
        self._decoded = DecodedSplit.find(root, split, self.record, self.stems)

    def __len__(self) -> int:
        return len(self.stems)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image, label = self._decoded[index] if self._decoded else self._read(index)
        return self.transform(image, label) if self.transform else (image, label)

    def _read(self, index: int) -> tuple[Tensor, Tensor]:
        label = self._labels / f"{self.stems[index]}.png"
        return read_pixels(self._images[index]), read_pixels(label)[0]


def prepared_images(root: Path, split: str) -> list[Path]:
    """The images of a split, in the order of their stems."""
    folder = root / "images" / split
    return sorted([*folder.glob("[!.]*.png"), *folder.glob("[!.]*.jpg")], key=lambda path: path.stem)


def read_pixels(path: Path) -> Tensor:
    """Pixels (channels, H, W), uint8.

    Raises:
        InputError: the file is missing or corrupt.
    """
    try:
        pixels = np.atleast_3d(np.array(Image.open(path)))
    except Exception:  # Pillow raises half a dozen kinds on corrupt files
        raise InputError(f"{path} is missing or corrupt; prepare the data set again") from None
    return torch.from_numpy(pixels).permute(2, 0, 1)
