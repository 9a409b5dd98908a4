"""Data sets in all forms, in which something is not as it should be."""

import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from mfaranet.datasets.checking import write_prepared
from mfaranet.datasets.source import voc_colours
from mfaranet.files import atomic_folder
from tests.fuzz.damage import damaged, sealed
from tests.fuzz.forms import FORMS, whole
from tests.fuzz.pictures import of_two_pngs, spoilt
from tests.fuzz.trial import Case, command
from tests.sources import SMALL, label, picture

# What lists and tables may hold, as it stands in the file.
# fmt: off
_LINES = (
    b".", b"..", b"/", b"//", b"images/", b"images", b"./", b"\\", b"a/", b"../../etc/passwd", b"/etc/passwd",
    b"C:\\x.png", b"train_0", b"train_0 train_0", b"train_0 train_1", b"train_0.png val_0.png", b"train/train_0.png",
    b"TRAIN_0.PNG", b"\0", b"train_0\0", b"\xff", b"\xef\xbb\xbftrain_0", b"\x85", b"\xe2\x80\xa8", b"\t", b"#",
    b"# x", b"n" * 300, b"n" * 5000, b"n/" * 3000, b"a " * 20_000, b" " * 100_000, b"x" * 1_000_000, b"-rf", b"*",
    b"[a-", b"%s{}", b"\x1b[1m", b"a\rb", b'"', b"name,id,r,g,b", b"x", b"x,1", b",,,,", b"x,0,0,0,0",
    b"x,300,-1,0,0", b"x,1e9,1,1,1", b"ignore,,,,", b'"open', b"x" * 200_000, b"road,0,0,0,10", b"y," + b"9" * 5000,
    b"ignore,1,,,", b"z,0,1,2,3,4,5", b"Sky,128,128,128", b"Sky,1,1,1", b"Sky,x",
    b"0" * 64 + b"  train/x.png", b"0" * 64 + b"  " + b"n" * 5000, b"0  ../x", b"0" * 64 + b" *train.txt",
)
# fmt: on
_ENDS = (b"\n", b"\r\n", b"\r", b"\n\n", b" \n", b"\x0b", b"\0\n", b"")


def _png(pixels: Any, mode: str | None = None) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def _other_picture(data: bytes, rng: Random) -> bytes:
    """Another picture: of other ids, another size or kind, or the label of some other program."""
    if rng.random() < 0.05:
        return _bomb()
    if rng.random() < 0.1:
        return of_two_pngs(data, rng)
    size = rng.choice((SMALL, SMALL, SMALL[::-1], (1, 1), (1000, 3)))
    ids = label(size, rng.choice((1, 2, 20, 33, 256)))
    colours = np.array(voc_colours(256), np.uint8)[ids]
    pixels = rng.choice((ids, 255 - ids, colours, picture(size, 1), np.dstack([colours, ids]), ids * 0, ids * 0 + 255))
    return _png(pixels, rng.choice((None, None, "P", "1", "LA", "RGB")))


@cache
def _bomb() -> bytes:
    """A label of more pixels than Pillow trusts, which takes no room."""
    buffer = io.BytesIO()
    Image.new("L", (13_000, 13_000)).save(buffer, "PNG")
    return buffer.getvalue()


def _other_lines(data: bytes, rng: Random) -> bytes:
    """A list or table with other lines, line ends or encoding."""
    lines = data.split(b"\n")
    for _ in range(rng.choice((0, 1, 1, 3))):
        lines.insert(rng.randrange(len(lines) + 1), rng.choice((rng.choice(_LINES), rng.choice(lines))))
    if rng.random() < 0.2:
        del lines[rng.randrange(len(lines))]
    text = (rng.choice(_ENDS) if rng.random() < 0.2 else b"\n").join(lines)
    encoding = rng.choice((None, None, None, None, "utf-8-sig", "utf-16", "utf-16-le", "utf-32"))
    return text.decode(errors="replace").encode(encoding) if encoding else text


