"""Weight files of others, from a link or a local file: checked, and brought to our names."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from mfaranet.downloads import retrieve
from mfaranet.errors import InputError
from mfaranet.files import atomic_write, sha256, user_path
from mfaranet.links import check_link
from mfaranet.schema import WeightsFile
from mfaranet.weights import checkpoints
from mfaranet.weights.foreign import read_tensors
from mfaranet.weights.imagenet import convert_imagenet
from mfaranet.weights.official import load_official_checkpoint

_LARGEST = 2 << 30
"""Bytes; the largest that is known has a quarter."""
_HASHED = re.compile(r"-([0-9a-f]{8})\.pth$")
"""PyTorch's files have the first digits of their SHA-256 in their names."""


def fetch_encoder(network: nn.Module, source: WeightsFile, key: str, output: Path) -> dict[str, Any]:
    """Write ImageNet weights of ``network.backbone`` as safetensors to the file ``output``.

    Args:
        network: its shapes alone matter, so it may be on the device meta.
        source: where the classifier's file is.
        key: where in params.yaml that stands.

    Returns:
        ``origin`` and ``sha256`` of that file, and its entries that are the classifier's alone (``left_out``).

    Raises:
        InputError: the file cannot be had, has another checksum, or is not what it should be.
    """
    path, facts = _fetch(source, key)
    state, left_out = convert_imagenet(path, network)
    atomic_write(output, lambda temporary: save_file(state, temporary))
    return {**facts, "left_out": left_out}


def fetch_released(
    model: nn.Module, source: WeightsFile, key: str, output: Path, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Write a trained network of the authors as ``last.safetensors`` to ``output``, as training would.

    Args:
        model: the network of the file; it is filled.
        source: where the file is.
        key: where ``source`` stands in params.yaml, for messages.
        output: folder of the checkpoint.
        facts: what checkpoints.load_trained needs; ``epoch`` and ``weights`` are added.

    Returns:
        ``origin``, ``sha256``, ``epoch``, and the entries that were ``left_out`` (see load_official_checkpoint).

    Raises:
        InputError: the file cannot be had, has another checksum, or is not of this network.
    """
    path, origin = _fetch(source, key)
    found = load_official_checkpoint(model, path)
    released = {**origin, **asdict(found)}
    stored = {**facts, "epoch": found.epoch, "weights": {"released": released}}
    checkpoints.save(model, output / "last.safetensors", stored)
    return released


def _fetch(source: WeightsFile, key: str) -> tuple[Path, dict[str, Any]]:
    path = user_path(source.path, f"{key}.path") if source.path else _download(source, key)
    if not path.is_file():
        raise InputError(f"{path} does not exist; set {key}.path in params.yaml")
    found = sha256(path)
    _check_name(found, path.name)
    if source.sha256 not in (None, found):
        raise InputError(
            f"{path}: sha256 is {found}, but params.yaml has {source.sha256} ({key}.sha256); "
            "delete it and get the file again, or correct the key if the file is the right one"
        )
    return path, {"origin": str(source.path or source.url), "sha256": found}


def _download(source: WeightsFile, key: str) -> Path:
    """The file behind a link, downloaded unless it was before: the stage runs again for every new experiment."""
    url = source.url
    if url is None:
        raise InputError(
            "no link to this file is known: get it from its authors, by the name that stands beside it in params.yaml, "
            f"and set {key}.path there"
        )

    def check(file: Path) -> None:
        _check_name(sha256(file), url)
        read_tensors(file)  # a web page in place of the file is not kept

    try:
        check_link(url, f"{key}.url")
        return retrieve(url, f"{hashlib.sha256(url.encode()).hexdigest()}.pth", _LARGEST, source.sha256, check)
    except Exception as error:
        raise InputError(
            f"{url} cannot be downloaded ({error}); fetch the file by hand and set {key}.path in params.yaml"
        ) from None


def _check_name(found: str, name: str) -> None:
    """Refuse a file whose SHA-256 is another one than its name says."""
    if (said := _HASHED.search(name)) and not found.startswith(said[1]):
        raise InputError(
            f"{name}: its sha256 begins with {found[:8]}, not as the name says: half a download, or another file; get "
            "it again"
        )
