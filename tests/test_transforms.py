"""Augmentation keeps image and label together and marks what lies outside as ignored."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision import tv_tensors

from mfaranet.conventions import IGNORE_INDEX
from mfaranet.data.transforms import normalise, training_transform
from mfaranet.params import AugmentationSettings

SIZE = (64, 128)


def scene(size: tuple[int, int] = SIZE) -> tuple[Tensor, Tensor]:
    """An image whose grey value is ten times its label, in blocks."""
    blocks = np.random.default_rng(0).integers(0, 19, (size[0] // 16, size[1] // 16))
    label = torch.from_numpy(np.kron(blocks, np.ones((16, 16)))).to(torch.uint8)
    return tv_tensors.Image((label * 10).expand(3, -1, -1)), tv_tensors.Mask(label)


def augment(crop: tuple[int, int], size: tuple[int, int] = SIZE, **changes: object) -> tuple[Tensor, Tensor]:
    still = {"scale": (1.0, 1.0), "rotation": 0.0, "rotation_probability": 0.0, "flip_probability": 0.0}
    settings = AugmentationSettings.model_validate({**still, **changes})
    image, label = training_transform(SIZE, crop, settings)(*scene(size))
    return image, label


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("crop", [(64, 64), (48, 128), (96, 160)])
def test_size_and_label_values(seed: int, crop: tuple[int, int]) -> None:
    torch.manual_seed(seed)
    image, label = augment(crop, scale=(0.5, 2.0), rotation=10.0, rotation_probability=0.5, flip_probability=0.5)
    assert image.shape == (3, *crop)
    assert label.shape == crop
    assert image.dtype == label.dtype == torch.uint8
    assert set(label.unique().tolist()) <= {*range(19), IGNORE_INDEX}


def test_without_augmentation_nothing_changes() -> None:
    image, label = augment(SIZE)
    assert torch.equal(image, scene()[0])
    assert torch.equal(label, scene()[1])


@pytest.mark.parametrize("seed", range(4))
def test_image_and_label_move_together(seed: int) -> None:
    torch.manual_seed(seed)
    image, label = augment((32, 32), flip_probability=0.5)
    assert torch.equal(image[0], label * 10)


def test_scale_is_uniform_in_its_range() -> None:
    torch.manual_seed(0)
    shares = []
    for _ in range(200):
        _, label = augment((128, 256), scale=(0.5, 2.0))
        shares.append(float((label != IGNORE_INDEX).float().mean()))
    # An image scaled by s fills s**2 / 4 of a crop of twice its size.
    scales = 2 * np.sqrt(shares)
    assert 0.49 < scales.min() < 0.56
    assert 1.9 < scales.max() < 2.01
    assert abs(np.median(scales) - 1.25) < 0.15


def test_padding_is_mean_colour_around_the_middle_and_no_label() -> None:
    image, label = augment((80, 136))
    assert torch.equal(label[8:72, 4:132], scene()[1])
    outside = torch.ones(80, 136, dtype=torch.bool)
    outside[8:72, 4:132] = False
    assert (label[outside] == IGNORE_INDEX).all()
    assert image[:, outside].unique(dim=1).flatten().tolist() == [124, 116, 104]


def test_normalise() -> None:
    pixels = torch.tensor([0, 255], dtype=torch.uint8).expand(1, 3, 1, 2)
    found = normalise(pixels)[0, :, 0]
    expected = torch.tensor(
        [[-0.485 / 0.229, 0.515 / 0.229], [-0.456 / 0.224, 0.544 / 0.224], [-0.406 / 0.225, 0.594 / 0.225]]
    )
    torch.testing.assert_close(found, expected)
