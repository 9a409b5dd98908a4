"""Videos, whole and spoilt, for `mfaranet predict`."""

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import cv2

from tests.fuzz.damage import DAMAGES, damaged
from tests.fuzz.pictures import checkpoint
from tests.fuzz.trial import Case, command
from tests.toy import scene

_KINDS = {"mp4": "mp4v", "avi": "MJPG"}
"""Endings, and the codec of each."""
_ENDINGS = ("mp4", "avi", "mov", "mkv", "webm", "m4v")


@cache
def _film(ending: str) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"film.{ending}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_KINDS[ending]), 12, (96, 64))
        for seed in range(3):
            writer.write(scene(seed=seed)[..., ::-1].copy())
        writer.release()
        return path.read_bytes()


def _spoilt(rng: Random) -> tuple[str, bytes]:
    """A film in words, and its bytes."""
    kind = rng.choice([*_KINDS])
    data = _film(kind)
    if rng.random() < 0.2:
        return f"{kind} whole", data
    if rng.random() < 0.1:
        return rng.choice((("empty", b""), ("text", b"<html>404 Not Found</html>"), ("noise", rng.randbytes(5000))))
    if rng.random() < 0.3:  # what says how much is to come lies at an end
        at = rng.choice((200, len(data) - 1000))
        return f"{kind} with a spoilt head", data[:at] + damaged(data[at : at + 1000], rng) + data[at + 1000 :]
    spoil = rng.choice((*DAMAGES, damaged))
    return f"{kind} {spoil.__name__}", spoil(data, rng)


def predict(rng: Random, folder: Path) -> Case:
    """A video, by any name that one may have."""
    what, data = _spoilt(rng)
    video, output = folder / f"film.{rng.choice(_ENDINGS)}", folder / "out"
    video.write_bytes(data)
    kind = rng.choice(("labels", "colour", "overlay"))
    words = ("predict", str(checkpoint()), str(video), "-o", str(output), "--as", kind, "--quiet")
    # The first frames of a video that breaks off are written where each is a file.
    return Case(f"{video.name}, {kind}: {what}", lambda: command(*words), video.name, output, others_done=True)
