"""What happens to files on their way: bytes lost, changed, put in, or of another file."""

import struct
import zlib
from collections.abc import Callable
from random import Random

EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_HEAD = 64
"""Bytes in which most formats say what is to come."""


def cut(data: bytes, rng: Random) -> bytes:
    """As of half a download."""
    return data[: rng.randrange(len(data) + 1)]


def flipped(data: bytes, rng: Random) -> bytes:
    """Some bits changed."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if found:
            found[_place(found, rng)] ^= 1 << rng.randrange(8)
    return bytes(found)


def extreme(data: bytes, rng: Random) -> bytes:
    """A number in it that is as large or as small as can be."""
    coded = rng.choice(EXTREMES).to_bytes(8, "big")[-rng.choice((1, 2, 4)) :]
    coded = coded if rng.random() < 0.5 else coded[::-1]
    start = _place(data, rng)
    return data[:start] + coded + data[start + len(coded) :]


def lost(data: bytes, rng: Random) -> bytes:
    """A piece taken out."""
    start = _place(data, rng)
    return data[:start] + data[start + rng.choice((1, 2, 16, 512)) :]


def put_in(data: bytes, rng: Random) -> bytes:
    """A piece put in: noise, zeros, or a part of itself."""
    start, length = _place(data, rng), rng.choice((1, 2, 16, 512))
    piece = rng.choice((rng.randbytes(length), bytes(length), data[start : start + length]))
    return data[:start] + piece + data[start:]


def blank(data: bytes, rng: Random) -> bytes:
    """Zeros from somewhere on, as a disk leaves them that failed."""
    start = _place(data, rng)
    return data[:start] + bytes(len(data) - start)


DAMAGES: tuple[Callable[[bytes, Random], bytes], ...] = (cut, flipped, extreme, lost, put_in, blank)


def damaged(data: bytes, rng: Random) -> bytes:
    """One kind of damage or two."""
    for damage in rng.choices(DAMAGES, k=rng.choice((1, 1, 2))):
        data = damage(data, rng)
    return data


def png_chunks(data: bytes) -> list[bytes]:
    """The chunks of a PNG, with right checksums, whatever is in them."""
    found, place = [], 8
    while place + 8 <= len(data):
        length = struct.unpack(">I", data[place : place + 4])[0]
        body = data[place + 4 : place + 8 + length]
        found.append(data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + length
    return found


def sealed(data: bytes) -> bytes:
    """A damaged PNG whose checksums are right again, so that readers come further."""
    return data[:8] + b"".join(png_chunks(data))


def _place(data: bytes | bytearray, rng: Random) -> int:
    """Anywhere, but in the head as often as in all else."""
    return rng.randrange(max(1, rng.choice((len(data), min(len(data), _HEAD)))))
