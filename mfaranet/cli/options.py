"""What options of several commands have in common."""

import json
import os
import re
from difflib import get_close_matches
from typing import Annotated, Any

import typer
from PIL import Image
from tabulate import tabulate

from mfaranet.errors import InputError
from mfaranet.models import list_models
from mfaranet.runs import list_runs
from mfaranet.schema import Device
from mfaranet.sizes import Size

_NEAR = 0.75
"""Likeness of two names, of which one may be the other misspelt."""


def parse_size(text: str, option: str = "--size") -> Size:
    """Height and width of a text such as 512x1024.

    Raises:
        InputError: it is none, or of more pixels than a picture may have.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,8})x([1-9][0-9]{0,8})", text)
    if not found:
        raise InputError(f"{option} {text}: a height and a width in pixels are wanted, as 512x1024")
    height, width = map(int, found.groups())
    if height * width > (Image.MAX_IMAGE_PIXELS or 0):  # of which a picture is refused too
        raise InputError(f"{option} {text}: at most {Image.MAX_IMAGE_PIXELS} pixels are taken, as of pictures")
    return height, width


def known_networks(names: list[str]) -> list[str]:
    """The names, each once.

    Raises:
        InputError: no network is called so; the message says what is near.
    """
    there = list_models()
    for name in names:
        if name not in there:
            near = get_close_matches(name.lower().replace("-", "_"), there, cutoff=_NEAR)
            raise InputError(
                f"no network is called {name!r}; "
                + (f"is it {' or '.join(near)}?" if near else "`mfaranet models` lists what there is")
            )
    return list(dict.fromkeys(names))


def print_json(content: Any) -> None:
    """Print for programs."""
    typer.echo(json.dumps(content, indent=2, allow_nan=False))


def print_table(rows: list[dict[str, Any]]) -> None:
    """Print for people; all rows have the same keys, which are the headers."""
    typer.echo(tabulate(rows, headers="keys", disable_numparse=True, colalign=_alignment(rows)))


def _alignment(rows: list[dict[str, Any]]) -> list[str]:
    columns = zip(*(row.values() for row in rows), strict=True)
    return ["right" if any(re.fullmatch(r"[\d.,]+", str(cell)) for cell in column) else "left" for column in columns]


def _silence(quiet: bool) -> bool:
    if quiet:
        os.environ["TQDM_DISABLE"] = "1"  # which tqdm reads when it is imported, and that is later
    return quiet


def _runs(incomplete: str) -> list[str]:
    return [name for name in list_runs() if name.startswith(incomplete)]


def _networks(incomplete: str) -> list[str]:
    return [name for name in list_models() if name.startswith(incomplete)]


Checkpoint = Annotated[
    str,
    typer.Argument(
        help="a .safetensors file of a training, or the name of a training, as sample/base: then its best",
        autocompletion=_runs,
    ),
]
FirstCheckpoint = Annotated[
    str | None,
    typer.Argument(
        metavar="CHECKPOINT_OR_RUN",
        help="a .safetensors file or the name of a training, as sample/base, to begin with; else the first training",
        autocompletion=_runs,
    ),
]
Networks = Annotated[list[str], typer.Argument(help="names, as `mfaranet models` lists them", autocompletion=_networks)]
DeviceOption = Annotated[Device, typer.Option("--device", help="auto: CUDA where there is a GPU, else the CPU")]
Json = Annotated[bool, typer.Option("--json", help="print JSON, for programs")]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_silence, help="no progress bars, no lines that say what was done")
]
