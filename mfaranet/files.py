"""Files and folders that are there whole or not at all."""

import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mfaranet.errors import InputError


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place; makes the folder if need be.

    The file gets the rights of any new file here, whatever ``write`` gives it: safetensors would let its owner alone
    read it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""
    atomic_write(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write indented JSON in the order given; ValueError for NaN and infinity, which JSON does not have."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file that a stage wrote.

    Raises:
        InputError: the file is missing or corrupt.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the stage that makes it again") from None


_DEEPEST, _MOST = 100, 1_000_000
"""Levels and values of a YAML file that may be one of ours."""


class _Loader(yaml.CSafeLoader):
    """In C, which is ten times faster; of a key that stands there twice, PyYAML takes the last and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    raise yaml.constructor.ConstructorError(None, None, "a key stands there twice", key.start_mark)
                keys.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file; aliases in it are values that it has more than once.

    Raises:
        OSError: the file cannot be read.
        yaml.YAMLError: it is no YAML, has a key twice, or is more than fits into memory, with its aliases written out.
    """
    data = path.read_bytes()
    _check_extent(data)
    try:
        return yaml.load(data, _Loader)  # noqa: S506, its base is the safe one
    except yaml.YAMLError:
        raise
    except Exception as error:  # half a dozen kinds, of a value that looks like a date or a number and is none
        raise yaml.YAMLError(str(error)) from None


def _check_extent(data: bytes) -> None:
    """Refuse what is nested too deep for recursive readers, or grows without bound by names for parts of itself."""
    extents: dict[str, int] = {}
    open_: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(data, yaml.CSafeLoader):
        anchor, extent = getattr(event, "anchor", None), 1
        if isinstance(event, yaml.CollectionStartEvent):
            open_.append((anchor, 1))
            anchor, extent = None, 0
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, extent = open_.pop()
        elif isinstance(event, yaml.AliasEvent):
            extent = extents.get(anchor or "", _MOST)  # one of what it is in has no end
        elif not isinstance(event, yaml.ScalarEvent):
            continue
        if anchor:
            extents[anchor] = extent
        name, inside = open_.pop()
        open_.append((name, inside + extent))
        if len(open_) > _DEEPEST or inside + extent >= _MOST:
            raise yaml.YAMLError(
                f"more than {_DEEPEST} levels or {_MOST} values, aliases written out, or one in itself"
            )


def write_png(path: Path, pixels: NDArray[np.uint8], software: str | None = None) -> None:
    """Write an image (H, W) or (H, W, 3), whole or not at all; ``software`` is stored in it, see png_software."""
    about = PngInfo()
    if software:
        about.add_text("Software", software)
    atomic_write(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=about))


def png_software(path: Path) -> str | None:
    """The program that a PNG file says made it, None where it says nothing or is no PNG."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            found = image.info.get("Software")
    except Exception:  # Pillow raises half a dozen kinds on what is no PNG
        return None
    return found if isinstance(found, str) else None


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder beside ``path``, which takes its place if the block ends well and is removed if not."""
    # The names are fixed so that what a killed process left is cleared away here.
    partial, old = (path.with_name(f".{path.name}.{state}") for state in ("partial", "old"))
    shutil.rmtree(partial, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if path.exists():
            path.rename(old)
        partial.rename(path)
    except BaseException:
        if old.exists():
            old.rename(path)
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(old, ignore_errors=True)


def try_lock(path: Path, lock: Callable[[int, int], None]) -> int | None:
    """Lock a file for this process alone; its descriptor, which holds the lock until it is closed, or None.

    Args:
        path: made where it is missing, for all users to open.
        lock: ``fcntl.flock``, which reading is enough for, or ``fcntl.lockf``, which works over NFS too.

    Raises:
        InputError: the file cannot be opened, or its file system has no locks.
    """
    try:
        descriptor = _open_for_all(path, os.O_RDONLY if lock is fcntl.flock else os.O_RDWR)
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror}); remove it, or let all users open it") from None
    try:
        lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if error.errno in (errno.EAGAIN, errno.EACCES):  # nothing else means that somebody has it
            return None
        raise InputError(
            f"{path} cannot be locked ({error.strerror}): use a file system with working locks for {path.parent}"
        ) from None
    return descriptor


def _open_for_all(path: Path, mode: int) -> int:
    try:
        # In a sticky folder such as /tmp, opening somebody else's file with O_CREAT is refused.
        return os.open(path, mode)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, mode | os.O_CREAT, 0o666)
    with suppress(PermissionError):  # another user was faster
        os.fchmod(descriptor, 0o666)  # the umask took rights away
    return descriptor


def user_path(path: str | Path, where: str) -> Path:
    """A path as people write it, with its ``~`` and its environment variables replaced; ``where`` it was written.

    Settings keep a path as it was written, so that their digest is the same on every machine: it is replaced when used.

    Raises:
        InputError: a variable is not set, or there is no such user.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in os.environ:
            raise InputError(
                f"{where}: {path}: the environment variable {name} is not set; set it or write the path out"
            )
        return os.environ[name]

    try:
        return Path(re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, str(path))).expanduser()
    except RuntimeError:
        raise InputError(f"{where}: {path}: there is no such user's home; write the path out") from None
