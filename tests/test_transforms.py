"""Augmentation against the numbers of the official code; image and label stay together."""

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from official import assert_stats, make_label
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks import recipe
from mfaranet.data.boundaries import boundary_target
from mfaranet.data.conventions import IGNORE_INDEX, MEAN
from mfaranet.data.transforms import Augmentation, Draw, normalise
from mfaranet.schema import AugmentationSettings
from mfaranet.sizes import InputSize

CASES = json.loads((Path(__file__).parent / "goldens" / "augmentation.json").read_text())["cases"]
OFFICIAL = {"scale": (0.5, 2.0), "rotation": 10.0, "rotation_probability": 0.5, "flip_probability": 0.5}
STILL = {"scale": (1.0, 1.0), "rotation": 0.0, "rotation_probability": 0.0, "flip_probability": 0.0}
SIZE = (64, 128)


def augmentation(crop: tuple[int, int], **changes: object) -> Augmentation:
    return Augmentation(InputSize(SIZE), crop, AugmentationSettings.model_validate({**STILL, **changes}))


def scene() -> tuple[Tensor, Tensor]:
    """An image whose grey value is ten times its label, in blocks."""
    blocks = np.random.default_rng(0).integers(0, 19, (SIZE[0] // 16, SIZE[1] // 16))
    label = torch.from_numpy(np.kron(blocks, np.ones((16, 16)))).to(torch.uint8)
    return (label * 10).expand(3, -1, -1), label


def augment(crop: tuple[int, int], **changes: object) -> tuple[Tensor, Tensor]:
    return augmentation(crop, **changes)(*scene())


def draws(count: int, crop: tuple[int, int] = SIZE, **changes: object) -> list[Draw]:
    random.seed(0)
    chance = augmentation(crop, **changes)
    return [chance.draw(SIZE) for _ in range(count)]


def sha256(pixels: Tensor) -> str:
    return hashlib.sha256(pixels.to(torch.uint8).contiguous().numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: f"seed{golden['python_random_seed']}")
def test_official_numbers(golden: dict[str, Any]) -> None:
    seed, height, width = golden["python_random_seed"], golden["source"]["H"], golden["source"]["W"]
    blocks = np.random.RandomState(1000 + seed).randint(0, 256, (height // 8, width // 8, 3))
    source = torch.from_numpy(blocks.repeat(8, axis=0).repeat(8, axis=1)).to(torch.uint8).permute(2, 0, 1)
    size = (golden["train_h"], golden["train_w"])
    official = Augmentation(InputSize(size), size, AugmentationSettings.model_validate(OFFICIAL))

    random.seed(seed)
    draw = official.draw(size)
    assert draw.scale == pytest.approx(golden["scale"], rel=1e-11)
    assert draw.angle == (pytest.approx(golden["angle"], rel=1e-11) if golden["rotated"] else None)
    assert draw.flip == golden["flipped"]

    random.seed(seed)
    image, label = official(source, make_label(1, height, width, 2000 + seed)[0].to(torch.uint8))
    normalised = normalise(image)
    assert_stats(normalised, golden["image"], 1e-11)
    assert normalised.double().sum().item() == pytest.approx(golden["image_sum"], rel=1e-11)
    counts = torch.bincount(label.flatten(), minlength=256)
    assert counts[[*range(19), IGNORE_INDEX]].tolist() == golden["label_histogram_0_18_and_255"]
    assert sha256(label) == golden["label_sha256"]
    boundary = boundary_target(label[None])
    assert boundary.sum() == golden["boundary_sum"]
    assert sha256(boundary) == golden["boundary_sha256"]


SCALES = [(0.5, 2.0), (0.2, 0.3), (0.9999, 1.0001), *((s, s) for s in (1.0, 1.25, 1.5, 2.0, 0.5, 0.75, 1 / 3, 1.37))]
SIDES = st.tuples(st.integers(2, 150), st.integers(2, 150))


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    SIDES,
    st.tuples(st.integers(1, 150), st.integers(1, 150)),
    st.one_of(st.none(), SIDES),
    st.sampled_from(SCALES),
    st.sampled_from([0.0, 0.001, 10.0, 90.0, 180.0]),
    st.integers(0, 2**32),
)
def test_the_crop_is_that_of_whole_images_to_the_bit(
    size: tuple[int, int],
    crop: tuple[int, int],
    source: tuple[int, int] | None,
    scale: tuple[float, float],
    rotation: float,
    seed: int,
) -> None:
    chosen = {"scale": scale, "rotation": rotation, "rotation_probability": 0.7, "flip_probability": 0.5}
    ours = Augmentation(InputSize(size), crop, AugmentationSettings.model_validate(chosen))
    random.seed(seed)
    draw = ours.draw(size)
    hypothesis.assume(min(round(draw.scale * side) for side in size) > 0)
    numbers = np.random.default_rng(seed)
    pixels = numbers.integers(0, 256, (*(source or size), 3), dtype=np.uint8)
    classes = numbers.integers(0, 256, source or size, dtype=np.uint8)
    image, label = ours.apply(torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(classes), draw)
    expected, expected_label = recipe.augment(pixels, classes, size, crop, draw)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)
    assert np.array_equal(label.numpy(), expected_label)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("scale", [(0.5, 2.0), (0.998, 1.002)])
def test_the_crop_of_a_large_image_is_the_same_to_the_bit(scale: tuple[float, float], seed: int) -> None:
    size, crop = (256, 512), (160, 160)
    ours = Augmentation(InputSize(size), crop, AugmentationSettings.model_validate({**OFFICIAL, "scale": scale}))
    random.seed(seed)
    draw = ours.draw(size)
    numbers = np.random.default_rng(seed)
    pixels, classes = (numbers.integers(0, 256, (*size, *rest), dtype=np.uint8) for rest in ((3,), ()))
    image, label = ours.apply(torch.from_numpy(pixels).permute(2, 0, 1), torch.from_numpy(classes), draw)
    expected, expected_label = recipe.augment(pixels, classes, size, crop, draw)
    assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)
    assert np.array_equal(label.numpy(), expected_label)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("crop", [(64, 64), (48, 128), (96, 160)])
def test_size_and_values(seed: int, crop: tuple[int, int]) -> None:
    random.seed(seed)
    image, label = augment(crop, **OFFICIAL)
    assert image.shape == (3, *crop)
    assert label.shape == crop
    assert (image.dtype, label.dtype) == (torch.float32, torch.uint8)
    assert image.min() >= 0
    assert image.max() <= 255
    assert set(label.unique().tolist()) <= {*range(19), IGNORE_INDEX}


def test_without_augmentation_nothing_changes() -> None:
    image, label = augment(SIZE)
    assert torch.equal(image, scene()[0].float())
    assert torch.equal(label, scene()[1])


def test_an_image_of_another_size_is_resized_first() -> None:
    image, label = (torch.from_numpy(np.kron(pixels.numpy(), np.ones((2, 2), np.uint8))) for pixels in scene())
    resized, resized_label = augmentation(SIZE)(image, label)
    assert torch.equal(resized, scene()[0].float())
    assert torch.equal(resized_label, scene()[1])


@pytest.mark.parametrize("seed", range(4))
def test_image_and_label_move_together(seed: int) -> None:
    random.seed(seed)
    image, label = augment((32, 32), flip_probability=0.5)
    assert torch.equal(image[0], label * 10.0)


@pytest.mark.parametrize("seed", range(4))
def test_image_and_label_turn_and_grow_together(seed: int) -> None:
    random.seed(seed)
    image, label = augment((48, 96), **(OFFICIAL | {"rotation_probability": 1.0}))
    values = label[None].float()
    # Three pixels from any other class, the outside and the crop's edge, interpolation changes nothing.
    largest, smallest = F.max_pool2d(values, 7, 1)[0], -F.max_pool2d(-values, 7, 1)[0]
    inside = (largest == smallest) & (largest != IGNORE_INDEX)
    assert inside.sum() > 200
    torch.testing.assert_close(image[0, 3:-3, 3:-3][inside], largest[inside] * 10)


def test_a_positive_angle_turns_counter_clockwise() -> None:
    label = torch.zeros(SIZE, dtype=torch.uint8)
    label[:, 96:] = 1
    draw = Draw(scale=1.0, angle=10.0, flip=False, row=0, column=0)
    _, turned = augmentation(SIZE).apply(label.expand(3, -1, -1), label, draw)
    first = [(row == 1).nonzero()[0].item() for row in (turned[16], turned[48])]
    assert 4 <= first[1] - first[0] <= 7  # 32 rows times tan 10 degrees: the top leans to the left


def test_scale_is_uniform_in_its_range() -> None:
    scales = np.array([draw.scale for draw in draws(4000, **OFFICIAL)])
    assert scales.min() >= 0.5
    assert scales.max() <= 2
    # Each tenth of the range gets 400, give or take five deviations.
    counts, _ = np.histogram(scales, 10, (0.5, 2.0))
    assert np.abs(counts - 400).max() < 95


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 1.0])
def test_rotation_and_flip_have_their_probability(probability: float) -> None:
    found = draws(4000, **(OFFICIAL | {"rotation_probability": probability}))
    angles = np.array([draw.angle for draw in found if draw.angle is not None])
    assert len(angles) / 4000 == pytest.approx(probability, abs=0.04 * (0 < probability < 1))
    if probability:
        assert np.abs(angles).max() <= 10
        counts, _ = np.histogram(angles, 5, (-10, 10))
        assert np.abs(counts / len(angles) - 0.2).max() < 0.075
    found = draws(4000, **(OFFICIAL | {"flip_probability": probability}))
    assert np.mean([draw.flip for draw in found]) == pytest.approx(probability, abs=0.04 * (0 < probability < 1))


