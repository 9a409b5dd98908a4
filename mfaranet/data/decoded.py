"""The decoded form of a prepared data set: pixels as they are in memory, in one flat file a split.

<root>-decoded/<split>.bin    of each stem in turn its image (H, W, 3), then its label (H, W), uint8
<root>-decoded/index.json     DecodedIndex

To decode a PNG takes longer than all else that is done to an image. Here it is mapped into memory, and of it no more is
read from the disk than is looked at. The folder may be empty, or not there: then the prepared files are decoded.
"""

from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.schema import Strict

INDEX = "index.json"


class Place(Strict):
    """Where the pixels of an image and of its label are in the file of their split."""

    stem: str
    offset: int
    height: int
    width: int

    @property
    def end(self) -> int:
        """Where the next one begins: a pixel has three bytes of the image and one of the label."""
        return self.offset + 4 * self.height * self.width


class DecodedIndex(Strict):
    """What the files hold, and what they were decoded from."""

    record: DatasetRecord
    splits: dict[str, list[Place]]


class DecodedSplit:
    """A split whose pixels are mapped into memory."""

    def __init__(self, path: Path, places: list[Place]) -> None:
        self._path = path
        self._places = places

    @classmethod
    def find(cls, root: Path, split: str, record: DatasetRecord, stems: list[str]) -> Self | None:
        """The decoded form of a split of the prepared folder ``root``; None where there is none.

        Raises:
            InputError: it is corrupt, not whole, or of other data than the record and the stems tell.
        """
        folder = decoded_folder(root)
        path = folder / f"{split}.bin"
        try:
            index = DecodedIndex.model_validate_json((folder / INDEX).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError):
            raise _refused(folder / INDEX, "no whole index", root) from None
        places = index.splits.get(split, [])
        if index.record != record or [place.stem for place in places] != stems:
            raise _refused(folder, f"decoded from other data than {root}", root)
        ends = [0, *(place.end for place in places)]
        size = path.stat().st_size if path.exists() else 0
        if [*(place.offset for place in places), size] != ends or size != decoded_bytes(record, split):
            raise _refused(path, f"not whole ({size} bytes instead of {decoded_bytes(record, split)})", root)
        return cls(path, places)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Image (3, H, W) and label (H, W), uint8, without a copy; what is written to them does not reach the file."""
        place = self._places[index]
        size = (place.height, place.width)
        # A map for each item holds no memory longer than its image, and does not travel to loader workers.
        # Copy-on-write, as torch warns of memory that it may not write to.
        pixels: Any = np.memmap(self._path, np.uint8, "c", place.offset, place.end - place.offset)
        image, label = np.split(pixels, [3 * size[0] * size[1]])
        return torch.from_numpy(image.reshape(*size, 3)).permute(2, 0, 1), torch.from_numpy(label.reshape(size))


def decoded_folder(root: Path) -> Path:
    """The folder of the decoded form of the prepared folder ``root``."""
    return root.with_name(f"{root.name}-decoded")


def decoded_bytes(record: DatasetRecord, split: str) -> int:
    """What a labelled split takes decoded: four bytes for each of its pixels, each of which the record has counted."""
    return 4 * (sum(record.class_pixels[split]) + record.ignored_pixels[split])


def _refused(path: Path, what: str, root: Path) -> InputError:
    return InputError(
        f"{path} is {what}; make it anew by `dvc repro -f -s decode@{root.name}`, or remove {decoded_folder(root)} to "
        "read the prepared files"
    )
