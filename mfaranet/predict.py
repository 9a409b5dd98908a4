"""Use trained networks: ours on any image, the authors' in our form."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mfaranet.data.images import read_image
from mfaranet.datasets import cityscapes
from mfaranet.deployment.deploy import inference_form
from mfaranet.errors import InputError
from mfaranet.evaluation.background import in_background
from mfaranet.evaluation.inference import PROTOCOLS, InputSizes, predict
from mfaranet.files import png_software, sha256, write_png
from mfaranet.models import get_model
from mfaranet.schema import NetworkSettings
from mfaranet.sizes import InputSize
from mfaranet.targets import check_targets
from mfaranet.weights.checkpoints import load_trained, read_facts, save
from mfaranet.weights.official import OfficialCheckpoint, load_official_checkpoint

# Stored in what is written, so that --force knows it again.
_PREDICT, _CONVERT = "mfaranet predict", "mfaranet convert"


def segment(checkpoint: Path, images: Sequence[Path], output: Path, *, force: bool = False) -> list[Path]:
    """Write the label map of each image, in the data set's display colours, to ``output``; return the paths.

    The network sees an image at its own size, or with the longer side that images had in its training where they
    differed; a label map has the image's size.

    Args:
        checkpoint: a file that load_trained takes.
        images: files that read_image takes.
        output: folder of ``<stem>.png``.
        force: replace label maps that an earlier call wrote; nothing else is replaced in any case.

    Raises:
        InputError: the checkpoint or an image cannot be read, two images have the same name, a file is in the way, or
            ``output`` cannot be written to.
    """
    targets = _label_maps(images, output)
    check_targets(
        targets,
        inputs=[checkpoint, *images],
        ours=lambda path: png_software(path) == _PREDICT,
        command=_PREDICT,
        force=force,
    )
    model, facts = load_trained(checkpoint)
    if len(facts.get("colours", [])) != len(facts["classes"]):
        raise InputError(f"{checkpoint} has not one colour for each class to paint a label map with")
    palette = np.array(facts["colours"], dtype=np.uint8)
    network = inference_form(model)

    @torch.inference_mode()
    def label_maps() -> Iterator[Tensor]:
        for image in in_background(read_image, images):
            size = (image.shape[-2], image.shape[-1])
            seen = InputSize(**facts["input_size"]) if "input_size" in facts else InputSize(size)
            yield predict(network, image, PROTOCOLS["full_image"], InputSizes(seen, seen.largest, max(seen.largest)))

    def write(item: tuple[Path, Tensor]) -> None:
        target, labels = item
        write_png(target, palette[labels.numpy()], software=_PREDICT)

    written = in_background(write, zip(targets, label_maps(), strict=True))
    for _ in tqdm(written, desc="segment", total=len(images)):
        pass
    return targets


def convert_released(file: Path, output: Path, network: NetworkSettings, *, force: bool = False) -> OfficialCheckpoint:
    """Write a network that the authors trained on Cityscapes as a checkpoint of ours, safetensors with facts.

    Args:
        file: what load_official_checkpoint takes.
        output: the file to write.
        network: the network of ``file``, and its options.
        force: replace what an earlier call wrote there; nothing else is replaced in any case.

    Raises:
        InputError: the file cannot be read, or is not of this network; ``output`` is in the way, or cannot be written.
    """
    check_targets([output], inputs=[file], ours=_is_converted, command=_CONVERT, force=force)
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
        "software": _CONVERT,
    }
    save(model, output, facts)
    return found


def _label_maps(images: Sequence[Path], output: Path) -> list[Path]:
    """Where the label map of each image goes; where case does not count, names that differ in it are the same."""
    seen = set()
    for path in images:
        if not path.exists():
            raise InputError(f"{path} does not exist")
        if path.stem.casefold() in seen:
            raise InputError(f"{path}: another image is called {path.stem} too; segment them into separate folders")
        seen.add(path.stem.casefold())
    return [output / f"{path.stem}.png" for path in images]


def _is_converted(path: Path) -> bool:
    try:
        return read_facts(path).get("software") == _CONVERT
    except InputError:
        return False
