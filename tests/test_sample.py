"""The drawn sample: genuine Cityscapes form, the same bytes again, and every class to learn and to be scored on."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cityscapesscripts.helpers.labels import labels
from PIL import Image

from mfaranet.datasets.sample import CITIES, draw_sample

DEFAULT = {"train": 48, "val": 12, "test": 2}
SMALL = (64, 128)
REAL = {label.id: label for label in labels if label.id >= 0}
SCORED = {label.id for label in REAL.values() if not label.ignoreInEval}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample")
    draw_sample(root, size=(128, 256), counts=DEFAULT, seed=0)
    return root


def files(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}


def pixels(root: Path, split: str, kind: str) -> dict[str, Any]:
    paths = sorted(root.glob(f"gtFine/{split}/*/*_gtFine_{kind}.png"))
    return {path.name.removesuffix(f"_{kind}.png"): np.asarray(Image.open(path)) for path in paths}


def test_the_files(tree: Path) -> None:
    form = re.compile(
        r"(leftImg8bit|gtFine)/(\w+)/([a-z]+)/\3_\d{6}_000019_(leftImg8bit|gtFine_(label|instance)Ids)\.png"
    )
    found = [form.fullmatch(name) for name in files(tree)]
    for split, count in DEFAULT.items():
        here = [match for match in found if match and match[2] == split]
        assert {match[3] for match in here} == set(CITIES[split])
        kinds = [match[4] for match in here]
        assert [kinds.count(kind) for kind in sorted(set(kinds))] == [count] * 3
    assert len(found) == 3 * sum(DEFAULT.values())


def test_no_city_is_in_two_splits() -> None:
    names = [city for cities in CITIES.values() for city in cities]
    assert len(set(names)) == len(names)


def test_the_pixels(tree: Path) -> None:
    forms = {
        "leftImg8bit.png": ("RGB", np.uint8),
        "labelIds.png": ("L", np.uint8),
        "instanceIds.png": ("I;16", np.uint16),
    }
    for path in tree.rglob("*.png"):
        mode, dtype = forms[path.name.split("_")[-1]]
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size, np.asarray(image).dtype) == ("PNG", mode, (256, 128), dtype)


def test_instances_agree_with_labels(tree: Path) -> None:
    for split in DEFAULT:
        instances = pixels(tree, split, "instanceIds")
        for stem, ids in pixels(tree, split, "labelIds").items():
            value = instances[stem]
            assert np.array_equal(np.where(value < 1000, value, value // 1000), ids), stem
            assert set(np.unique(ids)) <= REAL.keys(), stem
            assert all(REAL[int(key)].hasInstances for key in np.unique(ids[value >= 1000])), stem


@pytest.mark.parametrize(("split", "seed"), [("train", 0), ("val", 0), ("val", 1)])
def test_all_classes_are_there(tmp_path: Path, tree: Path, split: str, seed: int) -> None:
    root = tree
    if seed:
        root = tmp_path
        draw_sample(root, size=SMALL, counts={split: 16}, seed=seed)
    ids = np.stack(list(pixels(root, split, "labelIds").values()))
    assert set(np.unique(ids)) >= SCORED
    assert 0.02 < 1 - np.isin(ids, list(SCORED)).mean() < 0.15
    assert 0.2 < (ids == 7).mean() < 0.45


def test_the_test_split_has_no_classes(tree: Path) -> None:
    ids = np.stack(list(pixels(tree, "test", "labelIds").values()))
    assert set(np.unique(ids)) == {0, 1, 3}


def test_the_same_bytes_again(tmp_path: Path) -> None:
    counts = {"train": 2, "val": 1, "test": 1}
    for name, seed in (("one", 3), ("same", 3), ("other", 4)):
        draw_sample(tmp_path / name, size=SMALL, counts=counts, seed=seed)
    one, same, other = (files(tmp_path / name) for name in ("one", "same", "other"))
    assert one == same
    assert one.keys() == other.keys()
    assert all(one[name] != other[name] for name in one if "leftImg8bit" in name)


def test_an_image_does_not_depend_on_the_counts(tmp_path: Path) -> None:
    draw_sample(tmp_path / "more", size=SMALL, counts={"train": 3, "val": 2, "test": 1}, seed=0)
    draw_sample(tmp_path / "fewer", size=SMALL, counts={"val": 1}, seed=0)
    fewer = files(tmp_path / "fewer")
    assert len(fewer) == 3
    assert fewer.items() <= files(tmp_path / "more").items()


@pytest.mark.parametrize("size", [(16, 32), (96, 160), (256, 512)])
def test_other_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    draw_sample(tmp_path, size=size, counts={"train": 1}, seed=0)
    assert {Image.open(path).size for path in tmp_path.rglob("*.png")} == {size[::-1]}


def test_an_unknown_split_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="extra"):
        draw_sample(tmp_path, size=SMALL, counts={"extra": 1}, seed=0)
