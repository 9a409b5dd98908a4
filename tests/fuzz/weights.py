"""Weight files that are cut, of other networks, full of lies, or that would run code."""

import io
import json
import pickle
import struct
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save

import mfaranet
from mfaranet.weights.checkpoints import load_trained, read_facts
from mfaranet.weights.imagenet import convert_imagenet, imagenet_names
from mfaranet.weights.official import load_official_checkpoint, our_names
from tests.fuzz.damage import EXTREMES, damaged
from tests.fuzz.trial import Case, command
from tests.toy import FACTS, save_checkpoint, scene

_HUGE = 1 << 60
_WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 7, 1.5, _HUGE, float("nan"), "", "x", "edanet", "../x", "mfaranet", "\ud800"),
    *(
        [],
        [1],
        [[1]],
        ["a"],
        ["a"] * 4,
        ["a"] * 100_000,
        [[0, 0, 0]] * 4,
        [[300, -1, 1.5]] * 4,
        [["x"] * 3] * 4,
        [None] * 4,
    ),
    *(
        {},
        {"a": 1},
        {"size": [64, 96]},
        {"size": "x"},
        {"size": 10**9},
        {"size": [0, 0]},
        {"size": 64, "factors": [0, 0]},
    ),
    *({"num_classes": 4}, {"name": "x"}, {"self": 1}, {1: 2}),
)


_CHANGES = (
    *("whole", "wrapped", "taken", "renamed", "odd tensor", "odd tensor", "of its shape", "code", "raw code", "itself"),
    *("keys", "something else", "twice", "damaged", "damaged", "cut"),
)


