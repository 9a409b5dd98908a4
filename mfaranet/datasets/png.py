"""PNG files of a source: judged by their header, then decoded to the last pixel."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mfaranet.datasets.source import Colour, DataError, Source, UnknownValuesError
from mfaranet.sizes import Size

CORRUPT = (
    "missing or corrupt files: replace them from the original archive, "
    "or remove the half-extracted folder and extract again"
)
_FORMAT = "files of another format: take the original PNG files; converting a JPEG does not bring back what it has lost"
_SIZE = "files of another size: take the archive that this data set is made from; resized copies give other scores"
_PAIR_SIZE = (
    "labels of another size than their image: take those that belong together; an image is turned by its EXIF "
    "orientation before it is used, so its label has to be of the turned one"
)
_IMAGE_KIND = (
    "images of another kind: take the original files, or save them as 8-bit RGB; grey and palette images may be labels"
)
_LABEL_KIND = (
    "labels of another kind: take the files whose pixels are ids, in one channel of at most 8 bits (in Cityscapes "
    "*_gtFine_labelIds.png; *_color.png is for display, *_instanceIds.png has 16 bits)"
)
_PAINTED_KIND = (
    "labels of another kind: take the files that are 8-bit RGB in the colours of the classes, without transparency"
)
_EITHER_KIND = (
    "labels of another kind: save them as 8-bit grey or palette whose values are ids, or as 8-bit RGB in the colours "
    "of the classes, without transparency"
)
_COLOUR = (
    "labels with other colours: take the files as they were painted (a label that was a JPEG, or was resized with "
    "smoothing, has mixed ones); of a set of your own, name the colours among its classes or what it ignores"
)
_PHOTOGRAPH = (
    "labels with very many colours: photographs, if images and labels are exchanged, or labels that were a JPEG or "
    "resized with smoothing; take the files as they were painted"
)
_BOMB = "files of very many pixels: make them and what belongs to them smaller, if they are what they should be"
_MANY = 300
"""More colours than any set has classes, and fewer than any photograph has."""
_BEGIN, _END = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"IEND\xaeB`\x82"
_OTHERS = ("JPEG", "BMP", "GIF", "TIFF", "WEBP")
_MODES = {0: ("1", "L"), 2: ("RGB",), 3: ("P",)}
"""Of pictures of 8 bits and less as Pillow reads them, by the header's number for the kind of colour."""
_COLOURS = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGB with alpha"}


def read_rgb(path: Path, source: Source) -> tuple[bytes, NDArray[np.uint8]]:
    """The file, and its pixels (H, W, 3).

    Raises:
        DataError: it is corrupt, no 8-bit RGB or of another size.
    """
    shown = source.shown(path)
    data, bits, colour = _read(path, shown)
    if (bits, colour) != (8, "RGB"):
        raise DataError(f"{shown}: {bits}-bit {colour} instead of 8-bit RGB", _IMAGE_KIND)
    return data, np.asarray(_decode(data, shown, source.size, _SIZE))


def read_label(path: Path, source: Source, size: Size | None) -> NDArray[np.uint8]:
    """The ids (H, W) of a label: values of a grey file as they are stored, indices of a palette, or what colours mean.

    Args:
        path: a PNG.
        source: says which of these its labels may be.
        size: of its image, where that could be read.

    Raises:
        DataError: it is corrupt, of another kind or size, or has a colour that stands for nothing.
    """
    painted, shown = source.labels.painted, source.shown(path)
    data, bits, colour = _read(path, shown)
    as_colours, as_ids = painted is not None, source.labels.indexed
    wrong_size = _SIZE if source.size else _PAIR_SIZE
    if as_colours and (bits, colour) == (8, "RGB"):
        return _ids_of_colours(np.asarray(_decode(data, shown, size, wrong_size)), painted or {}, shown)
    if as_ids and bits <= 8 and colour in ("grey", "palette"):
        return _stored(_decode(data, shown, size, wrong_size), bits)
    wanted = "8-bit RGB" if not as_ids else "8-bit grey" + (" or RGB" if as_colours else "")
    mend = _PAINTED_KIND if not as_ids else _EITHER_KIND if as_colours else _LABEL_KIND
    raise DataError(f"{shown}: {bits}-bit {colour} instead of {wanted}", mend)


