"""Predict a test split, and pack the label maps as the Cityscapes test server takes them."""

import io
import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path, PurePath

import numpy as np
import torch
from cityscapesscripts.helpers.csHelpers import getCoreImageFileName
from PIL import Image
from torch import Tensor, nn
from tqdm import tqdm

from mfaranet.data.prepared import prepared_images, read_pixels
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import cityscapes
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict_images
from mfaranet.files import atomic_write

SPLIT = "test"


def write_submission(model: nn.Module, root: Path, protocol: str, sizes: InputSizes, archive: Path) -> None:
    """Write a zip of one PNG (H, W), 8-bit grey, per test image, with the ids of the data set's own label files.

    It is put in place only when it holds the whole split and has passed ``check``. Equal predictions give equal bytes.

    Args:
        model: put in evaluation mode; the images go to its device.
        root: a prepared data set; its test split needs no labels.

    Raises:
        InputError: the zip is there already, the split is not whole, a name is not as in Cityscapes (asked of sets
            with the label ids of Cityscapes only), an image is corrupt or has not the size of the others.
    """
    record = DatasetRecord.load(root)
    images = {member_name(path): path for path in prepared_images(root, SPLIT)}
    names = list(images)
    _check_split(names, record, root)
    refuse_existing([archive])
    ids = np.array(record.label_ids, dtype=np.uint8)

    def encode(prediction: Tensor) -> bytes:
        file = io.BytesIO()
        Image.fromarray(ids[prediction.cpu().numpy()]).save(file, format="PNG")
        return file.getvalue()

    @torch.inference_mode()
    def write(temporary: Path) -> None:
        device = next(model.parameters()).device
        model.eval()
        pixels = (image.to(device) for image in in_background(read_pixels, images.values()))
        encoded = in_background(encode, predict_images(model, pixels, PROTOCOLS[protocol], sizes))
        with zipfile.ZipFile(temporary, "w") as content:
            for name, data in tqdm(zip(images, encoded, strict=True), desc=protocol, total=len(images)):
                # A bare ZipInfo has a fixed time.
                content.writestr(zipfile.ZipInfo(name), data)
        check(temporary, images, record)

    atomic_write(archive, write)


def refuse_existing(archives: Iterable[Path]) -> None:
    """Ask before the work whether zips can be written.

    Raises:
        InputError: names all that are there already.
    """
    there = [str(archive) for archive in archives if os.path.lexists(archive)]
    if there:
        raise InputError(f"{', '.join(there)}: there already, and not overwritten; move it away, or submit it")


def member_name(image: Path) -> str:
    """Name in the zip of the prediction for an image: ``{city}_{sequence}_{frame}.png`` on Cityscapes."""
    return f"{image.stem.removesuffix(f'_{cityscapes.IMAGES}')}.png"


def check(archive: Path, images: Mapping[str, Path], record: DatasetRecord) -> None:
    """Read a zip back: exactly these members, each 8-bit grey, of its image's size, with the set's label ids alone.

    Raises:
        InputError: it is otherwise; the message names the first wrong member.
    """
    with zipfile.ZipFile(archive) as content:
        if sorted(content.namelist()) != sorted(images):
            raise InputError(f"{record.title}: not exactly one prediction for each of {len(images)} test images")
        for name, path in images.items():
            with content.open(name) as file, Image.open(file) as image:
                found = (image.mode, image.height, image.width)
                values = [value for value, pixels in enumerate(image.histogram()) if pixels]
            expected = ("L", *(record.size or _size(path)))
            if found != expected:
                raise InputError(
                    f"{record.title}: prediction {name} has mode and size {found} instead of {expected}; "
                    "if its test image is no longer as it was prepared, prepare the data set again"
                )
            if not set(values) <= set(record.label_ids):
                raise InputError(f"{record.title}: prediction {name} has values {values}, not only {record.label_ids}")


def _size(image: Path) -> tuple[int, int]:
    with Image.open(image) as file:
        return file.height, file.width


def _check_split(names: Sequence[str], record: DatasetRecord, root: Path) -> None:
    expected = record.splits[SPLIT]
    if not names or len(names) != expected:
        raise InputError(
            f"{root}: {len(names)} of {expected} test images are there, and a submission needs a whole test split; "
            "prepare the data set again, with test images"
        )
    wrong = [name for name in names if not _is_official(name)]
    if wrong and record.label_ids == cityscapes.label_set().ids:
        raise InputError(
            f"{root / 'images' / SPLIT}: names not of the form city_sequence_frame (first: {wrong[0]}, "
            f"{len(wrong)} in all), which the Cityscapes server needs; name the images so in the source, "
            "and prepare the data set again"
        )


def _is_official(name: str) -> bool:
    """Whether cityscapesScripts, given the ground truth's name, looks for a prediction of this name."""
    stem = PurePath(name).stem
    try:
        with redirect_stdout(io.StringIO()):
            found: str = getCoreImageFileName(f"{stem}{cityscapes.LABEL_SUFFIX}")
    except SystemExit:  # its way to refuse a name
        return False
    return found == stem
