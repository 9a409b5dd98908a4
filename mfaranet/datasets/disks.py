"""Files as they lie on people's disks: beside what systems leave there, in folders of folders, in several encodings."""

import codecs
import os
from collections.abc import Callable
from pathlib import Path, PurePath

from mfaranet.errors import InputError
from mfaranet.files import user_path

_LEFT_BY_SYSTEMS = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin"}
_ENCODINGS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


def is_visible(path: PurePath) -> bool:
    """Whether no part of a relative path is hidden or an operating system's own."""
    return not any(part.startswith(".") or part.lower() in _LEFT_BY_SYSTEMS for part in path.parts)


def visible(folder: Path, pattern: str = "*") -> list[Path]:
    """What a folder holds for people, in order; nothing where there is no such folder."""
    return sorted(path for path in folder.glob(pattern) if is_visible(path.relative_to(folder)))


def locate(folder: Path, fits: Callable[[Path], bool], what: str) -> Path | None:
    """The folder that fits, ``folder`` itself or at most two levels down, the nearest one; None where there is none.

    Raises:
        InputError: there are several, equally near.
    """
    for pattern in (None, "*", "*/*"):
        candidates = visible(folder, pattern) if pattern else [folder]
        found = [path for path in candidates if path.is_dir() and fits(path)]
        if len(found) > 1:
            raise InputError(f"{what} is there more than once: {', '.join(map(str, found))}; give a folder with one")
        if found:
            return found[0]
    return None


def given(source: Path | None, variable: str, name: str) -> Path | None:
    """Where a user has the data set ``name``: ``data.source`` of its profile, else $``variable``; None for neither.

    Raises:
        InputError: there is no such path, or it has a variable that is not set.
    """
    written = source or os.environ.get(variable)
    if not written:
        return None
    path = user_path(written, f"data.source of the {name} profile" if source else f"${variable}")
    if not path.exists():
        raise InputError(f"{path} does not exist; correct data.source of the {name} profile, or ${variable}")
    return path


def own_copy(source: Path | None, variable: str, name: str, instead: str) -> Path:
    """What ``given`` finds, of a data set that nothing here downloads.

    Raises:
        InputError: as ``given``; or there is none, and ``instead`` says how to get the set and to give it.
    """
    path = given(source, variable, name)
    if path is None:
        raise InputError(f"{instead} as data.source of the {name} profile or in ${variable}")
    return path


def read_lines(path: Path) -> list[str]:
    """Lines of a text file without blanks around them, UTF-8, or UTF-16 where a byte-order mark says so."""
    data = path.read_bytes()
    encoding = next((encoding for mark, encoding in _ENCODINGS.items() if data.startswith(mark)), "utf-8")
    return [line.strip() for line in data.decode(encoding, errors="replace").splitlines()]
