"""Pictures of all kinds, whole and spoilt, for the reader and for `mfaranet predict`."""

import io
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

from mfaranet.data.images import read_image
from tests.fuzz.damage import DAMAGES, EXTREMES, damaged, png_chunks, sealed
from tests.fuzz.trial import Case, command
from tests.toy import save_checkpoint

_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LAB"),
    "JPEG2000": ("L", "LA", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "GIF": ("1", "L", "P", "RGB"),
    "PPM": ("1", "L", "I", "RGB"),
    "ICO": ("RGBA",),
    "EPS": ("RGB",),
}
_COMPRESSIONS = (None, "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
_ENDINGS = ["png", "jpg", "webp", "avif", "tif", "jp2", "bmp", "gif", "ppm", "txt"]
# fmt: off
_ODD_NAMES = (
    b"-o", b"a\nb", b"\xff\xfe", b"n" * 240, b" ", "é".encode(), b"%s{0}", b"[a]", b"con", b"a" * 100 + b"\x1b[1m",
)
# fmt: on
_MOST_PIXELS = 1 << 18
"""Of what `predict` may be given here: through a network go no 80 million in the time of a case."""


def picture(rng: Random) -> tuple[str, bytes]:
    """A file in words, and its bytes."""
    return picture_of(rng, rng.choice([*_MODES]))


def picture_of(rng: Random, kind: str) -> tuple[str, bytes]:
    """The same of one format."""
    mode = rng.choice(_MODES[kind])
    pixels = np.random.default_rng(rng.getrandbits(32)).integers(0, 256, (rng.randint(1, 40), rng.randint(1, 40), 4))
    image = _in_mode(Image.fromarray(pixels.astype(np.uint8)), mode)
    options: dict[str, Any] = {}
    if kind in ("JPEG", "PNG", "WEBP", "TIFF") and rng.random() < 0.3:
        exif = Image.Exif()
        exif[0x0112] = rng.choice((*range(10), 65535))
        options["exif"] = exif
    if kind == "TIFF" and mode in ("RGB", "L") and not options:  # libtiff takes not every EXIF
        options["compression"] = rng.choice(_COMPRESSIONS)
    if kind in ("GIF", "PNG", "WEBP", "TIFF") and rng.random() < 0.1:
        options |= {"save_all": True, "append_images": [image.rotate(180)]}
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return f"{kind} {mode} {image.width}x{image.height} {' '.join(options)}", buffer.getvalue()


def spoilt(rng: Random) -> tuple[str, bytes]:
    """A picture that something happened to, in words, and its bytes."""
    what, data = picture(rng)
    name, spoil = rng.choice([*_SPOILT.items()])
    return f"{what} {name}", spoil(data, rng)


def _sizes(data: bytes, rng: Random) -> bytes:
    """The width or height that the header says is another."""
    starts = {b"\x89PNG": (16, ">I"), b"GIF8": (6, "<H"), b"BM": (18, "<i")}
    start, form = next((found for magic, found in starts.items() if data.startswith(magic)), (_frame(data), ">H"))
    value = rng.choice((*EXTREMES, 9000, 20000, 46341)) % (1 << (8 * struct.calcsize(form) - 1))
    for place in rng.choice(((0,), (1,), (0, 1))):
        at = start + place * struct.calcsize(form)
        data = data[:at] + struct.pack(form, value) + data[at + struct.calcsize(form) :]
    return sealed(data) if data.startswith(b"\x89PNG") else data


def of_two_pngs(data: bytes, rng: Random) -> bytes:
    """A PNG whose chunks are of two files, or in another order."""
    if not data.startswith(b"\x89PNG"):
        return data
    other = picture_of(rng, "PNG")[1]
    if rng.random() < 0.5:
        return data[:8] + b"".join([*png_chunks(data)[:1], *png_chunks(other)])
    found = [*png_chunks(data), *png_chunks(other)]
    for _ in range(rng.choice((1, 2, 3))):
        found.insert(rng.randrange(len(found)), found.pop(rng.randrange(len(found))))
    return data[:8] + b"".join(found)


def _frame(data: bytes) -> int:
    """Where a JPEG says its size; anywhere in others."""
    return max(data.find(b"\xff\xc0"), 0) + 5


_SPOILT: dict[str, Callable[[bytes, Random], bytes]] = {
    "whole": lambda data, _: data,
    **{f"{each.__name__}": each for each in DAMAGES},
    "damaged": damaged,
    "sealed": lambda data, rng: sealed(damaged(data, rng)) if data.startswith(b"\x89PNG") else damaged(data, rng),
    "of another size": _sizes,
    "of two PNGs": of_two_pngs,
    "empty": lambda *_: b"",
    "text": lambda *_: b"<html>404 Not Found</html>",
    "noise": lambda data, rng: data[: rng.randrange(16)] + rng.randbytes(rng.randrange(2000)),
    "of two": lambda data, rng: data[: len(data) // 2] + picture(rng)[1],
}


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode in ("I", "I;16", "F"):
        kinds = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
        return Image.fromarray(np.asarray(image.convert("L")).astype(kinds[mode]) * (1 if mode == "F" else 257))
    return (
        Image.new("LAB", image.size)
        if mode == "LAB"
        else image.convert("RGB").convert(mode)
        if mode != "RGBA"
        else image
    )


def read(rng: Random, folder: Path) -> Case:
    """A picture for read_image."""
    what, data = spoilt(rng)
    path = folder / f"photo.{rng.choice(_ENDINGS)}"
    path.write_bytes(data)
    return Case(f"{path.name}: {what}", lambda: read_image(path), str(path), folder / "none")


def predict(rng: Random, folder: Path) -> Case:
    """Some pictures, of odd names too, for `mfaranet predict`."""
    given, output = folder / "photos", folder / "out"
    given.mkdir()
    whats = []
    for number in range(rng.randint(1, 3)):
        what, data = spoilt(rng)
        name = rng.choice(_ODD_NAMES) if rng.random() < 0.3 else str(number).encode()
        path = Path(f"{given}/") / (name + b"." + rng.choice(_ENDINGS[:-1]).encode()).decode(errors="surrogateescape")
        path.write_bytes(data)
        whats.append(f"{path.name!a}: {what}")
    kind = rng.choice(("labels", "colour", "overlay", "probabilities"))
    words = ("predict", str(checkpoint()), str(given), "-o", str(output), "--as", kind, "--batch", rng.choice("12"))

    def attempt() -> None:
        with patch.object(Image, "MAX_IMAGE_PIXELS", _MOST_PIXELS):
            command(*words, *rng.choice(((), ("--quiet",))))

    return Case(f"{words[4:]} {'; '.join(whats)}", attempt, str(folder), output, others_done=True)


@cache
def checkpoint() -> Path:
    return save_checkpoint(Path(_KEPT.name) / "toy.safetensors")


_KEPT = TemporaryDirectory()
