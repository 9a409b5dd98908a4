"""Archives of data sets, zip or tar, extracted without trust."""

import lzma
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from mfaranet.datasets.disks import is_visible
from mfaranet.errors import InputError

ENDINGS = (".zip", ".tar", ".tgz", ".tar.gz")
_CORRUPT = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError, struct.error)
_LARGEST = 2 << 30
"""Bytes of a file; pictures and labels have thousands of times less."""
_SHOWN = 200
"""Characters of a member's name in a message."""
_Member = tuple[str, int, Callable[[], IO[bytes] | None] | None]
"""Name, size in bytes, and what opens it if it is a plain file."""


def extract(archive: Path, folder: Path, suffixes: tuple[str, ...]) -> None:
    """Extract the members of a zip, tar or compressed tar whose names end so, in capitals or not.

    Only plain files are written, below ``folder``, with nothing of the archive's but their content.

    Raises:
        InputError: the file is no such archive, is corrupt, or has a member that would land outside ``folder``, is a
            link or device, or says that it is larger than any file of a data set, or than the disk.
    """
    endings = tuple(suffix.lower() for suffix in suffixes)
    try:
        for name, size, opened in _members(archive):
            path = PurePosixPath(name)
            if not name.lower().endswith(endings):
                continue
            if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
                raise InputError(f"{archive}: member {name[:_SHOWN]} points outside the archive; do not use this file")
            if is_visible(path):
                _write(opened, size, folder / path, f"{archive}: member {name[:_SHOWN]}")
    except InputError:
        raise
    except _CORRUPT as error:
        raise InputError(f"{archive} is corrupt ({error}); download it again") from None
    except OSError as error:  # of the disk, or bz2's of what is corrupt
        raise InputError(
            f"{archive} cannot be extracted ({error.strerror or error}); make room on the disk, or download it again"
        ) from None
    except (RuntimeError, NotImplementedError) as error:  # zipfile's for a password and for a method it does not have
        raise InputError(f"{archive} cannot be extracted here ({error}); do it by hand and give the folder") from None


def _members(archive: Path) -> Iterator[_Member]:
    # A tar first: a zip inside one makes it look like a zip.
    if tarfile.is_tarfile(archive):
        return _tar_members(archive)
    if zipfile.is_zipfile(archive):
        return _zip_members(archive)
    raise InputError(
        f"{archive} is no whole zip archive or tar (perhaps a web page, or half a download); download it again"
    )


def _write(opened: Callable[[], IO[bytes] | None] | None, size: int, target: Path, member: str) -> None:
    content = opened() if opened else None
    if content is None:
        raise InputError(f"{member} is a link or device, not a file; do not use this archive")
    with content:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not 0 <= size <= min(_LARGEST, shutil.disk_usage(target.parent).free):
                raise InputError(
                    f"{member} says that it has {size} bytes, more than a file of a data set has, or than the disk has "
                    "room for; do not use this archive, or make room"
                )
            file = target.open("wb")
        except OSError as error:
            raise InputError(
                f"{member} cannot be written ({error.strerror}); extract by hand and give the folder"
            ) from None
        with file:
            shutil.copyfileobj(content, file, 1 << 20)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            # 0 where the zip was not made on a Unix system, which is also where backslashes come from.
            plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
            yield member.filename.replace("\\", "/"), member.file_size, partial(content.open, member) if plain else None


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as content:
        for member in content:
            yield member.name, member.size, partial(content.extractfile, member) if member.isreg() else None