def test_the_crop_is_anywhere_in_the_image_and_nowhere_else() -> None:
    found = draws(4000, crop=(60, 120))
    assert {draw.row for draw in found} == set(range(5))
    assert {draw.column for draw in found} == set(range(9))
    for draw in draws(200, crop=(64, 64), scale=(0.5, 2.0)):
        assert 0 <= draw.row <= max(0, 64 * draw.scale - 64 + 0.5)
        assert 0 <= draw.column <= max(0, 128 * draw.scale - 64 + 0.5)
    assert {(draw.row, draw.column) for draw in draws(50, crop=(80, 136))} == {(0, 0)}


@pytest.mark.parametrize("scale", [45 / 64, 37.5 / 64, 38.5 / 64, 0.7015, 1.2421875, 1.99])
def test_the_last_crop_ends_at_the_edge(scale: float) -> None:
    """The size that ``draw`` foresees is OpenCV's, also where a side is scaled to a half."""
    found = draws(4000, crop=(16, 16), scale=(scale, scale))
    last = Draw(scale, None, False, max(draw.row for draw in found), max(draw.column for draw in found))
    beyond = replace(last, row=last.row + 1, column=last.column + 1)
    shapes = [augmentation((16, 16)).apply(*scene(), draw)[1].shape for draw in (last, beyond)]
    assert shapes == [(16, 16), (15, 15)]


