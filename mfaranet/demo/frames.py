"""What the page shows of a picture, or of a video frame by frame."""

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mfaranet.data.images import read_image
from mfaranet.errors import InputError
from mfaranet.predict.inputs import is_video
from mfaranet.predict.memory import memory_for
from mfaranet.predict.outputs import paint
from mfaranet.predict.predictor import Predictor
from mfaranet.predict.videos import Video

_MOST = 500
"""Frames of a video, all of which the browser keeps."""
_BUSY = Lock()
"""One image at a time, so that their times are those of one."""


@dataclass(frozen=True)
class Frame:
    """An image with what a network sees in it."""

    image: str
    """A data URL, as are the next two."""
    overlay: str
    colour: str
    milliseconds: float
    """From the image to its label map, both in the machine's memory: resizing, network, classes."""
    seconds: float
    """How long a video shows it; 0 of a picture."""


def frames(predictor: Predictor, path: Path, name: str) -> Iterator[Frame]:
    """The picture, or the frames of the video, in a file that its user calls ``name``.

    Pictures are PNG, the same pixels as of `mfaranet predict`. Frames are JPEG, as a browser is to keep many.

    Raises:
        InputError: it cannot be read or does not fit into memory, as `mfaranet predict` says it; or the video is too
            long, which is said after its last frame that is shown.
    """
    try:
        if not is_video(Path(name)):
            yield _frame(predictor, read_image(path), ".png", 0)
            return
        video = Video(path)
        images = video.frames()
        for image in islice(images, _MOST):
            yield _frame(predictor, image, ".jpg", 1 / video.rate)
        if next(images, None) is not None:
            raise InputError(f"these are its first {_MOST} frames; `mfaranet predict` takes all")
    except InputError as error:
        said = str(error)  # of a picture it begins with the path, which is none of the user's
        raise InputError(
            name + said.removeprefix(str(path)) if said.startswith(str(path)) else f"{name}: {said}"
        ) from None


def _frame(predictor: Predictor, image: Tensor, ending: str, seconds: float) -> Frame:
    labels, milliseconds = _timed(predictor, [image])
    return Frame(
        _data_url(image.permute(1, 2, 0).numpy(), ending),
        _data_url(paint("overlay", image, labels, predictor.colours), ending),
        _data_url(paint("colour", image, labels, predictor.colours), ending),
        milliseconds,
        seconds,
    )


def _timed(predictor: Predictor, images: Sequence[Tensor]) -> tuple[Tensor, float]:
    with _BUSY, memory_for(images):
        start = time.perf_counter()
        labels = predictor.label_maps(images)[0]
        return labels, 1000 * (time.perf_counter() - start)


def _data_url(pixels: NDArray[np.uint8], ending: str) -> str:
    """Pixels (H, W, 3), RGB, for the attribute ``src`` of an image."""
    encoded = cv2.imencode(ending, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1]
    kind = {".png": "png", ".jpg": "jpeg"}[ending]
    return f"data:image/{kind};base64,{base64.b64encode(encoded.tobytes()).decode()}"
