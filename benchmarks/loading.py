"""How fast are crops made for a training, beside the recipe as it is written? Prints ratios and their targets.

python -m benchmarks.loading   # nothing else should run

Crops of 1024x1024 from drawn images of 1024x2048 by the recipe of Cityscapes, in one process on one core: from PNG
files by the recipe and by ours, and by ours from the decoded set. First all are shown to be the same, bit for bit.
"""

import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import cv2
import torch
from torch import Tensor

from benchmarks import recipe
from benchmarks.rows import Row, compared, in_turn, print_rows
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.transforms import Augmentation, Draw
from mfaranet.datasets.decoding import decode
from mfaranet.datasets.preparation import prepare
from mfaranet.params import load
from mfaranet.schema import SampleData

SIZE, CROP, IMAGES, TURNS = (1024, 2048), (1024, 1024), 4, 5
TARGET = 1 / 3

Crops = Iterator[tuple[Tensor, Tensor]]


def main() -> None:
    """Measure and print."""
    sys.exit(not print_rows(rows()))


def rows() -> list[Row]:
    """Seconds an image, and images per second."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "drawn"
        drawn = SampleData(form="sample", size=SIZE, train=IMAGES, val=1, test=1, seed=0)
        prepare("drawn", drawn, data)
        files = SegmentationDataset(data, "train")
        decode(data)
        decoded = SegmentationDataset(data, "train")
        forms: dict[str, Callable[[], Crops]] = {
            "recipe": lambda: theirs(data, files.stems),
            "png": lambda: ours(files),
            "decoded": lambda: ours(decoded),
        }
        prove_equal(forms)
        seconds = in_turn({name: lambda form=form: list(form()) for name, form in forms.items()}, TURNS)
    each = {name: [turn / IMAGES for turn in turns] for name, turns in seconds.items()}
    what = f"crop of {CROP[0]}x{CROP[1]} from {SIZE[0]}x{SIZE[1]}"
    fast = compared(f"{what}, decoded set", each["decoded"], each["recipe"], TARGET)
    return [
        fast,
        Row("the same per second and core", 1 / fast.ours, 1 / fast.baseline, "images/s"),
        compared(f"{what}, PNG", each["png"], each["recipe"]),
    ]


def prove_equal(forms: dict[str, Callable[[], Crops]]) -> None:
    """All forms give the same crops."""
    for made in zip(*(form() for form in forms.values()), strict=True):
        (image, label), *others = made
        assert image.shape[1:] == label.shape == CROP
        assert all(torch.equal(image, other) and torch.equal(label, mask) for other, mask in others)


def ours(images: SegmentationDataset) -> Crops:
    """As the loader makes them; contiguous, as a batch has them."""
    make = augmentation()
    for index, draw in enumerate(draws()):
        crop, mask = make.apply(*images[index], draw)
        yield crop.contiguous(), mask


def theirs(data: Path, stems: list[str]) -> Crops:
    """By the recipe."""
    cv2.setNumThreads(0)
    for stem, draw in zip(stems, draws(), strict=True):
        image, label = (data / kind / "train" / f"{stem}.png" for kind in ("images", "labels"))
        pixels, classes = recipe.load(image, label, SIZE, CROP, draw)
        yield torch.from_numpy(pixels), torch.from_numpy(classes)


def draws() -> list[Draw]:
    """What chance decides about each image, the same for all forms."""
    random.seed(0)
    return [augmentation().draw(SIZE) for _ in range(IMAGES)]


@cache
def augmentation() -> Augmentation:
    """That of the paper."""
    settings = load().settings("cityscapes", "base").train
    assert (settings.input_size.of(SIZE), settings.crop_size) == (SIZE, CROP)
    return Augmentation(settings.input_size, settings.crop_size, settings.augmentation)


if __name__ == "__main__":
    main()
