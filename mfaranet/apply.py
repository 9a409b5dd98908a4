"""Use trained networks: ours on any image, the authors' in our form."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from mfaranet.checkpoints import load_trained, save
from mfaranet.data import cityscapes
from mfaranet.errors import InputError
from mfaranet.files import sha256, write_png
from mfaranet.inference import PROTOCOLS, InputSizes, predict
from mfaranet.models import get_model
from mfaranet.official import OfficialCheckpoint, load_official_checkpoint
from mfaranet.settings import NetworkSettings


def segment(checkpoint: Path, images: Sequence[Path], output: Path) -> list[Path]:
    """Write the label map of each image, in the data set's display colours, to ``output``; return the paths.

    Raises:
        InputError: the checkpoint or an image cannot be read, or two images have the same name.
    """
    stems = [path.stem for path in images]
    for path in images:
        if stems.count(path.stem) > 1:
            raise InputError(f"{path}: another image is called {path.stem} too; segment them into separate folders")
    model, facts = load_trained(checkpoint)
    palette = np.array(facts["colours"], dtype=np.uint8)
    written = []
    for path in tqdm(images, desc="segment"):
        try:
            image = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
        except (OSError, UnidentifiedImageError) as error:
            raise InputError(f"{path} is no readable image: {error}") from None
        size = (image.shape[-2], image.shape[-1])
        with torch.inference_mode():
            labels = predict(model, image, PROTOCOLS["full_image"], InputSizes(size, size, max(size)))
        target = output / f"{path.stem}.png"
        write_png(target, palette[labels.numpy()])
        written.append(target)
    return written


def convert_released(file: Path, output: Path, network: NetworkSettings) -> OfficialCheckpoint:
    """Write a network that the authors trained on Cityscapes as a checkpoint of ours, safetensors with facts.

    Raises:
        InputError: the file cannot be read, or is not of this network; ``output`` exists already.
    """
    if output.exists():
        raise InputError(f"{output} exists already, and is not overwritten")
    labels = cityscapes.label_set()
    model = get_model(network.name, len(labels.classes), **network.options)
    found = load_official_checkpoint(model, file)
    facts = {
        "network": network.name,
        "options": network.options,
        "classes": labels.classes,
        "colours": labels.colours,
        "dataset": "Cityscapes",
        "epoch": found.epoch,
        "weights": {"released": {"origin": str(file), "sha256": sha256(file)}},
    }
    save(model, output, facts)
    return found
