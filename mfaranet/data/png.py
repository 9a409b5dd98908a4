"""PNG files of a source: judged by their header, then decoded to the last pixel."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mfaranet.datasets.source import Colour, DataError, Source, some

CORRUPT = (
    "missing or corrupt files: replace them from the original archive, "
    "or remove the half-extracted folder and extract again"
)
_FORMAT = "files of another format: take the original PNG files; converting a JPEG does not bring back what it has lost"
_SIZE = "files of another size: take the archive that this data set is made from; resized copies give other scores"
_IMAGE_KIND = (
    "images of another kind: take the original files, or save them as 8-bit RGB; grey and palette images may be labels"
)
_LABEL_KIND = (
    "labels of another kind: take the files whose pixels are ids, in one channel of at most 8 bits (in Cityscapes "
    "*_gtFine_labelIds.png; *_color.png is for display, *_instanceIds.png has 16 bits)"
)
_COLOUR = (
    "labels with other colours: take the files as published; a label that was a JPEG, or was resized with smoothing, "
    "has mixed ones"
)
_SIGNATURE, _END = b"\x89PNG\r\n\x1a\n", b"IEND\xaeB`\x82"
_OTHERS = ("JPEG", "BMP", "GIF", "TIFF", "WEBP")
_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def read_rgb(path: Path, source: Source) -> tuple[bytes, NDArray[np.uint8]]:
    """The file, and its pixels (H, W, 3).

    Raises:
        DataError: it is corrupt, no 8-bit RGB or of another size.
    """
    data, bits, colour = _read(path, source)
    if (bits, colour) != (8, "RGB"):
        raise DataError(f"{source.shown(path)}: {bits}-bit {colour} instead of 8-bit RGB", _IMAGE_KIND)
    return data, np.asarray(_decode(data, path, source))


def read_label(path: Path, source: Source) -> NDArray[np.uint8]:
    """The ids (H, W) of a label, whose pixels are ids or colours that stand for them.

    Raises:
        DataError: it is corrupt, of another kind or size, or has a colour that stands for nothing.
    """
    if source.labels.painted is None:
        return read_ids(path, source)
    _, pixels = read_rgb(path, source)
    return _ids_of_colours(pixels, source.labels.painted, source.shown(path))


def colour_codes(pixels: NDArray[Any]) -> NDArray[np.uint32]:
    """Each colour of (..., 3) as one number, red first."""
    return pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)


def _ids_of_colours(pixels: NDArray[np.uint8], painted: Mapping[Colour, int], shown: str) -> NDArray[np.uint8]:
    codes = colour_codes(pixels)
    found, index, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = [(code >> 16, code >> 8 & 255, code & 255) for code in found.tolist()]
    unknown = [
        f"{colour} at {count} pixels" for colour, count in zip(colours, counts, strict=True) if colour not in painted
    ]
    if unknown:
        raise DataError(f"{shown}: colours of no class: {some(unknown)}", _COLOUR)
    ids = np.array([painted[colour] for colour in colours], dtype=np.uint8)
    return ids[index].reshape(codes.shape)


def read_ids(path: Path, source: Source) -> NDArray[np.uint8]:
    """The ids (H, W) of a label: the values of a grey file as they are stored, or the indices of a palette.

    Raises:
        DataError: it is corrupt, has more than 8 bits or several channels, or is of another size.
    """
    data, bits, colour = _read(path, source)
    if bits > 8 or colour not in ("grey", "palette"):
        raise DataError(f"{source.shown(path)}: {bits}-bit {colour} instead of 8-bit grey", _LABEL_KIND)
    image = _decode(data, path, source)
    if colour == "palette":
        return np.asarray(image)
    # Pillow spreads the values of 1, 2 and 4 bits over 0..255.
    return np.asarray(image.convert("L")) // np.uint8(255 // (2**bits - 1))


def _read(path: Path, source: Source) -> tuple[bytes, int, str]:
    """The file, its bits per channel and its kind of colour."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{source.shown(path)}: cannot be read ({error.strerror})", CORRUPT) from None
    if len(data) < 33 or not data.startswith(_SIGNATURE):
        raise _foreign(data, source.shown(path))
    return data, data[24], _COLOURS.get(data[25], "unknown")


def _foreign(data: bytes, shown: str) -> DataError:
    try:
        found = Image.open(io.BytesIO(data), formats=_OTHERS).format
    except Exception:  # Pillow raises half a dozen kinds
        return DataError(f"{shown}: unreadable or truncated PNG", CORRUPT)
    return DataError(f"{shown}: a {found} file instead of a PNG", _FORMAT)


def _decode(data: bytes, path: Path, source: Source) -> Image.Image:
    # From the header, so that a picture that unpacks to gigabytes is not unpacked.
    width, height = (int.from_bytes(data[start : start + 4]) for start in (16, 20))
    if (height, width) != source.size:
        expected = "x".join(map(str, source.size))
        raise DataError(f"{source.shown(path)}: wrong size {height}x{width} instead of {expected}", _SIZE)
    try:
        # Each finds what the others do not: a cut in the last bytes, a wrong checksum, pixels that are not there.
        data.rindex(_END)
        Image.open(io.BytesIO(data), formats=["PNG"]).verify()
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        image.load()
    except Exception:  # Pillow raises half a dozen kinds on corrupt files
        raise DataError(f"{source.shown(path)}: unreadable or truncated PNG", CORRUPT) from None
    return image
