"""Pictures as users have them: read as their viewers show them, or refused with a sentence."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mfaranet.data.images import read_image
from mfaranet.data.prepared import read_pixels
from mfaranet.errors import InputError

CASES = Path(__file__).parents[2] / "shared/cases"

shared = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")
Pixels = NDArray[np.uint8]


def scene(height: int = 48, width: int = 80) -> Pixels:
    """Colours that differ in every corner, and smooth enough for JPEG."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) * 127 // (width + height)], 2).astype(np.uint8)


def read(path: Path) -> NDArray[np.int64]:
    found = read_image(path)
    assert (found.dtype.is_floating_point, found.shape[0]) == (False, 3)
    return found.permute(1, 2, 0).numpy().astype(np.int64)


def png(path: Path, bits: int, colour_type: int, pixels: bytes, width: int, extra: bytes = b"") -> Path:
    """A PNG of kinds that Pillow does not write, one row high; ``extra`` are whole chunks."""
    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    parts = [chunk(b"IHDR", header), extra, chunk(b"IDAT", zlib.compress(b"\0" + pixels)), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


# What must be done to the stored picture to see it upright, as the EXIF standard words it.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: a.swapaxes(0, 1)[:, ::-1],
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: a.swapaxes(0, 1)[::-1],
}


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_all_eight_orientations(orientation: int, kind: str, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"photo.{kind}"
    exact: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    Image.fromarray(scene()).save(path, exif=exif, **exact)
    found, expected = read(path), UPRIGHT[orientation](scene())
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < (2 if kind == "jpg" else 1e-9)
    if kind != "tiff":  # whose orientation OpenCV does not heed
        assert np.abs(found - cv2.imread(str(path))[..., ::-1]).max() <= 1


def test_the_photograph_of_a_phone_may_have_a_second_picture_behind_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    first, second = Image.fromarray(scene()), Image.fromarray(255 - scene())
    first.save(tmp_path / "phone.jpg", "MPO", exif=exif, save_all=True, append_images=[second])
    assert Image.open(tmp_path / "phone.jpg").format == "MPO"
    assert np.abs(read(tmp_path / "phone.jpg") - UPRIGHT[6](scene())).mean() < 2


@pytest.mark.parametrize("kind", ["png", "tiff", "pgm"])
def test_16_bit_grey_is_scaled(kind: str, tmp_path: Path) -> None:
    grey = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    path = tmp_path / f"grey.{kind}"
    cv2.imwrite(str(path), grey)
    found = read(path)
    assert np.array_equal(found, np.stack([grey >> 8] * 3, 2))
    assert np.array_equal(found[..., 0], cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    # As ever, the same picture with 8 bits.
    cv2.imwrite(str(path), scene()[..., 0] * np.uint16(257))
    assert np.array_equal(read(path)[..., 1], scene()[..., 0])


CODINGS = {"II": ("<", 16, 1), "MM": (">", 16, 1), "II inverted": ("<", 16, 0), "12 bits": ("<", 12, 1)}


@pytest.mark.parametrize("coding", CODINGS)
def test_other_codings_of_grey_in_a_tiff(coding: str, tmp_path: Path) -> None:
    order, bits, photometric = CODINGS[coding]
    pixels = np.array([0, 65535, 128 * 256, 200 * 256], f"{order}u2").tobytes()
    if bits == 12:
        pixels = b"\x00\x0f\xff\x80\x0c\x80"
    path = tiff(tmp_path / "grey.tif", order, 4, bits, photometric, pixels)
    expected = [0, 255, 128, 200] if photometric == 1 else [255, 0, 127, 55]
    assert read(path)[0, :, 2].tolist() == expected


def tiff(path: Path, order: str, width: int, bits: int, photometric: int, pixels: bytes) -> Path:
    """One uncompressed row of grey."""
    start = 8 + 2 + 12 * 9 + 4
    tags = {256: width, 257: 1, 258: bits, 259: 1, 262: photometric, 273: start, 277: 1, 278: 1, 279: len(pixels)}
    entries = [struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items()]
    directory = struct.pack(f"{order}H", len(entries)) + b"".join(entries)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    path.write_bytes(head + directory + b"\0\0\0\0" + pixels)
    return path


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_16_bit_colour_is_scaled(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"colour.{kind}"
    deep = np.random.default_rng(0).integers(0, 65536, (64, 64, 3), dtype=np.uint16)
    cv2.imwrite(str(path), deep[..., ::-1])
    assert np.array_equal(read(path), deep >> 8)
    cv2.imwrite(str(path), scene()[..., ::-1] * np.uint16(257))
    assert np.array_equal(read(path), scene())


def test_cmyk_has_the_colours_that_viewers_show(tmp_path: Path) -> None:
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    data = (tmp_path / "print.jpg").read_bytes()
    marker = data.index(b"\xff\xee")
    assert data[marker + 4 : marker + 9] == b"Adobe"  # so the inks are stored inverted
    for content in (data, data[:marker] + data[marker + 16 :]):
        (tmp_path / "print.jpg").write_bytes(content)
        found = read(tmp_path / "print.jpg")
        assert np.abs(found - scene()).mean() < 3
        assert np.abs(found - cv2.imread(str(tmp_path / "print.jpg"))[..., ::-1]).max() <= 2
    Image.fromarray(scene()).convert("CMYK").save(tmp_path / "print.tif")
    assert np.abs(read(tmp_path / "print.tif") - scene()).max() <= 1


def test_palettes_and_bits(tmp_path: Path) -> None:
    drawn = Image.fromarray(scene()).quantize(16)
    for bits in (8, 4):
        drawn.save(tmp_path / "drawing.png", bits=bits)
        assert np.array_equal(read(tmp_path / "drawing.png"), np.asarray(drawn.convert("RGB")))
    for kind in ("gif", "bmp"):
        drawn.save(tmp_path / f"drawing.{kind}")
        assert np.array_equal(read(tmp_path / f"drawing.{kind}"), np.asarray(drawn.convert("RGB")))
    scan = scene()[..., 0] > 127
    for kind in ("png", "tif", "pbm"):
        Image.fromarray(scan).save(tmp_path / f"scan.{kind}")
        assert np.array_equal(read(tmp_path / f"scan.{kind}"), np.stack([scan * 255] * 3, 2))


def test_what_is_transparent_lies_over_white(tmp_path: Path) -> None:
    colour, alpha = scene(), np.full((48, 80), 255, np.uint8)
    alpha[:, :20], alpha[:, 20:40] = 0, 51
    expected = colour.astype(float) * (alpha / 255.0)[..., None] + 255.0 - alpha[..., None]
    Image.fromarray(np.dstack([colour, alpha])).save(tmp_path / "cut.png")
    assert np.abs(read(tmp_path / "cut.png") - expected).max() <= 1
    Image.fromarray(np.dstack([colour[..., 0], alpha])).save(tmp_path / "cut_grey.png")
    assert np.abs(read(tmp_path / "cut_grey.png") - expected[..., :1]).max() <= 1
    deep = np.dstack([colour[..., ::-1], alpha]) * np.uint16(257)
    cv2.imwrite(str(tmp_path / "cut_16.png"), deep)
    assert np.abs(read(tmp_path / "cut_16.png") - expected).max() <= 1
    palette = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    palette.save(tmp_path / "palette.png", transparency=b"\xff\x00\xff")
    palette.save(tmp_path / "palette.gif", transparency=1)
    for kind in ("png", "gif"):
        assert read(tmp_path / f"palette.{kind}").tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]
    one_colour = png(
        tmp_path / "key.png", 8, 2, bytes([9, 8, 7, 1, 2, 3]), 2, chunk(b"tRNS", bytes([0, 1, 0, 2, 0, 3]))
    )
    assert read(one_colour).tolist() == [[[9, 8, 7], [255, 255, 255]]]


def save_frames(path: Path) -> None:
    Image.fromarray(scene()).save(path, save_all=True, append_images=[Image.fromarray(255 - scene())])


def save_float(path: Path) -> None:
    Image.fromarray(scene()[..., 0].astype(np.float32) / 255).save(path)


def save_bomb(path: Path) -> None:
    png(path, 8, 2, b"", 60000)
    data = path.read_bytes()
    header = data[12:16] + struct.pack(">II", 60000, 60000) + data[24:29]
    path.write_bytes(data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:])


def save_part(path: Path) -> None:
    Image.fromarray(scene()).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])


