"""Small data sets in the forms that people have them in, made here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mfaranet.data.record import DatasetRecord
from mfaranet.datasets import camvid, cityscapes
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.source import Source
from mfaranet.errors import InputError
from mfaranet.files import atomic_folder, sha256
from mfaranet.schema import CamVidData

COUNTS = {"train": 3, "val": 1, "test": 2}
SMALL = (16, 32)


def write_png(path: Path, pixels: Any, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).convert(mode).save(path)


def picture(size: tuple[int, int], seed: int) -> Any:
    rows, columns = np.indices(size)
    return np.stack([rows % 256, columns % 256, np.full(size, seed)], axis=2)


def label(size: tuple[int, int], ids: int) -> Any:
    """All ids 0..ids-1, in vertical stripes."""
    return np.tile(np.arange(size[1]) % ids, (size[0], 1))


def write_manifest(root: Path) -> None:
    names = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix.lower() in (".png", ".txt"))
    (root / "SHA256SUMS").write_text("".join(f"{sha256(root / name)}  {name}\n" for name in names))


def write_camvid(root: Path) -> Path:
    """A published subset of 3/1/2 images."""
    for split, count in COUNTS.items():
        stems = [f"{split}_{number:06d}" for number in range(count)]
        for number, stem in enumerate(stems):
            write_png(root / split / f"{stem}.png", picture(camvid.SIZE, number))
            write_png(root / f"{split}annot" / f"{stem}.png", label(camvid.SIZE, 12))
        (root / f"{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    write_manifest(root)
    return root


def settings(source: Path | None, url: str = "http://127.0.0.1:9/none.zip", checksum: str | None = None) -> CamVidData:
    return CamVidData(form="camvid", source=source, url=url, sha256=checksum)


def write_city(root: Path, counts: dict[str, int] = COUNTS, ids: int = 32) -> Path:
    """A tree in the form of Cityscapes; like the real one, it has a label file without classes for each test image."""
    for split, count in counts.items():
        for number in range(count):
            stem = f"{split}/town{number % 2}/town{number % 2}_{split}_{number:06d}"
            write_png(root / f"leftImg8bit/{stem}_leftImg8bit.png", picture(SMALL, number))
            write_png(root / f"gtFine/{stem}_gtFine_labelIds.png", label(SMALL, 4 if split == "test" else ids))
            (root / f"gtFine/{stem}_gtFine_polygons.json").write_text("{}")
    return root


LAYOUT = cityscapes.Layout("small town", False, SMALL, COUNTS)


def read_tree(root: Path, layout: cityscapes.Layout) -> Source:
    return cityscapes.read({part: root / part for part in ("leftImg8bit", "gtFine")}, root, layout)


def write_tree(root: Path, output: Path) -> DatasetRecord:
    with atomic_folder(output) as folder:
        return write_prepared("town", read_tree(root, LAYOUT), folder)


def refused(prepared: Callable[[], object], output: Path) -> str:
    """The message of the one error, after which nothing is left at or beside ``output``."""
    with pytest.raises(InputError) as caught:
        prepared()
    assert not list(output.parent.glob(f"*{output.name}*"))
    return str(caught.value)
