"""Prepared data sets, with and without their decoded form, as a disk or somebody's hand may leave them."""

import json
import shutil
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

from mfaranet.data.prepared import SegmentationDataset
from mfaranet.datasets.decoding import decode
from tests.fuzz.damage import EXTREMES, damaged
from tests.fuzz.trial import Case
from tests.tiny import write_data

_KEPT = TemporaryDirectory()
_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1.5,
    "",
    "x",
    "train",
    [],
    ["train"] * 2,
    [1],
    {},
    {"train": 3},
    *EXTREMES,
)


@cache
def _whole() -> Path:
    """A small set and its decoded form."""
    root = Path(_KEPT.name) / "set"
    write_data(root)
    decode(root)
    return root


def _other_values(path: Path, rng: Random) -> None:
    """Of a JSON file: a key gone, or with another value, at any depth."""
    content = json.loads(path.read_text())
    inner = content
    while True:
        key = rng.choice([*inner]) if isinstance(inner, dict) else rng.randrange(len(inner))
        if isinstance(inner[key], dict | list) and inner[key] and rng.random() < 0.6:
            inner = inner[key]
            continue
        if rng.random() < 0.2:
            del inner[key]
        else:
            inner[key] = rng.choice(_VALUES)
        break
    path.write_text(json.dumps(content))


def _spoil(path: Path, rng: Random) -> str:
    """Something that happens to a file, in words."""
    if path.suffix == ".json" and rng.random() < 0.7:
        _other_values(path, rng)
        return "other values"
    match rng.randrange(5):
        case 0:
            path.unlink()
            return "gone"
        case 1:
            path.rename(path.with_stem(f"{path.stem}x"))
            return "renamed"
        case 2:
            shutil.copy(path, path.with_stem(f"{path.stem}_copy"))
            return "twice"
        case 3:
            path.write_bytes(path.read_bytes() + bytes(rng.choice((1, 100))))
            return "longer"
        case _:
            path.write_bytes(damaged(path.read_bytes(), rng))
            return "damaged"


def spoilt_set(rng: Random, folder: Path) -> str:
    """Such a set as folder/set, and what happened to it, in words."""
    root, decoded = folder / "set", folder / "set-decoded"
    shutil.copytree(_whole(), root)
    if rng.random() < 0.6:
        shutil.copytree(_whole().with_name("set-decoded"), decoded)
    files = sorted(path for path in (*root.rglob("*"), *decoded.rglob("*")) if path.is_file())
    path = rng.choice([path for path in files if path.suffix == ".json"] if rng.random() < 0.4 else files)
    what = _spoil(path, rng) if rng.random() < 0.95 else "whole"
    return f"{path.relative_to(folder)} {what}"


def read(rng: Random, folder: Path) -> Case:
    """Every image of a split of such a set."""
    what, root, split = spoilt_set(rng, folder), folder / "set", rng.choice(("train", "val", "test"))

    def attempt() -> None:
        images = SegmentationDataset(root, split)
        for index in range(len(images)):
            images[index]

    return Case(f"{what}, {split}", attempt, str(root), folder / "none")
