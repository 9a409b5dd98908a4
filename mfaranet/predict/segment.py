"""From the files that a user names to files of what a trained network sees in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from mfaranet.data.images import read_image
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
from mfaranet.files import atomic_folder
from mfaranet.predict.inputs import Input, find_inputs
from mfaranet.predict.memory import memory_for
from mfaranet.predict.outputs import (
    LEGEND,
    SOFTWARE,
    Kind,
    check_colours,
    draw_legend,
    has_legend,
    is_legend,
    is_ours,
    paint,
    write_picture,
    write_probabilities,
)
from mfaranet.predict.predictor import Predictor, described, load
from mfaranet.predict.videos import Video, write_video
from mfaranet.runs import checkpoint_of
from mfaranet.schema import Size
from mfaranet.targets import check_targets
from mfaranet.weights.checkpoints import read_facts

_FRAME = "{:06}.png"


@dataclass(frozen=True)
class Report:
    """What came of each input."""

    written: list[Path]
    """Files, and of videos with a PNG a frame their folders, in the order of the inputs."""
    failed: list[str]
    """What is wrong with the others, a sentence each."""


def segment(
    source: str | Path,
    images: Sequence[Path],
    output: Path,
    *,
    kind: Kind = "colour",
    batch: int = 1,
    force: bool = False,
    device: str = "auto",
    protocol: str = "full_image",
    window: Size | None = None,
) -> Report:
    """Segment pictures and videos, and write what is asked for to the folder ``output``.

    An input that cannot be read, or does not fit into memory, is left out and reported; the others are done.

    Args:
        source: the trained network, as ``load`` takes it; so are ``device``, ``protocol`` and ``window``.
        images: files, folders and patterns (see find_inputs, which says where results go as well).
        output: of a picture comes a PNG or an .npz, of a video an MP4, or for ``labels`` a folder of a PNG a frame.
        kind: class indices, the classes' colours, these over the photograph, or the probabilities of the classes.
        batch: pictures of one size in a row, and frames, that go through the network together.
        force: replace what an earlier call wrote; nothing else is replaced in any case.

    Raises:
        InputError: there is no such network, input or device, a file is in the way, or ``output`` cannot be written to.
    """
    checkpoint = checkpoint_of(source)
    inputs = find_inputs(images, output, [Path(LEGEND).stem] if has_legend(kind) else [])
    if videos := [each.path for each in inputs if each.is_video and kind == "probabilities"]:
        raise InputError(
            f"{videos[0]} is a video: of each frame all probabilities would be too large; save the frames that you "
            "mean as pictures"
        )
    targets = [_target(each, output, kind) for each in inputs]
    legend = _legend(checkpoint, output / LEGEND) if has_legend(kind) else None
    files = [file for each, target in zip(inputs, targets, strict=True) for file in _files(each, target, kind)]
    check_targets(
        [*files, *([output / LEGEND] if legend is not None else [])],
        inputs=[checkpoint, *(each.path for each in inputs)],
        ours=is_ours,
        command=SOFTWARE,
        force=force,
    )
    predictor = load(checkpoint, device=device, protocol=protocol, window=window)
    work = _Work(predictor, kind, batch, {each.path: target for each, target in zip(inputs, targets, strict=True)})
    pictures = [each.path for each in inputs if not each.is_video]
    videos = [each.path for each in inputs if each.is_video]
    outcomes = chain(work.pictures(pictures), work.videos(videos))
    problems = dict(tqdm(outcomes, desc="segment", total=len(inputs), unit="file"))
    failed = [problems[each.path] for each in inputs if problems[each.path]]
    written = [target for each, target in zip(inputs, targets, strict=True) if not problems[each.path]]
    if legend is not None and written:
        write_picture(output / LEGEND, legend)
    return Report(written, failed)


@dataclass(frozen=True)
class _Work:
    predictor: Predictor
    kind: Kind
    batch: int
    targets: Mapping[Path, Path]
    """Of each input."""

    def pictures(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """Each path, and what is wrong with it; of the others the results are written then."""
        return in_background(self._write, self._seen(paths))

    def videos(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
        """The same of videos."""
        for path in paths:
            try:
                self._video(path, self.targets[path])
            except (InputError, OSError) as error:
                yield path, f"{path}: {error}"
            else:
                yield path, ""

    def _seen(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Tensor | InputError, Tensor | InputError]]:
        """Each picture with its result, or with what is wrong."""
        items = zip(paths, in_background(_read, paths), strict=True)
        for _, alike in groupby(items, key=lambda item: getattr(item[1], "shape", None)):
            while group := list(islice(alike, self.batch)):
                images = [image for _, image in group if isinstance(image, Tensor)]
                results: Sequence[Tensor | InputError]
                try:
                    results = self._results(images) if images else [image for _, image in group]
                except InputError as error:
                    results = [InputError(f"{path}: {error}") for path, _ in group]
                yield from ((*item, result) for item, result in zip(group, results, strict=True))

    def _write(self, item: tuple[Path, Tensor | InputError, Tensor | InputError]) -> tuple[Path, str]:
        path, image, result = item
        if isinstance(image, InputError) or isinstance(result, InputError):
            return path, str(result)
        target = self.targets[path]
        try:
            if self.kind == "probabilities":
                write_probabilities(target, result, self.predictor.classes)
            else:
                write_picture(target, paint(self.kind, image, result, self.predictor.colours))
        except OSError as error:
            return path, f"{target} cannot be written ({error.strerror})"
        return path, ""

    def _video(self, path: Path, target: Path) -> None:
        video = Video(path)
        if self.kind != "labels":
            write_video(target, self._painted(video), video.rate)
            return
        with atomic_folder(target) as folder:
            for number, picture in enumerate(self._painted(video)):
                write_picture(folder / _FRAME.format(number), picture)

    def _painted(self, video: Video) -> Iterator[NDArray[np.uint8]]:
        frames = iter(tqdm(video.frames(), desc=video.path.name, total=video.count, unit="frame", leave=False))
        while group := list(islice(frames, self.batch)):
            for image, labels in zip(group, self._results(group), strict=True):
                yield paint(self.kind, image, labels, self.predictor.colours)

    def _results(self, images: Sequence[Tensor]) -> list[Tensor]:
        """Of images of one size."""
        with memory_for(images):
            if self.kind == "probabilities":
                return list(self.predictor.probabilities(images))
            return list(self.predictor.label_maps(images))


def _read(path: Path) -> Tensor | InputError:
    try:
        return read_image(path)
    except InputError as error:
        return error


def _target(each: Input, output: Path, kind: Kind) -> Path:
    place = output / each.place
    if each.is_video and kind == "labels":
        return place.with_name(each.path.name)  # a folder; without the ending it could be one of pictures
    ending = ".npz" if kind == "probabilities" else ".mp4" if each.is_video else ".png"
    return place.with_name(f"{place.name}{ending}")


def _files(each: Input, target: Path, kind: Kind) -> list[Path]:
    """What is to be written or removed at a target."""
    if not (each.is_video and kind == "labels"):
        return [target]
    return list(target.rglob("*")) or [target / _FRAME.format(0)]


def _legend(checkpoint: Path, path: Path) -> NDArray[np.uint8] | None:
    """The legend of a checkpoint's classes, None where it is there already."""
    about = described(read_facts(checkpoint), checkpoint)
    classes, colours = about.classes, about.colours
    check_colours(checkpoint, classes, colours)
    pixels = draw_legend(classes, colours) if classes else None
    return None if pixels is None or is_legend(path, pixels) else pixels
