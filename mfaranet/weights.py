"""ImageNet weights of the backbones: from the authors' link or a local file, checked and brought to our names."""

import tempfile
from pathlib import Path
from typing import Any

import gdown
import torch
from safetensors.torch import save_file

from mfaranet.errors import InputError
from mfaranet.files import atomic_write, sha256
from mfaranet.models.backbones import BACKBONES
from mfaranet.models.backbones.resnet import NO_DROPOUT
from mfaranet.official import convert_imagenet_backbone
from mfaranet.params import WeightsFile


def fetch_backbone(name: str, source: WeightsFile, output: Path) -> dict[str, Any]:
    """Write ``<name>.safetensors`` to ``output`` and return where it came from (``origin``, ``sha256``).

    Raises:
        InputError: the file cannot be had, has another checksum, or is not what it should be.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = source.path or _download(name, source.url, Path(folder) / f"{name}.pth")
        if not path.is_file():
            raise InputError(f"{path} does not exist; set weights.{name}.path in params.yaml")
        found = sha256(path)
        if source.sha256 not in (None, found):
            raise InputError(
                f"{path}: sha256 is {found}, but params.yaml has {source.sha256} (weights.{name}.sha256); "
                "get the file again, or correct the key if the file is the right one"
            )
        with torch.device("meta"):
            backbone = BACKBONES[name](NO_DROPOUT, True)
        state = convert_imagenet_backbone(path, backbone)
    atomic_write(output / f"{name}.safetensors", lambda temporary: save_file(state, temporary))
    return {"origin": str(source.path or source.url), "sha256": found}


def _download(name: str, url: str, path: Path) -> Path:
    try:
        gdown.download(url, str(path))
    except Exception as error:
        raise InputError(
            f"{url} cannot be downloaded ({error}); "
            f"fetch the file by hand and set weights.{name}.path in params.yaml, or set weights: none in the profile"
        ) from None
    return path
