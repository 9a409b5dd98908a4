"""`mfaranet predict` and `convert` in people's hands: pictures of all kinds, and no file that is lost."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from toy import FACTS, save_checkpoint, scene
from typer.testing import CliRunner

import mfaranet
from mfaranet import targets
from mfaranet.cli import app
from mfaranet.errors import InputError
from mfaranet.files import png_software
from mfaranet.predict import segment as work
from mfaranet.predict.segment import segment
from mfaranet.schema import NetworkSettings
from mfaranet.weights import checkpoints
from mfaranet.weights.conversion import convert_released

CASES = Path(__file__).parents[2] / "shared/cases"
shared = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tmp_path_factory.mktemp("runs") / "last.safetensors")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos/photo.png"
    path.parent.mkdir()
    Image.fromarray(scene()).save(path)
    return path


def label_map(checkpoint: Path, image: Path, folder: Path) -> NDArray[np.uint8]:
    (written,) = segment(checkpoint, [image], folder).written
    return np.asarray(Image.open(written))


def refused(*arguments: Any, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        segment(*arguments, **options)
    return str(error.value)


def test_an_input_is_never_a_target(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(photo.parent)
    (tmp_path / "elsewhere").mkdir()
    os.link(photo, tmp_path / "elsewhere/photo.png")
    (tmp_path / "alias").mkdir()
    (tmp_path / "alias/photo.png").symlink_to(photo)
    before = photo.read_bytes()
    for folder in ("photos", "photos/../photos", "link", "elsewhere", "alias"):
        for force in (False, True):
            said = refused(checkpoint, [photo], tmp_path / folder, force=force)
            assert said == f"nothing is written: {tmp_path / folder / 'photo.png'} is an input"
    said = refused(checkpoint, [tmp_path / "alias/photo.png"], photo.parent, force=True)
    assert "is an input" in said
    # One's own earlier output as well, once it is an input.
    (own,) = segment(checkpoint, [photo], tmp_path / "out").written
    assert "is an input" in refused(checkpoint, [own], tmp_path / "out", force=True)
    disguised = tmp_path / "out/model.png"
    disguised.write_bytes(checkpoint.read_bytes())
    assert "is an input" in refused(disguised, [photo.rename(photo.with_stem("model"))], tmp_path / "out", force=True)
    assert photo.with_stem("model").read_bytes() == before


def test_files_in_the_way_are_refused_all_at_once_before_the_work(
    checkpoint: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = [photo.with_stem(stem) for stem in ("new", "mine", "edited", "own", "folder", "link")]
    for path in images:
        path.write_bytes(photo.read_bytes())
    out = tmp_path / "out"
    segment(checkpoint, [images[3]], out)
    (out / "mine.png").write_text("not to be lost")
    about = PngInfo()
    about.add_text("Software", "some painter")
    Image.open(out / "own.png").save(out / "edited.png", pnginfo=about)
    (out / "folder.png").mkdir()
    (out / "link.png").symlink_to("own.png")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with monkeypatch.context() as patched:
        patched.setattr(work, "load", None)
        said = refused(checkpoint, images, out)
        forced = refused(checkpoint, images, out, force=True)
    foreign = [
        f"{out}/{name}.png is there already and was not made by `mfaranet predict`"
        for name in ("mine", "edited", "folder", "link")
    ]
    own = f"{out}/own.png was made by an earlier `mfaranet predict`; --force replaces it"
    assert said.splitlines() == [
        "nothing is written, 5 files are in the way:",
        *(f"  {line}" for line in [*foreign[:2], own, *foreign[2:]]),
    ]
    assert forced.splitlines() == [
        "nothing is written, 4 files are in the way:",
        *(f"  {line}" for line in foreign),
    ]
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_force_replaces_ones_own(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    (written,) = segment(checkpoint, [photo], tmp_path / "out").written
    assert png_software(written) == "mfaranet predict"
    first = written.read_bytes()
    Image.fromarray(255 - scene()).save(photo)
    assert "--force replaces it" in refused(checkpoint, [photo], tmp_path / "out")
    assert written.read_bytes() == first
    segment(checkpoint, [photo], tmp_path / "out", force=True)
    assert written.read_bytes() != first
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["photo.png", "legend.png"]


def test_long_lists_are_cut(checkpoint: Path, photo: Path) -> None:
    images = [photo.with_stem(f"{i:02}") for i in range(30)]
    for path in images:
        path.write_bytes(photo.read_bytes())
    lines = refused(checkpoint, images, photo.parent).splitlines()
    assert (len(lines), lines[0], lines[-1]) == (
        22,
        "nothing is written, 30 files are in the way:",
        "  ... and 10 more",
    )


def test_a_folder_that_takes_no_files_is_told_before_the_work(
    checkpoint: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "load", None)
    file = tmp_path / "notes.txt"
    file.write_text("mine")
    for output in (file, file / "deeper/still"):
        assert refused(checkpoint, [photo], output) == f"{file} is a file, not a folder to write to"
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    assert "dangling cannot be written to (No such file" in refused(checkpoint, [photo], tmp_path / "dangling")

    def deny(dir: Path) -> None:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(targets, "TemporaryFile", deny)
    said = refused(checkpoint, [photo], tmp_path / "new/folder")
    assert said == f"{tmp_path} cannot be written to (Permission denied); choose another folder"
    assert not (tmp_path / "new").exists()


def test_images_of_one_name_have_results_of_two(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    Image.fromarray(scene(seed=1)).save(upper := photo.with_name("Photo.bmp"))
    named = [photo, upper, photo, photo.parent / "../photos/photo.png"]
    assert segment(checkpoint, named, tmp_path / "out").written == [
        tmp_path / "out/photo.png.png",
        tmp_path / "out/Photo.bmp.png",
    ]
    photo.with_name("PHOTO.PNG").write_bytes(photo.read_bytes())
    assert "results would have one name" in refused(checkpoint, [photo.parent], tmp_path / "new")
    assert "nothing.png does not exist" in refused(checkpoint, [photo, tmp_path / "nothing.png"], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_pictures_of_16_bits_and_on_their_side_have_the_label_map_of_the_plain_one(
    checkpoint: Path, tmp_path: Path
) -> None:
    grey = scene()[..., 0]
    deep = tmp_path / "deep.png"
    Image.fromarray(grey * np.uint16(257)).save(deep)
    Image.fromarray(grey).save(tmp_path / "plain.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(scene())).save(tmp_path / "phone.png", exif=exif)
    Image.fromarray(scene()).save(tmp_path / "upright.png")
    maps = {path.stem: label_map(checkpoint, path, tmp_path / "out") for path in sorted(tmp_path.glob("*.png"))}
    assert len(np.unique(maps["plain"].reshape(-1, 3), axis=0)) > 1
    assert np.array_equal(maps["deep"], maps["plain"])
    assert maps["phone"].shape == (64, 96, 3)
    assert np.array_equal(maps["phone"], maps["upright"])


@shared
def test_shared_pictures_have_the_label_map_of_the_plain_one(checkpoint: Path, tmp_path: Path) -> None:
    def of(name: str) -> NDArray[np.uint8]:
        return label_map(checkpoint, CASES / name, tmp_path / name.replace("/", "_"))

    def plain(name: str, pixels: NDArray[Any]) -> NDArray[np.uint8]:
        Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / name)
        return label_map(checkpoint, tmp_path / name, tmp_path / "plain")

    assert np.array_equal(of("exif16/grey16.png"), of("exif16/grey8.png"))
    assert np.array_equal(of("grey16.png"), plain("grey.png", np.asarray(Image.open(CASES / "grey16.png")) // 256))
    assert np.array_equal(of("rgb16.png"), plain("rgb.png", np.asarray(Image.open(CASES / "rgb16.png"))))
    phone, upright = of("exif16/phone.jpg"), of("exif16/upright.png")
    assert phone.shape == upright.shape == (360, 480, 3)
    assert (phone == upright).all(2).mean() > 0.9
    assert np.array_equal(of("exif6.jpg"), plain("6.png", np.rot90(np.asarray(Image.open(CASES / "exif6.jpg")), -1)))
    cmyk = np.asarray(Image.open(CASES / "cmyk.jpg").convert("RGB"))
    assert np.array_equal(of("cmyk.jpg"), plain("cmyk.png", cmyk))


def test_a_network_that_saw_resized_images_does_so_again(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    model, _ = checkpoints.load_trained(checkpoint)
    resized = tmp_path / "resized.safetensors"
    checkpoints.save(model, resized, {**FACTS, "input_size": {"size": 48, "factors": [1.0, 0.5]}})
    (small,) = segment(resized, [photo], tmp_path / "small").written
    (whole,) = segment(checkpoint, [photo], tmp_path / "whole").written
    found, other = np.asarray(Image.open(small)), np.asarray(Image.open(whole))
    assert found.shape == other.shape == (64, 96, 3)
    assert (found != other).any()
    # 96 columns were 24.
    assert np.array_equal(found, found[:, ::4].repeat(4, axis=1))


def test_the_command_says_one_sentence(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    def run(*arguments: str | Path) -> str:
        result = CliRunner().invoke(app, ["predict", *map(str, arguments), "--output", str(tmp_path / "out")])
        assert result.exit_code == 1
        assert isinstance(result.exception, InputError)
        return str(result.exception)

    (tmp_path / "text.jpg").write_text("Not Found")
    assert "text.jpg is no readable image" in run(checkpoint, tmp_path / "text.jpg")
    torch.save({"net": {}}, tmp_path / "best.pt")
    assert "best.pt is a file of torch.save" in run(tmp_path / "best.pt", photo)
    assert "`mfaranet convert`" in run(tmp_path / "best.pt", photo)
    assert "corrupt, or no safetensors file" in run(photo, photo)
    colourless = tmp_path / "colourless.safetensors"
    model, facts = checkpoints.load_trained(checkpoint)
    checkpoints.save(model, colourless, {**facts, "colours": []})
    assert "has not one colour for each class" in run(colourless, photo)
    assert not (tmp_path / "out").exists()


def test_the_command_replaces_what_it_wrote_when_it_is_told_to(checkpoint: Path, photo: Path, tmp_path: Path) -> None:
    other = photo.with_stem("other")
    other.write_bytes(photo.read_bytes())
    command = ["predict", str(checkpoint), str(photo), str(other), "--output", str(tmp_path / "out")]
    written = CliRunner().invoke(app, command)
    assert written.stdout.split() == [str(tmp_path / f"out/{name}.png") for name in ("photo", "other")]
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 1
    assert "nothing is written, 2 files are in the way" in str(again.exception)
    assert CliRunner().invoke(app, [*command, "--force"]).exit_code == 0


def test_help_names_what_there_is() -> None:
    said = CliRunner().invoke(app, ["convert", "--help"]).output
    assert "load_trained" not in said
    said = " ".join(CliRunner().invoke(app, ["predict", "--help"]).output.split())
    for words in ("lies over", "white", "EXIF", "--force"):
        assert words in said


def test_convert_replaces_only_what_convert_wrote(tmp_path: Path, checkpoint: Path) -> None:
    network = NetworkSettings(name="edanet", options={})
    torch.manual_seed(0)
    linked = mfaranet.get_model("edanet")
    source = tmp_path / "authors.pth"
    names = mfaranet.weights.official.our_names(linked)
    torch.save({official: linked.state_dict()[ours] for official, ours in names.items()}, source)
    output = tmp_path / "new/ours.safetensors"
    convert_released(source, output, network)
    first = output.read_bytes()
    trained = tmp_path / "last.safetensors"
    trained.write_bytes(checkpoint.read_bytes())
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "link.safetensors").symlink_to(source)
    cases = {
        output: "was made by an earlier `mfaranet convert`; --force replaces it",
        trained: "was not made by `mfaranet convert`",
        tmp_path / "notes.txt": "was not made by `mfaranet convert`",
        tmp_path / "notes.txt/ours.safetensors": "notes.txt is a file, not a folder",
        source: "is an input",
        tmp_path / "link.safetensors": "is an input",
    }
    for path, message in cases.items():
        for force in (False, True)[: 1 if path == output else 2]:
            with pytest.raises(InputError, match=message):
                convert_released(source, path, network, force=force)
    convert_released(source, output, network, force=True)
    assert output.read_bytes() == first
    assert trained.read_bytes() == checkpoint.read_bytes()
