"""What `mfaranet predict` takes and makes: folders, patterns, videos; labels, colours, overlays, probabilities."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from toy import COLOURS, save_checkpoint, scene
from typer.testing import CliRunner

import mfaranet
from mfaranet.cli import app
from mfaranet.errors import InputError
from mfaranet.files import png_software
from mfaranet.predict.inputs import find_inputs
from mfaranet.predict.outputs import draw_legend, is_ours
from mfaranet.predict.predictor import Predictor
from mfaranet.predict.segment import Report, segment
from mfaranet.predict.videos import Video

EVERY = ("labels", "colour", "overlay", "probabilities")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("runs") / "last.safetensors")


def save(path: Path, pixels: NDArray[np.uint8] | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene() if pixels is None else pixels).save(path)
    return path


def film(path: Path, frames: int = 5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 12, (96, 64))
    for seed in range(frames):
        writer.write(scene(seed=seed)[..., ::-1].copy())
    writer.release()
    return path


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


# Inputs


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of folders, with what is no picture beside them."""
    for name in ("a/one.png", "a/two.JPG", "b/deep/one.png", "a/.hidden.png", "__MACOSX/one.png"):
        save(tmp_path / "photos" / name)
    (tmp_path / "photos/notes.txt").write_text("no picture")
    return tmp_path / "photos"


@pytest.mark.parametrize(
    ("named", "places"),
    [
        (["."], ["a/one", "a/two", "b/deep/one"]),
        (["a"], ["one", "two"]),
        (["a", "b"], ["a/one", "a/two", "b/deep/one"]),
        (["a/one.png", "b/deep/one.png"], ["a/one", "b/deep/one"]),
        (["a/one.png", "a/two.JPG"], ["one", "two"]),
        (["**/one.png"], ["a/one", "b/deep/one"]),
        (["a/*"], ["one", "two"]),
        (["a/o*.png", "a"], ["one", "two"]),
        (["notes.txt"], ["notes"]),
    ],
)
def test_results_lie_in_the_folders_of_their_images(photos: Path, named: list[str], places: list[str]) -> None:
    found = find_inputs([photos / name for name in named], photos / "out")
    assert [each.place.as_posix() for each in found] == places


def test_earlier_results_are_no_input(photos: Path) -> None:
    save(photos / "out/a/one.png")
    assert len(find_inputs([photos], photos / "out")) == 3
    assert len(find_inputs([photos / "out"], photos / "elsewhere")) == 1
    assert len(find_inputs([photos / "out"], photos / "out")) == 1  # and then it is in the way


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c", "c does not exist"),
        ("*.tif", r"no picture or video matches .*\*.tif"),
        ("empty", "empty holds no pictures"),
    ],
)
def test_where_there_is_nothing(photos: Path, name: str, message: str) -> None:
    (photos / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        find_inputs([photos / name], photos / "out")


def test_names_never_meet(tmp_path: Path) -> None:
    for name in ("one.png", "one.jpg", "one.jpg.png", "legend.png", "ONE.bmp", "two.png"):
        save(tmp_path / name)
    found = find_inputs([tmp_path], tmp_path / "out", ["legend"])
    places = [str(each.place).casefold() for each in found]
    assert len({*places, "legend"}) == 7
    assert "two" in places


# Results


@pytest.mark.parametrize("kind", EVERY)
def test_every_kind_of_result(checkpoint: Path, tmp_path: Path, kind: Any) -> None:
    photo, predictor = save(tmp_path / "photo.png"), mfaranet.load(checkpoint)
    (written,) = segment(checkpoint, [photo], tmp_path / "out", kind=kind).written
    labels = predictor.predict(scene()).numpy()
    colours = np.array(COLOURS, np.uint8)[labels]
    if kind == "probabilities":
        with np.load(written) as arrays:
            assert (arrays["probabilities"].dtype, arrays["probabilities"].shape) == (np.float16, (4, 64, 96))
            assert arrays["classes"].tolist() == predictor.classes
            assert (arrays["probabilities"].argmax(0) == labels).mean() > 0.99
    else:
        expected = {"labels": labels, "colour": colours, "overlay": 0.4 * scene() + 0.6 * colours}[kind]
        assert np.abs(np.asarray(Image.open(written)).astype(float) - expected).max() <= 1
    assert ("legend.png" in files(tmp_path / "out")) == (kind in ("colour", "overlay"))
    assert is_ours(written)
    with pytest.raises(InputError, match="--force replaces it"):
        segment(checkpoint, [photo], tmp_path / "out", kind=kind)
    segment(checkpoint, [photo], tmp_path / "out", kind=kind, force=True)
    written.write_bytes(b"somebody's")
    with pytest.raises(InputError, match="was not made by `mfaranet predict`"):
        segment(checkpoint, [photo], tmp_path / "out", kind=kind, force=True)


def test_the_legend_stays_unless_the_classes_are_others(checkpoint: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        segment(checkpoint, [save(tmp_path / f"{name}.png")], tmp_path / "out")
    assert files(tmp_path / "out") == ["legend.png", "one.png", "two.png"]
    legend = np.asarray(Image.open(tmp_path / "out/legend.png"))
    assert np.array_equal(legend, draw_legend(list("abcd"), [(r, g, b) for r, g, b in COLOURS]))
    for colour in COLOURS:
        assert (legend == colour).all(2).any()
    other = save_checkpoint(tmp_path / "other.safetensors", classes=list("efgh"))
    photo = save(tmp_path / "three.png")
    with pytest.raises(InputError, match=r"legend.png was made by an earlier .* --force replaces it"):
        segment(other, [photo], tmp_path / "out")
    segment(other, [photo], tmp_path / "out", force=True)
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "out/legend.png")), legend)


