"""Use a trained network on any image."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torchvision.transforms.v2.functional import pil_to_tensor
from tqdm import tqdm

from mfaranet.checkpoints import load_trained
from mfaranet.errors import InputError
from mfaranet.files import write_png
from mfaranet.inference import PROTOCOLS, InputSizes, predict


def segment(checkpoint: Path, images: Sequence[Path], output: Path) -> list[Path]:
    """Write the label map of each image, in the data set's display colours, to ``output``; return the paths.

    Raises:
        InputError: the checkpoint or an image cannot be read.
    """
    model, facts = load_trained(checkpoint)
    palette = np.array(facts["colours"], dtype=np.uint8)
    written = []
    for path in tqdm(images, desc="segment"):
        try:
            image = pil_to_tensor(Image.open(path).convert("RGB"))
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{path} is no readable image: {error}") from None
        size = (image.shape[-2], image.shape[-1])
        with torch.inference_mode():
            labels = predict(model, image, PROTOCOLS["full_image"], InputSizes(size, size, max(size)))
        target = output / f"{path.stem}.png"
        write_png(target, palette[labels.numpy()])
        written.append(target)
    return written