def _other_json(data: bytes, rng: Random) -> bytes:
    """JSON, or the same as YAML, in which one value is another."""
    try:
        content = json.loads(data) or {"x": 0}
    except ValueError:
        return damaged(data, rng)
    for _ in range(rng.choice((1, 1, 3))):
        holder: Any = content
        while True:
            key = rng.choice([*holder] if isinstance(holder, dict) else [*range(len(holder))])
            if not isinstance(holder[key], dict | list) or not holder[key] or rng.random() < 0.15:
                break
            holder = holder[key]
        if rng.random() < 0.15 and len(content) > 1:
            del holder[key]
        else:
            holder[key] = rng.choice(
                (None, 0, -1, 3, 255, 300, 70_000, 1 << 40, 1.5, "", "x", "\0", [], [1 << 20] * 2, {}, [[]], "`0" * 99)
            )
    deep = rng.random() < 0.05
    return b"[" * 100_000 if deep else json.dumps(content).encode()


def _any_damage(data: bytes, rng: Random) -> bytes:
    spoilt_data = damaged(data, rng)
    return sealed(spoilt_data) if data.startswith(b"\x89PNG") and rng.random() < 0.6 else spoilt_data


_EDITS: dict[str, Callable[[bytes, Random], bytes]] = {
    ".png": _other_picture,
    ".jpg": lambda _, rng: spoilt(rng)[1],
    ".txt": _other_lines,
    ".csv": _other_lines,
    ".json": _other_json,
    ".yaml": _other_json,
    "": _other_lines,
}
# fmt: off
_NEW_NAMES = (
    b"-x", b"a\nb", b"\xff", b"n" * 240, b" ", b".x", b"TRAIN_0", b"a__b", b"x.y", "é".encode(), "e\u0301".encode(),
    b"[a]", b"\x1b[1m",
)
# fmt: on


def _change(files: dict[str, bytes], rng: Random) -> str:
    """Something happens to one file; in words."""
    # Lists are few, and more can be wrong in them.
    kinds = sorted({Path(name).suffix for name in files if files[name]})
    kind = rng.choice(kinds)
    name = rng.choice([name for name in files if Path(name).suffix == kind and files[name]])
    what = rng.choice(
        (
            "edited",
            "edited",
            "edited",
            "damaged",
            "damaged",
            "taken",
            "a folder",
            "renamed",
            "twice",
            "empty",
            "exchanged",
        )
    )
    match what:
        case "edited":
            files[name] = _EDITS.get(kind, _any_damage)(files[name], rng)
        case "damaged":
            files[name] = _any_damage(files[name], rng)
        case "taken":
            del files[name]
        case "a folder":
            files[f"{name}/x{kind}"] = files.pop(name)
        case "renamed" | "twice":
            new = str(Path(name).with_name((rng.choice(_NEW_NAMES) + kind.encode()).decode(errors="surrogateescape")))
            files[new] = files[name]
            # An image and its label alike, so that they stay together.
            other = name.replace("images/", "masks/", 1)
            if other in files and other != name and rng.random() < 0.7:
                files[new.replace("images/", "masks/", 1)] = files[other]
                if what == "renamed":
                    del files[other]
            if what == "renamed":
                del files[name]
        case "empty":
            files[name] = b""
        case "exchanged":
            other = rng.choice([*files])
            files[name], files[other] = files[other], files[name]
    return f"{name} {what}"


def prepare(rng: Random, place: Path) -> Case:
    """A set to be prepared, or for `mfaranet check-data`."""
    form = rng.choice([*FORMS])
    files = dict(whole(form))
    whats = [_change(files, rng) for _ in range(rng.choice((1, 1, 1, 2)))]
    root, target = place / "town", place / "prepared"
    for name, data in files.items():
        path = root / name
        if path.parent.is_file() or path.is_dir():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    root.mkdir(exist_ok=True)
    if rng.random() < 0.3:
        target.mkdir()
        (target / "dataset.json").write_text("{}")

    def attempt() -> None:
        with atomic_folder(target) as made, TemporaryDirectory(dir=made) as scratch:
            write_prepared("town", FORMS[form][1](root, Path(scratch)), made)

    def look() -> None:
        command("check-data", str(root))

    looked = form.startswith("folder") and rng.random() < 0.3
    return Case(
        f"{form}{' looked at' if looked else ''}: {'; '.join(whats)}", look if looked else attempt, root.name, target
    )
