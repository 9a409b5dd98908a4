"""From the prepared form to the decoded one (see mfaranet.data.decoded)."""

import shutil
import sys
from pathlib import Path

from tqdm import tqdm

from mfaranet.data.decoded import INDEX, DecodedIndex, Place, decoded_bytes, decoded_folder
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
from mfaranet.files import atomic_folder, write_text


def decode(root: Path, *, wanted: bool = True) -> DatasetRecord:
    """Make the decoded form of the labelled splits of a prepared folder; leave it empty where it is not ``wanted``.

    What it takes is told on stderr first. An older one is removed before, for its room.

    Raises:
        InputError: the prepared folder is not as it was prepared, or the disk is too small.
    """
    record = DatasetRecord.load(root)
    folder = decoded_folder(root)
    if folder.exists():
        shutil.rmtree(folder)
    with atomic_folder(folder) as made:
        if wanted:
            _check_room(record, made, root)
            splits = {split: _write(SegmentationDataset(root, split), made) for split in record.labelled}
            write_text(made / INDEX, DecodedIndex(record=record, splits=splits).model_dump_json() + "\n")
    return record


def _check_room(record: DatasetRecord, folder: Path, root: Path) -> None:
    needed = sum(decoded_bytes(record, split) for split in record.labelled)
    free = shutil.disk_usage(folder).free
    takes = f"{decoded_folder(root)} takes {needed / 2**30:.2f} GiB"
    if needed > free:
        raise InputError(
            f"{takes}, and {free / 2**30:.2f} GiB are free on its disk; make room, or set "
            f"profiles.{root.name}.data.cache in params.yaml to false"
        )
    print(takes, file=sys.stderr)


def _write(images: SegmentationDataset, folder: Path) -> list[Place]:
    """Write one split."""
    places: list[Place] = []
    items = in_background(images.__getitem__, tqdm(range(len(images)), desc=f"decoding {images.split}", unit="image"))
    with (folder / f"{images.split}.bin").open("wb") as file:
        for stem, (image, label) in zip(images.stems, items, strict=True):
            place = Place(stem=stem, offset=file.tell(), height=label.shape[0], width=label.shape[1])
            file.write(image.permute(1, 2, 0).numpy().data)
            file.write(label.numpy().data)
            places.append(place)
    return places
