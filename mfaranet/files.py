"""Files and folders that are there whole or not at all."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mfaranet.errors import InputError


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place; makes the folder if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(temporary)
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
        InputError: the file is missing or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise InputError(f"{path} cannot be read ({error}); run the stage that makes it again") from None


def write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an image (H, W) or (H, W, 3), whole or not at all."""
    atomic_write(path, lambda temporary: Image.fromarray(pixels).save(temporary, format="PNG"))


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