def colour_codes(pixels: NDArray[Any]) -> NDArray[np.uint32]:
    """Each colour of (..., 3) as one number, red first."""
    return pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)


def _ids_of_colours(pixels: NDArray[np.uint8], painted: Mapping[Colour, int], shown: str) -> NDArray[np.uint8]:
    codes = colour_codes(pixels)
    found, index, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = _colours(found)
    unknown = {
        f"colour {colour}": n for colour, n in zip(colours, counts.tolist(), strict=True) if colour not in painted
    }
    if len(unknown) > _MANY:
        raise DataError(f"{shown}: {len(unknown)} colours that stand for no class", _PHOTOGRAPH)
    if unknown:
        raise UnknownValuesError(shown, unknown, _COLOUR)
    ids = np.array([painted[colour] for colour in colours], dtype=np.uint8)
    return ids[index].reshape(codes.shape)


def _colours(codes: NDArray[np.uint32]) -> list[Colour]:
    """The inverse of colour_codes."""
    return [(code >> 16, code >> 8 & 255, code & 255) for code in codes.tolist()]


def label_values(path: Path, shown: str) -> tuple[str, dict[int | Colour, int]]:
    """What kind a label is (grey, palette or RGB), and the pixels of each of its values, indices or colours.

    Messages call it ``shown``.

    Raises:
        DataError: it is corrupt or of another kind.
    """
    data, bits, kind = _read(path, shown)
    if bits > 8 or kind not in ("grey", "palette", "RGB"):
        raise DataError(f"{shown}: {bits}-bit {kind}", _EITHER_KIND)
    image = _decode(data, shown, None, _SIZE)
    if kind == "RGB":
        codes, counts = np.unique(colour_codes(np.asarray(image)), return_counts=True)
        return kind, dict(zip(_colours(codes), counts.tolist(), strict=True))
    ids, counts = np.unique(_stored(image, bits), return_counts=True)
    return kind, dict(zip(ids.tolist(), counts.tolist(), strict=True))


def _stored(image: Image.Image, bits: int) -> NDArray[np.uint8]:
    if image.mode == "P":
        return np.asarray(image)
    # Pillow spreads the values of 1, 2 and 4 bits over 0..255.
    return np.asarray(image.convert("L")) // np.uint8(255 // (2**bits - 1))


def _read(path: Path, shown: str) -> tuple[bytes, int, str]:
    """The file, its bits per channel and its kind of colour."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{shown}: cannot be read ({error.strerror})", CORRUPT) from None
    if len(data) < 33 or not data.startswith(_BEGIN):
        raise _foreign(data, shown)
    return data, data[24], _COLOURS.get(data[25], "unknown")


def _foreign(data: bytes, shown: str) -> DataError:
    try:
        found = Image.open(io.BytesIO(data), formats=_OTHERS).format
    except Exception:  # Pillow raises half a dozen kinds
        return DataError(f"{shown}: unreadable or truncated PNG", CORRUPT)
    return DataError(f"{shown}: a {found} file instead of a PNG", _FORMAT)


def _decode(data: bytes, shown: str, size: Size | None, wrong_size: str) -> Image.Image:
    # From the header, so that a picture that unpacks to gigabytes is not unpacked.
    width, height = (int.from_bytes(data[start : start + 4]) for start in (16, 20))
    if size and (height, width) != size:
        raise DataError(f"{shown}: wrong size {height}x{width} instead of {size[0]}x{size[1]}", wrong_size)
    if width * height > (Image.MAX_IMAGE_PIXELS or 0):
        raise DataError(f"{shown}: more than {Image.MAX_IMAGE_PIXELS} pixels, or says so", _BOMB)
    try:
        # Each finds what the others do not: a cut in the last bytes, a wrong checksum, pixels that are not there.
        data.rindex(_END)
        Image.open(io.BytesIO(data), formats=["PNG"]).verify()
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        image.load()
        # A second header further on would hold.
        if image.size != (width, height) or image.mode not in _MODES[data[25]]:
            raise ValueError("two headers")
    except Exception:  # Pillow raises half a dozen kinds on corrupt files
        raise DataError(f"{shown}: unreadable or truncated PNG", CORRUPT) from None
    return image
