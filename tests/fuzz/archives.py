"""Archives that lie, escape, explode or are cut."""

import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

from mfaranet.datasets.archives import extract
from mfaranet.files import atomic_folder
from tests.fuzz.damage import damaged
from tests.fuzz.trial import FILE, Case

_SUFFIXES = (".png", ".txt")
# fmt: off
_NAMES = (
    "../x.png", "a/../../x.png", "a/../x.png", "./x.png", "a//x.png", "/{}/x.png", "//{}/x.png", "C:\\x.png",
    "a\\..\\x.png", "\\\\host\\x.png", "..\\x.png", "-rf.png", "--.png", "a\nb.png", "\r.png", "\x1b[1m.png",
    "a\0b.png", " .png", ".png", "..png", "é.png", "e\u0301.png", "\udcff.png", "\u202egnp.png", "n" * 251 + ".png",
    "n" * 252 + ".png", "n" * 5000 + ".png", "d/" * 100 + "x.png", "d/" * 3000 + "x.png", "A.PNG", "a.png", "a.Png",
    "a.png/b.png", "a.png/", "b.txt/", "con.png", "x.png.", "__MACOSX/a.png", "__MACOSX/._a.png", ".hidden/a.png",
    "Thumbs.db", "*.png", "~/x.png", "$HOME/x.png", "%s{}.png", "",
)
# fmt: on
_ZIPPED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_TYPES = (
    *(tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE),
    *(tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"?"),
)
_TARGETS = ("/etc/passwd", "../x.png", "a.png", "x/y.png", "")
_PIECE = b"\x89PNG" * 20
_BOMB = 32 << 20


def _zip(rng: Random, folder: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", rng.choice(_ZIPPED)) as archive:
        for name in _some_names(rng, folder):
            member = zipfile.ZipInfo("x")
            member.filename, member.compress_type = name, archive.compression
            kinds = (stat.S_IFREG, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR, 0)
            member.external_attr = rng.choices(kinds, (20, 1, 1, 1, 1, 5))[0] << 16
            try:
                archive.writestr(member, _content(rng))
            except UnicodeEncodeError:
                continue
    return rng.choice((_same, _same, _same, _encrypted, _lying_zip))(buffer.getvalue(), rng)


def _tar(rng: Random, folder: Path) -> bytes:
    buffer = io.BytesIO()
    form = rng.choice((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT))
    with tarfile.open(None, rng.choice(("w", "w:gz", "w:bz2", "w:xz")), buffer, format=form) as archive:
        for name in _some_names(rng, folder):
            member, content = tarfile.TarInfo(name), _content(rng)
            member.size = len(content)
            if rng.random() < 0.15:
                member.type, member.linkname, member.size = rng.choice(_TYPES), rng.choice(_TARGETS), 0
            elif rng.random() < 0.05:
                member.pax_headers = _sparse(name, rng)
            archive.addfile(member, io.BytesIO(content))
        if rng.random() < 0.1:
            # A header alone, which says that much is to come.
            member = tarfile.TarInfo("a.png")
            member.size = rng.choice((1 << 33, 1 << 62, 1000))
            buffer_of = member.tobuf(tarfile.GNU_FORMAT)
            assert archive.fileobj
            archive.fileobj.write(buffer_of)
    return buffer.getvalue()


def _some_names(rng: Random, folder: Path) -> list[str]:
    odd = rng.choices(_NAMES, k=rng.choice((0, 1, 1, 2)))
    names = [
        "train/one.png",
        "train.txt",
        *(name.replace("{}", str(folder).lstrip("/")) for name in odd),
        "val/two.png",
    ]
    rng.shuffle(names)
    return names


def _content(rng: Random) -> bytes:
    return bytes(_BOMB) if rng.random() < 0.02 else _PIECE * rng.randrange(20)


def _same(data: bytes, _: Random) -> bytes:
    return data


def _encrypted(data: bytes, rng: Random) -> bytes:
    """A zip whose members say that they are encrypted, or packed as nobody knows."""
    return _patched(data, rng.choice(((8, 6, 1), (10, 8, rng.choice((97, 99, 12))))))


def _lying_zip(data: bytes, rng: Random) -> bytes:
    """A zip whose members say other sizes than they have."""
    size = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF))
    for place, value in ((24, size), (20, size if rng.random() < 0.5 else None), (42, rng.choice((None, 0, size)))):
        at = data.rfind(b"PK\1\2")
        if value is not None and at >= 0:
            data = data[: at + place] + struct.pack("<I", value) + data[at + place + 4 :]
    return data


def _patched(data: bytes, places: tuple[int, int, int]) -> bytes:
    """A number of 16 bits in the last member's two headers."""
    central, local, value = places
    for magic, place in ((b"PK\1\2", central), (b"PK\3\4", local)):
        at = data.rfind(magic)
        data = data[: at + place] + struct.pack("<H", value) + data[at + place + 2 :]
    return data


def _sparse(name: str, rng: Random) -> dict[str, str]:
    """A file of holes, which takes no room in the archive."""
    return {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": name,
        "GNU.sparse.size": str(rng.choice((FILE * 8, 8 << 40, -1))),
        "GNU.sparse.map": rng.choice(("0,0", "0,9,5", "x")),
    }


def unpack(rng: Random, folder: Path) -> Case:
    """An archive for a data set's reader."""
    maker: Callable[[Random, Path], bytes] = rng.choice((_zip, _tar))
    data = maker(rng, folder)
    spoilt = rng.random() < 0.3
    path = folder / f"set.{rng.choice(('zip', 'tar', 'tgz'))}"
    path.write_bytes(damaged(data, rng) if spoilt else data)
    target = folder / "target"
    if rng.random() < 0.3:
        target.mkdir()
        (target / "before.txt").touch()

    def attempt() -> None:
        with atomic_folder(target) as made:
            extract(path, made / "scratch", _SUFFIXES)

    return Case(f"{maker.__name__[1:]}{' damaged' if spoilt else ''}", attempt, path.name, target)
