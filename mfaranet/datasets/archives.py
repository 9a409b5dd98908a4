"""Archives of data sets, zip or tar, extracted without trust."""

import gzip
import lzma
import shutil
import stat
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
_CORRUPT = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, EOFError)
_Member = tuple[str, Callable[[], IO[bytes] | None] | None]
"""Name, and what opens it if it is a plain file."""


def extract(archive: Path, folder: Path, suffixes: tuple[str, ...]) -> None:
    """Extract the members of a zip, tar or compressed tar whose names end so, in capitals or not.

    Only plain files are written, below ``folder``, with nothing of the archive's but their content.

    Raises:
        InputError: the file is no such archive, is corrupt, or has a member that would land outside ``folder`` or
            is a link or device.
    """
    # A tar first: a zip inside one makes it look like a zip.
    if tarfile.is_tarfile(archive):
        members = _tar_members(archive)
    elif zipfile.is_zipfile(archive):
        members = _zip_members(archive)
    else:
        raise InputError(
            f"{archive} is no whole zip archive or tar (perhaps a web page, or half a download); download it again"
        )
    endings = tuple(suffix.lower() for suffix in suffixes)
    try:
        for name, opened in members:
            path = PurePosixPath(name)
            if not name.lower().endswith(endings):
                continue
            if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts:
                raise InputError(f"{archive}: member {name} points outside the archive; do not use this file")
            if is_visible(path):
                _write(opened() if opened else None, folder / path, f"{archive}: member {name}")
    except _CORRUPT as error:
        raise InputError(f"{archive} is corrupt ({error}); download it again") from None
    except (RuntimeError, NotImplementedError) as error:  # zipfile's for a password and for a method it does not have
        raise InputError(f"{archive} cannot be extracted here ({error}); do it by hand and give the folder") from None


def _write(content: IO[bytes] | None, target: Path, member: str) -> None:
    if content is None:
        raise InputError(f"{member} is a link or device, not a file; do not use this archive")
    target.parent.mkdir(parents=True, exist_ok=True)
    with content, target.open("wb") as file:
        shutil.copyfileobj(content, file, 1 << 20)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as content:
        for member in content.infolist():
            # 0 where the zip was not made on a Unix system, which is also where backslashes come from.
            plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
            yield member.filename.replace("\\", "/"), partial(content.open, member) if plain else None


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as content:
        for member in content:
            yield member.name, partial(content.extractfile, member) if member.isreg() else None
