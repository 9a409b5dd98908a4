"""Photographs of a source whose images differ, in the form that a training decodes."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mfaranet.data.images import read_image
from mfaranet.datasets.source import DataError, Source
from mfaranet.errors import InputError

_ENDINGS = {"PNG": ".png", "JPEG": ".jpg"}
_MEND = "images that cannot be read: save them again as PNG or JPEG, or take them and their labels away"


def read_photograph(path: Path, source: Source) -> tuple[bytes, str, NDArray[np.uint8]]:
    """A file to keep, its ending, and its pixels (H, W, 3) as a viewer shows them (see mfaranet.data.images).

    A PNG or JPEG which a plain decoder sees so is kept byte for byte; what is turned by EXIF, grey, transparent or
    else is stored as PNG.

    Raises:
        DataError: it is no picture that can be read.
    """
    try:
        pixels = read_image(path).permute(1, 2, 0).numpy()
    except InputError as error:
        text = str(error).removeprefix(str(path)).strip()
        raise DataError(f"{source.shown(path)}: {text}", _MEND) from None
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as file:
        if file.format in _ENDINGS and np.array_equal(np.asarray(file), pixels):
            return data, _ENDINGS[file.format], pixels
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue(), ".png", pixels