WRONG = {
    "moves.gif": (save_frames, "is animated or has pages, 2 in all"),
    "moves.png": (save_frames, "is animated or has pages, 2 in all"),
    "moves.webp": (save_frames, "is animated or has pages, 2 in all"),
    "pages.tif": (save_frames, "is animated or has pages, 2 in all"),
    "float.tif": (save_float, "pixels of the kind F"),
    "float.pfm": (save_float, "pixels of the kind F"),
    "wide.tif": (lambda p: Image.fromarray(scene()[..., 0].astype(np.int32)).save(p), "pixels of the kind I,"),
    "lab.tif": (lambda p: Image.new("LAB", (9, 9)).save(p), "pixels of the kind LAB"),
    "key.png": (
        lambda p: png(p, 16, 0, b"\xff\xff\x80\x00", 2, chunk(b"tRNS", b"\x80\x00")),
        "16 bits and a transparent colour",
    ),
    "key_colour.png": (
        lambda p: png(p, 16, 2, bytes(6), 1, chunk(b"tRNS", bytes(6))),
        "16 bits and a transparent colour",
    ),
    "bomb.png": (save_bomb, f"has more than {Image.MAX_IMAGE_PIXELS} pixels, or says so"),
    "large.bmp": (
        lambda p: p.write_bytes(
            b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + struct.pack("<IiiHHIIiiII", 40, 10000, 10000, 1, 24, *[0] * 6)
        ),
        "has more than 89478485 pixels, or says so",
    ),
    "empty.png": (lambda p: p.write_bytes(b""), "is no readable image; these kinds are read: PNG, JPEG"),
    "text.jpg": (lambda p: p.write_text("Not Found"), "is no readable image; these kinds"),
    "folder.png": (lambda p: p.mkdir(), "is no readable image"),
    "vector.eps": (lambda p: Image.fromarray(scene()).save(p), "is no readable image; these kinds"),
    "nothing.png": (lambda p: None, "does not exist"),
    "part.png": (save_part, "is no readable image, perhaps cut short"),
    "part.jpg": (save_part, "is no readable image, perhaps cut short"),
    "part.tif": (save_part, "is no readable image, perhaps cut short"),
    "part.bmp": (save_part, "is no readable image, perhaps cut short"),
    "part.webp": (save_part, "is no readable image"),
    "part.ppm": (save_part, "is no readable image, perhaps cut short"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_right_is_refused_with_a_sentence(name: str, tmp_path: Path) -> None:
    make, message = WRONG[name]
    make(tmp_path / name)
    with pytest.raises(InputError) as refused:
        read_image(tmp_path / name)
    said = str(refused.value)
    assert message in said
    assert said.startswith(str(tmp_path / name))
    assert "\n" not in said


def test_prepared_pictures_that_were_spoilt_are_refused_too(tmp_path: Path) -> None:
    for name in ("bomb.png", "empty.png", "part.png", "nothing.png", "folder.png"):
        WRONG[name][0](tmp_path / name)
        with pytest.raises(InputError, match=f"{name} is missing or corrupt; prepare the data set again"):
            read_pixels(tmp_path / name)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_odd_exif_is_no_reason_to_refuse(tmp_path: Path) -> None:
    for junk in (b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03"):
        buffer = io.BytesIO()
        Image.fromarray(scene()).save(buffer, "JPEG", exif=junk)
        (tmp_path / "odd.jpg").write_bytes(buffer.getvalue())
        assert read(tmp_path / "odd.jpg").shape == scene().shape


@shared
def test_shared_pictures() -> None:
    assert np.array_equal(read(CASES / "exif16/grey16.png"), read(CASES / "exif16/grey8.png"))
    for name in ("grey16.png", "rgb16.png"):
        assert np.array_equal(read(CASES / name), cv2.imread(str(CASES / name))[..., ::-1])
    upright, phone = read(CASES / "exif16/upright.png"), read(CASES / "exif16/phone.jpg")
    assert phone.shape == upright.shape
    assert np.abs(phone - upright).mean() < 1.5
    for name in ("exif16/phone.jpg", "exif6.jpg", "cmyk.jpg"):
        assert np.abs(read(CASES / name) - cv2.imread(str(CASES / name))[..., ::-1]).max() <= 1
    with pytest.raises(InputError, match=r"bomb.png has more than"):
        read_image(CASES / "bomb.png")