class Code:
    """Makes a folder where somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        import os

        return os.mkdir, (str(self._path),)


@cache
def _toy() -> tuple[dict[str, Any], bytes]:
    """Header and tensors of a whole checkpoint."""
    with TemporaryDirectory() as folder:
        data = save_checkpoint(Path(folder) / "toy.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def _packed(header: Any, tensors: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def _with_facts(rng: Random) -> bytes:
    """Facts of the wrong kind, or without some."""
    facts = dict(FACTS)
    for _ in range(rng.choice((1, 1, 2))):
        key = rng.choice(("network", "options", "classes", "colours", "input_size", "epoch", "dataset"))
        facts[key] = rng.choice(_WRONG)
        if rng.random() < 0.1:
            del facts[key]
    header, tensors = _toy()
    deep = "[" * 100_000
    text = rng.choice((deep, "", "null", '"x"', "9" * 5000)) if rng.random() < 0.1 else json.dumps(facts)
    return _packed({**header, "__metadata__": {"facts": text}}, tensors)


def _with_header(rng: Random) -> bytes:
    """Sizes, kinds and places of tensors that are not so."""
    header, tensors = _toy()
    header = json.loads(json.dumps(header))
    for _ in range(rng.choice((1, 1, 3))):
        name = rng.choice([name for name in header if name != "__metadata__"])
        entry = header[name]
        match rng.randrange(7):
            case 0:
                entry["dtype"] = rng.choice(("F16", "I64", "BOOL", "F8_E4M3", "U8", "C64", "F4", "X", 3, None))
            case 1:
                entry["shape"] = rng.choice(([], [0], [_HUGE], [_HUGE, _HUGE], [-1], [1.5], "x", entry["shape"][::-1]))
            case 2:
                entry["data_offsets"] = rng.choice(([0, 0], [0, _HUGE], [9, 3], [0], "x", [0, len(tensors)]))
            case 3:
                header[rng.choice(("x", "", "\n", "__metadata__", name + ".x"))] = header.pop(name)
            case 4:
                del header[name]
            case 5:
                header["__metadata__"] = rng.choice(({}, [], {"facts": 3}, "x", {"facts": "[]"}))
            case 6:
                entry["extra"] = entry
                entry = header[name] = {**entry, "extra": 1}
        if not any("data_offsets" in str(each) for each in header.values()):
            break
    return _packed(header, tensors)


def _with_length(rng: Random) -> bytes:
    """A header that is said to be longer or shorter than it is."""
    data = _packed(*_toy())
    return struct.pack("<Q", rng.choice((*EXTREMES, _HUGE, (1 << 64) - 1, rng.randrange(len(data))))) + data[8:]


def _not_numbers(rng: Random) -> bytes:
    header, tensors = _toy()
    value = np.float32(rng.choice((np.nan, np.inf, 3e38))).tobytes()
    return _packed(header, value * (len(tensors) // 4) + bytes(len(tensors) % 4))


def _damaged_head(rng: Random) -> bytes:
    data = _packed(*_toy())
    length = 8 + struct.unpack("<Q", data[:8])[0]
    return damaged(data[:length], rng) + data[length:]


OURS: dict[str, Callable[[Random], bytes]] = {
    "whole": lambda _: _packed(*_toy()),
    "facts": _with_facts,
    "header": _with_header,
    "length": _with_length,
    "damaged": lambda rng: damaged(_packed(*_toy()), rng),
    "damaged header": _damaged_head,
    "not a number": _not_numbers,
    "deep header": lambda rng: _packed(rng.choice((b"[", b'{"a":')) * 100_000, b""),
    "empty": lambda _: b"",
    "noise": lambda rng: rng.randbytes(rng.randrange(100)),
    "other tensors": lambda _: save({"weight": torch.zeros(3)}),
    "torch.save": lambda _: saved({"net": {}}),
}


def trained(rng: Random, folder: Path) -> Case:
    """A checkpoint of ours, to be loaded or for `mfaranet predict`."""
    kind = rng.choice([*OURS])
    path = folder / f"last.{rng.choice(('safetensors', 'safetensors', 'pth', 'bin'))}"
    path.write_bytes(OURS[kind](rng))
    photo, output = folder / "photo.png", folder / "out"
    photo.write_bytes(_photo())
    words = (
        "predict",
        str(path),
        str(photo),
        "-o",
        str(output),
        "--as",
        rng.choice(("labels", "colour", "probabilities")),
    )
    attempts: tuple[Callable[[], object], ...] = (
        lambda: read_facts(path),
        lambda: load_trained(path),
        lambda: mfaranet.load(path),
        lambda: command(*words),
    )
    return Case(kind, rng.choice(attempts), path.name, output)


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


@cache
def _network(name: str) -> torch.nn.Module:
    with torch.device("meta"):
        return mfaranet.get_model(name, **({"backbone": "dfnet1"} if name == "mfaranet" else {}))


@cache
def whole_state(name: str, reader: str) -> dict[str, Any]:
    """Tensors of the right names and shapes that take no room in a file."""
    network = _network(name)
    if reader == "imagenet":
        names, shapes = imagenet_names(network), network.get_submodule("backbone").state_dict()
    else:
        names, shapes = our_names(network), network.state_dict()
    once = {ours: theirs for theirs, ours in reversed(names.items())}
    return {theirs: torch.zeros(()).expand(shapes[ours].shape) for ours, theirs in once.items()}


def _odd_tensor(rng: Random) -> Any:
    return rng.choice(
        (
            lambda: torch.full((2, 2), torch.nan),
            lambda: torch.zeros(2, 2).to_sparse(),
            lambda: torch.zeros(0),
            lambda: torch.zeros(1, dtype=torch.complex64),
            lambda: torch.quantize_per_tensor(torch.zeros(2), 0.1, 0, torch.qint8),
            lambda: torch.zeros(1).expand(1 << 40),
            lambda: torch.nn.Parameter(torch.zeros(1)),
            lambda: torch.zeros(1, device="meta"),
            lambda: np.float64(3),
            lambda: "x",
            lambda: None,
            lambda: {"weight": torch.zeros(1)},
        )
    )()


def foreign_file(rng: Random, state: dict[str, Any], folder: Path) -> tuple[str, bytes]:
    """A file of torch.save, in words, and its bytes."""
    state, key = dict(state), rng.choice([*state])
    what = rng.choice(_CHANGES)
    content: Any = state
    match what:
        case "wrapped":
            content = {
                rng.choice(("state_dict", "model", "net")): {f"module.{k}": v for k, v in state.items()},
                "epoch": 3,
            }
        case "taken":
            del state[key]
        case "renamed":
            state[rng.choice(("x", "", "module.x", "é\n"))] = state.pop(key)
        case "odd tensor":
            state[key] = _odd_tensor(rng)
        case "of its shape":
            kinds = (torch.complex64, torch.int8, torch.bool, torch.float64, torch.bfloat16)
            shaped = torch.zeros(state[key].shape)
            state[key] = rng.choice((shaped.to_sparse(), shaped.to(rng.choice(kinds)), shaped.to("meta"), shaped / 0))
        case "code":
            content = {"state_dict": state, "x": Code(folder / "ran")}
        case "raw code":
            return what, pickle.dumps(Code(folder / "ran"), rng.randrange(5))
        case "itself":
            content["model"] = content
        case "keys":
            state[rng.choice((1, None, (1, 2), b"x"))] = torch.zeros(1)
        case "something else":
            content = rng.choice(
                ([torch.zeros(1)], torch.zeros(1), 3, "x", {}, {"state_dict": 3}, {"model": {"net": {}}})
            )
        case "twice":
            state[f"module.{key}"] = state[key]
    zipped = rng.random() < 0.7
    data = saved(content, _use_new_zipfile_serialization=zipped)
    return what, damaged(data, rng) if what == "damaged" else data[
        : rng.randrange(len(data))
    ] if what == "cut" else data


def foreign(rng: Random, folder: Path) -> Case:
    """A file of others: an ImageNet classifier, or a trained network."""
    reader, name = rng.choice((("imagenet", "mfaranet"), ("official", "edanet"), ("official", "mfaranet")))
    what, data = foreign_file(rng, whole_state(name, reader), folder)
    path = folder / "file.pth"
    path.write_bytes(data)

    def attempt() -> None:
        if reader == "imagenet":
            convert_imagenet(path, _network(name))
        else:
            load_official_checkpoint(_network(name), path)

    return Case(f"{reader} {name} {what}", attempt, path.name, folder / "none")


@cache
def _photo() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(scene()).save(buffer, "PNG")
    return buffer.getvalue()
