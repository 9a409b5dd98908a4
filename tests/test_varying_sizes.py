"""Each form of data set from its files to its scores, with images of several sizes."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import test_camvid_original
import test_folder
import test_pascal_context
import torch
from PIL import Image
from test_transforms import STILL
from tiny import settings

import mfaranet
from mfaranet.data.prepared import SegmentationDataset
from mfaranet.data.record import DatasetRecord
from mfaranet.data.transforms import Augmentation
from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.decoding import decode
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes
from mfaranet.evaluation.metrics import summarise
from mfaranet.evaluation.scoring import draw_examples, evaluate
from mfaranet.evaluation.submission import write_submission
from mfaranet.files import atomic_folder
from mfaranet.schema import AugmentationSettings, ProtocolName
from mfaranet.sizes import InputSize, scaled
from mfaranet.training.loop import train
from mfaranet.weights.checkpoints import load_trained


def camvid_original(root: Path, output: Path) -> DatasetRecord:
    with atomic_folder(output) as folder:
        source = test_camvid_original.read(test_camvid_original.write_split_folders(root))
        return write_prepared("camvid_original", source, folder)


def pascal_context(root: Path, output: Path) -> DatasetRecord:
    return test_pascal_context.made(test_pascal_context.write(root, "mat"), output)


def own(root: Path, output: Path) -> DatasetRecord:
    test_folder.write(root, test_folder.as_palette)
    for number, size in enumerate([(30, 44), (44, 30)]):
        test_folder.save(test_folder.photograph(test_folder.mask(size, number)), root / f"images/test/{number}.jpg")
    return test_folder.made(root, output)


@pytest.mark.parametrize("form", [camvid_original, pascal_context, own])
def test_from_files_to_scores(form: Callable[[Path, Path], DatasetRecord], tmp_path: Path) -> None:
    data = tmp_path / "data"
    record = form(tmp_path / "set", data)
    torch.manual_seed(0)
    model = mfaranet.get_model("mfaranet", len(record.classes))
    facts = {"network": "mfaranet", "options": {}, "classes": record.classes, "colours": record.colours}
    # As most papers do, where the test split has labels.
    split = "test" if "test" in record.labelled else "val"
    chosen = settings(size=60, crop=(48, 48), validate_every=2, split="trainval" if split == "test" else "train")
    train(model, chosen, data, output=tmp_path / "run", curves=tmp_path / "curves", facts=facts)
    trained, _ = load_trained(tmp_path / "run/last.safetensors")
    sizes = InputSizes(InputSize(60), (48, 48), 60)
    from_files = SegmentationDataset(data, split)
    decode(data)
    images = SegmentationDataset(data, split)
    for index in range(len(images)):
        assert all(map(torch.equal, images[index], from_files[index]))
    for protocol in get_args(ProtocolName):
        confusion = evaluate(trained, images, protocol, sizes, tmp_path / protocol)
        found = summarise(confusion, record.classes)
        truth, predicted = [], []
        for stem in images.stems:
            label = np.asarray(Image.open(data / f"labels/{split}/{stem}.png"))
            prediction = np.asarray(Image.open(tmp_path / protocol / f"{stem}.png"))
            assert prediction.shape == label.shape
            truth.append(label[label != 255])
            predicted.append(prediction[label != 255])
        expected = mean_iou(np.concatenate(truth), np.concatenate(predicted), record.label_ids)
        assert found["miou"] == pytest.approx(expected, abs=1e-9)
    draw_examples(trained, images, "full_image", sizes, 2, tmp_path / "examples.png")
    assert Image.open(tmp_path / "examples.png").width > 4 * 320
    if record.splits["test"]:
        write_submission(trained, data, "full_image", sizes, tmp_path / "submission.zip")


def mean_iou(truth: Any, predicted: Any, ids: list[int]) -> float:
    """Of indices and ids, class by class, over the classes that occur."""
    scores = []
    for index, id_ in enumerate(ids):
        in_truth, in_prediction = truth == index, predicted == id_
        if union := int((in_truth | in_prediction).sum()):
            scores.append(int((in_truth & in_prediction).sum()) / union)
    return sum(scores) / len(scores)


def test_an_image_keeps_its_shape() -> None:
    assert [InputSize(520).of(size) for size in ((375, 500), (500, 375), (500, 500), (3, 4000), (4000, 3))] == [
        (390, 520),
        (520, 390),
        (520, 520),
        (1, 520),
        (520, 1),
    ]
    assert InputSize(520, (0.5, 0.5)).of((375, 500)) == (195, 260)
    assert InputSize((64, 128), (1.0, 0.5)).of((375, 500)) == (64, 64)
    assert (InputSize(520).largest, InputSize((64, 128)).largest) == ((520, 520), (64, 128))
    assert (InputSize((64, 128)).shown, InputSize(520).shown) == ((64, 128), "longer side 520")
    assert scaled((360, 480), 480 * 1.25) == (450, 600)


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (20, 30)])
def test_crops_of_images_that_keep_their_shape(size: tuple[int, int]) -> None:
    """A crop holds the image as far as that reaches; the rest has the mean colour and no label."""
    augmentation = Augmentation(InputSize(60), (64, 64), AugmentationSettings.model_validate(STILL))
    random.seed(0)
    image, label = augmentation(torch.full((3, *size), 200, dtype=torch.uint8), torch.ones(size, dtype=torch.uint8))
    assert label.shape == (64, 64)
    inside = scaled(size, 60)
    assert int((label == 1).sum()) == inside[0] * inside[1]
    assert bool((image[0][label == 1] == 200).all())
    assert set(label.unique().tolist()) == {1, 255}


def test_every_protocol_names_what_the_network_sees() -> None:
    shown = {name: protocol.sees(InputSize(520).shown, (480, 480)) for name, protocol in PROTOCOLS.items()}
    assert shown.pop("full_image") == "longer side 520"
    assert set(shown.values()) == {(480, 480)}
