"""The zip for the test server: what cityscapesScripts makes of it, and what is refused."""

import copy
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling import args, evaluateImgLists, getPrediction
from PIL import Image
from torch import Tensor, nn

import mfaranet
from mfaranet.data.conventions import MEAN, STD
from mfaranet.data.prepared import read_pixels
from mfaranet.data.record import DatasetRecord
from mfaranet.datasets.cityscapes import LABEL_SUFFIX
from mfaranet.errors import InputError
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict
from mfaranet.evaluation.metrics import confusion_matrix, summarise
from mfaranet.evaluation.submission import check, refuse_existing, write_submission
from mfaranet.files import sha256
from mfaranet.sizes import InputSize

LABEL_IDS = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
STEMS = ("berlin_000000_000019", "berlin_000001_000019", "munich_000000_000019")
SIZE = (64, 128)
SIZES = InputSizes(InputSize(SIZE), (64, 64), 128)


class ReadsClass(nn.Module):
    """Sees the class index in the red channel."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.classes = nn.Parameter(torch.arange(num_classes).float())

    def forward(self, image: Tensor) -> Tensor:
        red = (image[:, :1] * STD[0] + MEAN[0]) * 255
        return -((red - self.classes.view(1, -1, 1, 1)) ** 2)


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return mfaranet.get_model("mfaranet", 19).eval()


def prepare(root: Path, stems: Sequence[str] = STEMS, label_ids: Sequence[int] = LABEL_IDS) -> DatasetRecord:
    """A prepared data set of a test split alone, without labels; class indices in the red channel."""
    numbers = np.random.default_rng(0)
    (root / "images/test").mkdir(parents=True)
    for stem in stems:
        pixels = np.kron(numbers.integers(0, len(label_ids), (8, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"images/test/{stem}.png")
    record = DatasetRecord(
        name="tiny",
        title="tiny",
        complete=False,
        classes=[f"class {value}" for value in label_ids],
        colours=[(0, 0, 0)] * len(label_ids),
        label_ids=list(label_ids),
        size=SIZE,
        splits={"train": 0, "val": 0, "test": len(stems)},
        labelled=[],
        class_pixels={},
        ignored_pixels={},
        fingerprint="",
    )
    record.save(root)
    return record


def unpack(archive: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(archive) as content:
        opened = {name: Image.open(content.open(name)) for name in content.namelist()}
        assert {image.mode for image in opened.values()} == {"L"}
        return {name: np.asarray(image) for name, image in opened.items()}


@pytest.mark.parametrize("protocol", ["full_image", "single_scale"])
def test_label_ids_under_the_names_of_the_server(tmp_path: Path, protocol: str) -> None:
    prepare(tmp_path / "data")
    write_submission(ReadsClass(19), tmp_path / "data", protocol, SIZES, tmp_path / "out/x.zip")
    found = unpack(tmp_path / "out/x.zip")
    assert list(found) == [f"{stem}.png" for stem in STEMS]
    for name, pixels in found.items():
        truth = np.asarray(Image.open(tmp_path / "data/images/test" / name))[..., 0]
        assert set(truth.flat) == set(range(19))
        assert np.array_equal(pixels, np.array(LABEL_IDS)[truth])


def test_full_size_from_a_smaller_input(tmp_path: Path, model: nn.Module) -> None:
    record = prepare(tmp_path)
    write_submission(model, tmp_path, "full_image", InputSizes(InputSize((32, 64)), (32, 64), 64), tmp_path / "x.zip")
    assert {pixels.shape for pixels in unpack(tmp_path / "x.zip").values()} == {record.size}


def test_cityscapesscripts_finds_and_scores_every_prediction(tmp_path: Path, model: nn.Module) -> None:
    record = prepare(tmp_path / "data")
    write_submission(model, tmp_path / "data", "single_scale_flip", SIZES, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as content:
        content.extractall(tmp_path / "results")
    numbers, confusion, truths = np.random.default_rng(1), torch.zeros(19, 19, dtype=torch.int64), []
    table = np.array([*LABEL_IDS, *[0] * 237], dtype=np.uint8)
    for stem in STEMS:
        image = read_pixels(tmp_path / f"data/images/test/{stem}.png")
        with torch.inference_mode():
            prediction = predict(model, image, PROTOCOLS["single_scale_flip"], SIZES)
        noise = numbers.choice([*range(19), 255], prediction.shape).astype(np.uint8)
        truth = np.where(numbers.random(prediction.shape) < 0.6, prediction.numpy(), noise)
        confusion += confusion_matrix(prediction, torch.from_numpy(truth), 19)
        truths.append(str(tmp_path / f"{stem}{LABEL_SUFFIX}"))
        Image.fromarray(table[truth]).save(truths[-1])
    settings = copy.copy(args)
    settings.evalInstLevelScore, settings.JSONOutput, settings.quiet = False, False, True
    settings.predictionPath, settings.predictionWalk = str(tmp_path / "results"), None
    predictions = [getPrediction(settings, truth) for truth in truths]
    assert [Path(path).stem for path in predictions] == list(STEMS)
    scores = evaluateImgLists(predictions, truths, settings)
    ours = summarise(confusion, record.classes)
    assert 0 < ours["miou"] == pytest.approx(scores["averageScoreClasses"], abs=1e-9)


def test_equal_runs_give_equal_bytes(tmp_path: Path, model: nn.Module) -> None:
    prepare(tmp_path)
    for name in ("a.zip", "b.zip"):
        write_submission(model, tmp_path, "full_image", SIZES, tmp_path / name)
    assert sha256(tmp_path / "a.zip") == sha256(tmp_path / "b.zip")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    prepare(tmp_path)
    (tmp_path / "x.zip").write_text("mine")
    with pytest.raises(InputError, match=r"x\.zip: there already, and not overwritten"):
        write_submission(ReadsClass(19), tmp_path, "full_image", SIZES, tmp_path / "x.zip")
    (tmp_path / "y.zip").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"x\.zip, .*y\.zip: there already"):
        refuse_existing(tmp_path / f"{name}.zip" for name in "wxy")
    assert (tmp_path / "x.zip").read_text() == "mine"


@pytest.mark.parametrize("stem", ["berlin", "berlin_000000", "berlin_000000_000019_left", "0001TP_008550"])
def test_a_name_that_the_server_does_not_take(tmp_path: Path, stem: str, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(tmp_path, [STEMS[0], stem])
    with pytest.raises(InputError, match=rf"first: {stem}\.png, 1 in all.*prepare the data set again"):
        write_submission(ReadsClass(19), tmp_path, "full_image", SIZES, tmp_path / "x.zip")
    assert capsys.readouterr().out == ""


def test_other_data_sets_keep_their_names_and_ids(tmp_path: Path) -> None:
    prepare(tmp_path, ["0001TP_008550"], range(11))
    write_submission(ReadsClass(11), tmp_path, "full_image", SIZES, tmp_path / "x.zip")
    found = unpack(tmp_path / "x.zip")
    assert list(found) == ["0001TP_008550.png"]
    assert set(found["0001TP_008550.png"].flat) == set(range(11))


def test_the_ending_of_cityscapes_images_is_left_out(tmp_path: Path) -> None:
    prepare(tmp_path, [f"{STEMS[0]}_leftImg8bit"])
    write_submission(ReadsClass(19), tmp_path, "full_image", SIZES, tmp_path / "x.zip")
    assert list(unpack(tmp_path / "x.zip")) == [f"{STEMS[0]}.png"]


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def shrink(path: Path) -> None:
    Image.new("RGB", (64, 32)).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damage, rf"{STEMS[1]}\.png is missing or corrupt; prepare"),
        (Path.unlink, "2 of 3 test images are there"),
        (shrink, rf"{STEMS[1]}\.png has mode and size \('L', 32, 64\) instead of \('L', 64, 128\)"),
    ],
)
def test_a_spoilt_image_leaves_no_zip(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    prepare(tmp_path / "data")
    spoil(tmp_path / f"data/images/test/{STEMS[1]}.png")
    with pytest.raises(InputError, match=message):
        write_submission(ReadsClass(19), tmp_path / "data", "full_image", SIZES, tmp_path / "out/x.zip")
    assert list(tmp_path.glob("out/*")) == list(tmp_path.glob("out/.*")) == []


@pytest.mark.parametrize(
    ("names", "value", "message"),
    [
        (["a.png"], 7, "exactly one prediction for each of 2 test images"),
        (["a.png", "b.png", "c.png"], 7, "exactly one prediction for each of 2 test images"),
        (["a.png", "b.png"], 0, r"a\.png has values \[0\], not only"),
        (["a.png", "b.png"], 255, r"a\.png has values \[255\], not only"),
    ],
)
def test_a_zip_that_the_server_would_not_score(tmp_path: Path, names: list[str], value: int, message: str) -> None:
    record = prepare(tmp_path / "data", STEMS[:2])
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as content:
        for name in names:
            with content.open(name, "w") as file:
                Image.new("L", SIZE[::-1], value).save(file, format="PNG")
    with pytest.raises(InputError, match=message):
        check(tmp_path / "x.zip", dict.fromkeys(["a.png", "b.png"], tmp_path), record)
