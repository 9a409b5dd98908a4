"""`mfaranet convert` and `mfaranet export` of spoilt files, with odd options, or to where something is in the way."""

from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from mfaranet.deployment.export import SUFFIXES, Form, Format
from mfaranet.deployment.export import export as write_export
from tests.fuzz.damage import damaged
from tests.fuzz.prepared import spoilt_set
from tests.fuzz.trial import Case, command
from tests.fuzz.weights import OURS, foreign_file, saved, whole_state
from tests.tiny import CLASSES
from tests.toy import save_checkpoint

_EXPERIMENT = "backbone_dfnet1"
"""Of params.yaml: the network of the files."""
_EXPERIMENTS = ("", "x", "base ", "../base", "b\nase", "x" * 10_000, "__class__")
_SIZES = (
    "",
    "64",
    "0x64",
    "-32x64",
    "32x64x3",
    "32X64",
    "32x6٤",
    "3e1x64",
    "32 x 64",
    "1x1",
    f"1x{10**20}",
    "99999x99999",
)
_KEPT = TemporaryDirectory()


def convert(rng: Random, folder: Path) -> Case:
    """A file of the authors, for an experiment."""
    file, output = folder / "file.pth", folder / "out/last.safetensors"
    state = whole_state("mfaranet", "official")
    what, data = ("whole", saved(state)) if rng.random() < 0.3 else foreign_file(rng, state, folder)
    file.write_bytes(data)
    words, names = ["--experiment", _EXPERIMENT], file.name
    match rng.randrange(6):
        case 0:
            words = ["--experiment", rng.choice(_EXPERIMENTS)]
            what, names = f"experiment {words[-1][:20]!a}", "experiment"
        case 1:
            earlier = save_checkpoint(folder / "earlier.safetensors", software="mfaranet convert")
            what, names = f"{what}, to {_put(output, file, earlier.read_bytes(), words, rng)}", str(folder)
    return Case(what, lambda: command("convert", str(file), str(output), *words), names, folder / "out")


def export(rng: Random, folder: Path) -> Case:
    """A checkpoint, for a form."""
    file, to = folder / "last.safetensors", rng.choice([*SUFFIXES])
    file.write_bytes(_checkpoint().read_bytes())
    output = folder / "out" / f"last{SUFFIXES[to]}"
    words, names, what = ["--to", to, "--size", "32x64"], file.name, "whole"
    match rng.randrange(10):
        case 0:
            words[-1] = rng.choice(_SIZES)
            names = "size"
        case 1 | 2 | 3:
            what, names = f"to {_put(output, file, _exported(to), words, rng)}", str(folder)
        case 4 if to != "torch-export":
            what, names = spoilt_set(rng, folder), str(folder / "set")
            words += ["--precision", rng.choice(("fp32", "int8")), "--data", names]
        case 4:
            words += ["--precision", rng.choice(("fp16", "int8"))]
            names = to
        case 5:
            output = output.with_suffix(rng.choice(("", ".onnx", ".xml", ".pt2", ".ONNX", ".txt")))
            names = output.name
        case _:
            what, make = rng.choice([*OURS.items()])
            file.write_bytes(make(rng))
    words = ["export", str(file), "--output", str(output), *words]
    return Case(f"{words[4:]}, {what}", lambda: command(*words), names, folder / "out")


def _put(output: Path, given: Path, earlier: bytes, words: list[str], rng: Random) -> str:
    """Something where the output is to be, in words; ``earlier`` is what the command wrote there before."""
    output.parent.mkdir()
    if rng.random() < 0.5:
        words.append("--force")
    what = rng.choice(("earlier", "damaged", "others", "link", "folder", "input"))
    match what:
        case "earlier":
            output.write_bytes(earlier)
        case "damaged":
            output.write_bytes(damaged(earlier, rng))
        case "others":
            output.write_bytes(rng.choice((b"", b"x", rng.randbytes(1000))))
        case "link":
            output.symlink_to(output.with_name("none"))
        case "folder":
            output.mkdir()
        case "input":
            output.hardlink_to(given)
    return f"{what}, {words[-1]}"


@cache
def _checkpoint() -> Path:
    """One of the classes of the tiny data set."""
    colours = [[0, 0, 0]] * 3
    return save_checkpoint(Path(_KEPT.name) / "last.safetensors", classes=CLASSES, colours=colours)


@cache
def _exported(to: Format) -> bytes:
    path = Path(_KEPT.name) / f"whole{SUFFIXES[to]}"
    return write_export(_checkpoint(), Form(to, (32, 64)), path).path.read_bytes()