def test_a_network_without_colours_has_label_ids(tmp_path: Path) -> None:
    colourless = save_checkpoint(tmp_path / "last.safetensors", colours=[])
    with pytest.raises(InputError, match="take --as labels"):
        segment(colourless, [save(tmp_path / "photo.png")], tmp_path / "out", kind="overlay")
    assert segment(colourless, [tmp_path / "photo.png"], tmp_path / "out", kind="labels").written


def test_the_others_are_done_where_one_is_broken(checkpoint: Path, photos: Path, tmp_path: Path) -> None:
    (photos / "a/one.png").write_text("no picture")
    (photos / "b/late.png").write_bytes((photos / "b/deep/one.png").read_bytes()[:300])
    (photos / "c.mp4").write_text("no video")
    result = CliRunner().invoke(app, ["predict", str(checkpoint), str(photos), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.stdout.split() == [str(tmp_path / "out" / name) for name in ("a/two.png", "b/deep/one.png")]
    first, *lines = str(result.exception).splitlines()
    assert first == "not segmented, 3 of 5:"
    assert [line.split()[0] for line in lines] == [str(photos / name) for name in ("a/one.png", "b/late.png", "c.mp4:")]
    assert files(tmp_path / "out") == ["a/two.png", "b/deep/one.png", "legend.png"]


def test_batches_change_nothing(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = [(64, 96), (64, 96), (64, 96), (32, 32), (64, 96)]
    for number, size in enumerate(sizes):
        save(tmp_path / f"photos/{number}.png", scene(*size, seed=number))
    (tmp_path / "photos/25.png").write_text("no picture")
    passes: list[int] = []
    label_maps = Predictor.label_maps
    monkeypatch.setattr(
        Predictor, "label_maps", lambda self, images: (passes.append(len(images)), label_maps(self, images))[1]
    )
    reports: dict[int, Report] = {}
    for batch in (1, 2):
        passes.clear()
        reports[batch] = segment(checkpoint, [tmp_path / "photos"], tmp_path / f"by{batch}", kind="labels", batch=batch)
        assert len(reports[batch].failed) == 1
    assert passes == [2, 1, 1, 1]
    assert all((tmp_path / f"by1/{n}.png").read_bytes() == (tmp_path / f"by2/{n}.png").read_bytes() for n in range(5))


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("can't allocate memory: you tried")]
)
def test_what_does_not_fit_into_memory(
    checkpoint: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: Any) -> None:
        raise error

    monkeypatch.setattr(Predictor, "label_maps", full)
    report = segment(checkpoint, [photos], tmp_path / "out", batch=2)
    assert len(report.failed) == 3
    assert "2 x 64x96 pixels do not fit into memory; take a smaller --batch, or windows" in report.failed[0]
    assert not (tmp_path / "out").exists()


# Videos


@pytest.mark.parametrize("kind", ["colour", "overlay"])
def test_of_a_video_comes_a_video(checkpoint: Path, tmp_path: Path, kind: Any) -> None:
    (written,) = segment(checkpoint, [film(tmp_path / "street.mp4")], tmp_path / "out", kind=kind, batch=2).written
    assert files(tmp_path / "out") == ["legend.png", "street.mp4"]
    video = Video(written)
    assert (video.count, video.rate) == (5, 12)
    shown, seen = list(video.frames()), list(Video(tmp_path / "street.mp4").frames())
    assert len(shown) == 5
    colours = torch.tensor(COLOURS)[mfaranet.load(checkpoint).predict(seen[3]).long()].permute(2, 0, 1)
    expected = colours.float() if kind == "colour" else 0.4 * seen[3] + 0.6 * colours
    assert (shown[3] - expected).abs().mean() < 20  # MPEG blurs
    with pytest.raises(InputError, match="--force replaces it"):
        segment(checkpoint, [tmp_path / "street.mp4"], tmp_path / "out", kind=kind)
    segment(checkpoint, [tmp_path / "street.mp4"], tmp_path / "out", kind=kind, force=True)
    film(written)
    with pytest.raises(InputError, match="was not made by `mfaranet predict`"):
        segment(checkpoint, [tmp_path / "street.mp4"], tmp_path / "out", kind=kind, force=True)


def test_of_a_video_come_label_ids_in_frames(checkpoint: Path, tmp_path: Path) -> None:
    long, out = film(tmp_path / "street.mp4"), tmp_path / "out"
    assert segment(checkpoint, [long], out, kind="labels").written == [out / "street.mp4"]
    assert files(out) == [f"street.mp4/{frame:06}.png" for frame in range(5)]
    frame = list(Video(long).frames())[4]
    labels = np.asarray(Image.open(out / "street.mp4/000004.png"))
    assert np.array_equal(labels, mfaranet.load(checkpoint).predict(frame).numpy())
    film(long, frames=2)
    with pytest.raises(InputError, match="nothing is written, 5 files are in the way"):
        segment(checkpoint, [long], out, kind="labels")
    segment(checkpoint, [long], out, kind="labels", force=True)
    assert files(out) == ["street.mp4/000000.png", "street.mp4/000001.png"]
    assert png_software(out / "street.mp4/000001.png") == "mfaranet predict"
    (out / "street.mp4/mine.txt").write_text("not to be lost")
    with pytest.raises(InputError, match=r"mine.txt is there already and was not made"):
        segment(checkpoint, [long], out, kind="labels", force=True)


def test_probabilities_of_a_video_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    save(tmp_path / "photo.png")
    film(tmp_path / "street.mp4")
    with pytest.raises(InputError, match=r"street.mp4 is a video: of each frame all probabilities would be too large"):
        segment(checkpoint, [tmp_path], tmp_path / "out", kind="probabilities")
    assert not (tmp_path / "out").exists()


def test_a_video_that_ends_badly_leaves_nothing(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "street.mp4")
    frames = Video.frames

    def cut(self: Video) -> Any:
        yield next(frames(self))
        raise InputError("torn")

    monkeypatch.setattr(Video, "frames", cut)
    for kind in ("labels", "colour"):
        report = segment(checkpoint, [tmp_path / "street.mp4"], tmp_path / "out", kind=kind)
        assert report.failed == [f"{tmp_path}/street.mp4: torn"]
    assert files(tmp_path / "out") == []
