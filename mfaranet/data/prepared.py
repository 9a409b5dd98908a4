"""The prepared form, the same for every data set.

<root>/images/{train,val,test}/<stem>.png   8-bit RGB, byte for byte the source's file
<root>/labels/{train,val,test}/<stem>.png   8-bit grey: class index, 255 = ignored; only for labelled splits
<root>/dataset.json                         DatasetRecord
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError


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
