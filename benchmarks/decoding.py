"""Is a JPEG worth keeping? Decodes images as JPEG and as PNG of the same pixels, which the prepared form could have.

python -m benchmarks.decoding FOLDER [rounds]   # of images, CamVid's for one; nothing else should run

Prints size and time of PNG as multiples of JPEG's, at the images' size and at twice that: medians, rounds interleaved.
"""

import io
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image
from tqdm import tqdm

IMAGES, QUALITY = 24, 90


def main() -> None:
    """Measure both forms of each image in turn."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    paths = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.suffix.lower() in (".png", ".jpg"))[:IMAGES]
    for factor in (1, 2):
        pairs = [both_forms(path, factor) for path in paths]
        ratios = [seconds(png) / seconds(jpeg) for _ in tqdm(range(rounds), desc=f"x{factor}") for jpeg, png in pairs]
        space = median(len(png) / len(jpeg) for jpeg, png in pairs)
        print(f"x{factor}: PNG takes {space:.1f} times the space of JPEG, and {median(ratios):.1f} times to decode")


def both_forms(path: Path, factor: int) -> tuple[bytes, bytes]:
    """A JPEG of an enlarged image, and a PNG of what that holds."""
    with Image.open(path) as image:
        enlarged = image.convert("RGB").resize((image.width * factor, image.height * factor))
    jpeg, png = io.BytesIO(), io.BytesIO()
    enlarged.save(jpeg, format="JPEG", quality=QUALITY)
    Image.open(jpeg).save(png, format="PNG")
    return jpeg.getvalue(), png.getvalue()


def seconds(data: bytes) -> float:
    """To decode a file as a training does."""
    start = time.perf_counter()
    np.array(Image.open(io.BytesIO(data)))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
