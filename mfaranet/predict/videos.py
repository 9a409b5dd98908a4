"""Videos: frames out of a file, and pictures into an MP4."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mfaranet.errors import InputError
from mfaranet.files import atomic_write
from mfaranet.predict.outputs import mark_video

_USUAL_RATE = 25.0


class Video:
    """A file whose frames are read one after the other.

    Raises:
        InputError: it is missing, or no video that OpenCV reads.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture = cv2.VideoCapture(str(path))
        if not self._capture.isOpened():
            raise InputError("no readable video; save it as MP4 with H.264, or its frames as pictures")
        self.rate = self._capture.get(cv2.CAP_PROP_FPS) or _USUAL_RATE
        """Frames per second."""
        self.count = int(self._capture.get(cv2.CAP_PROP_FRAME_COUNT))
        """Of frames, as the file says; there may be fewer."""

    def frames(self) -> Iterator[Tensor]:
        """Images (3, H, W), uint8, RGB, upright.

        Raises:
            InputError: there is none.
        """
        count = 0
        while (frame := self._capture.read()[1]) is not None:
            count += 1
            yield torch.from_numpy(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
        self._capture.release()
        if not count:
            raise InputError("no frame of it can be read")


def write_video(path: Path, pictures: Iterator[NDArray[np.uint8]], rate: float) -> None:
    """Write pictures (H, W, 3), RGB, of one size as an MP4, whole or not at all; of odd sides the last pixel is lost.

    Raises:
        InputError: OpenCV has no encoder here.
    """

    def write(temporary: Path) -> None:
        made = temporary.with_name(f"{temporary.name}.mp4")  # OpenCV takes the format from the ending
        try:
            first = next(pictures)
            size = (first.shape[1], first.shape[0])
            writer = cv2.VideoWriter(str(made), cv2.VideoWriter.fourcc(*"mp4v"), rate, size)
            if not writer.isOpened():
                raise InputError("OpenCV has no encoder for MP4 here; take --as labels, which writes PNG")
            for picture in (first, *pictures):
                writer.write(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            writer.release()
            mark_video(made)
            made.rename(temporary)
        finally:
            made.unlink(missing_ok=True)

    atomic_write(path, write)