def test_padding_is_mean_colour_around_the_middle_and_no_label() -> None:
    image, label = augment((81, 137))
    assert torch.equal(label[8:72, 4:132], scene()[1])
    outside = torch.ones(81, 137, dtype=torch.bool)
    outside[8:72, 4:132] = False
    assert (label[outside] == IGNORE_INDEX).all()
    assert torch.equal(image[:, outside].unique(dim=1).flatten(), 255 * torch.tensor(MEAN, dtype=torch.float64).float())
    assert (normalise(image)[:, outside] == 0).all()


class Scenes(Dataset[tuple[Tensor, Tensor]]):
    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return augment((32, 32), **OFFICIAL)


def test_the_loader_seeds_each_worker() -> None:
    def images(seed: int) -> Tensor:
        loader = DataLoader(Scenes(), None, num_workers=2, generator=torch.Generator().manual_seed(seed))
        return torch.stack([image for image, _ in loader])

    once, again, other = images(0), images(0), images(1)
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    assert not torch.equal(once[0], once[1])


def test_opencv_starts_no_threads() -> None:
    cv2.setNumThreads(2)
    augment(SIZE)
    assert cv2.getNumThreads() == 1


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_normalise(dtype: torch.dtype) -> None:
    pixels = torch.tensor([0, 255], dtype=dtype).expand(1, 3, 1, 2)
    found = normalise(pixels)[0, :, 0]
    expected = torch.tensor(
        [[-0.485 / 0.229, 0.515 / 0.229], [-0.456 / 0.224, 0.544 / 0.224], [-0.406 / 0.225, 0.594 / 0.225]]
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
