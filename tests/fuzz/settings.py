"""params.yaml with every key's value of a wrong kind, and as editors, merges and vandals leave it."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import yaml

from mfaranet.params import load
from tests.fuzz.damage import damaged
from tests.fuzz.trial import Case, command

_TEXT = (Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8")
_PLACE = "PLACE_OF_THE_VALUE"
_BOMB = "".join(f"  b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else 'x'] * 10)}]\n" for n in range(12))
# As they are written in YAML.
# fmt: off
_VALUES = (
    "null", "true", "0", "1", "-1", "0.5", "1e400", "-0.0", ".nan", ".inf", "-.inf", "1_000", "0o17", "1:30:00", '""',
    "' '", "x", "sample", "base", "'" + "x" * 100_000 + "'", '"\\0"', '"\\uD800"', '"\\e[1m"', '"a\\nb"', "~/x",
    "$HOME", "[]", "[1]", "[1, 2]", "[[1, 2], [3]]", "[x, x]", "[null]", "[" * 50 + "]" * 50, "[" * 5000 + "]" * 5000,
    "{}", "{a: 1}", "{1: 2}", "{null: null}", "{[1, 2]: 3}", "{? {a: 1} : 2}", "{a: {a: {a: {}}}}", "{2020-01-01: 1}",
    "2020-01-01", "2020-13-45", "2020-01-01T25:61:61Z", "!!binary aGVsbG8=", "!!binary ?", "!!set {a, b}", "!!int x",
    "!!float x", "!!bool x", "!!timestamp x", "!!omap [a: 1]", "!!pairs [a: 1]", "!!str 1", "!unknown x",
    "!!python/object/apply:os.system [true]", "*nothing", "&a [*a]", "&a {b: *a}", "9" * 30, "9" * 5000,
    "0x" + "f" * 6000,
)
# fmt: on


def _paths(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in it."""
    each = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in each:
        yield (*path, key)
        yield from _paths(value, (*path, key))


@cache
def _keys() -> list[tuple[Any, ...]]:
    return [*_paths(yaml.load(_TEXT, yaml.CSafeLoader))]


def _inner(content: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        content = content[key]
    return content


def _edited(rng: Random, edit: Callable[[Any, Any], object]) -> str:
    """One key edited, with what holds it."""
    content, path = yaml.load(_TEXT, yaml.CSafeLoader), rng.choice(_keys())
    edit(_inner(content, path), path[-1])
    return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False, width=1000)


def _wrong_value(rng: Random) -> str:
    return _edited(rng, lambda holder, key: holder.__setitem__(key, _PLACE)).replace(_PLACE, rng.choice(_VALUES))


def _other_value(rng: Random) -> str:
    """The value of another key."""
    content = yaml.load(_TEXT, yaml.CSafeLoader)
    path, other = rng.choice(_keys()), rng.choice(_keys())
    _inner(content, path)[path[-1]] = _inner(content, other)[other[-1]]
    try:
        return yaml.dump(content, Dumper=yaml.CSafeDumper, sort_keys=False)
    except RecursionError:
        return _TEXT


def _unknown_key(rng: Random) -> str:
    def edit(holder: Any, _: Any) -> None:
        if isinstance(holder, dict):
            holder[rng.choice(("nobody", "Name", "a b", "", "1", "run", "../x", "é"))] = rng.choice(
                (None, 1, "x", [], {})
            )
        else:
            holder.append(_PLACE)

    return _edited(rng, edit)


def _lines(rng: Random, change: Callable[[str], str]) -> str:
    lines = _TEXT.splitlines(keepends=True)
    at = rng.randrange(len(lines))
    lines[at] = change(lines[at])
    return "".join(lines)


def _merged(rng: Random) -> str:
    return _lines(rng, lambda line: f"<<<<<<< HEAD\n{line}=======\n{line}>>>>>>> other\n")


def _bomb(rng: Random) -> str:
    """Ten names of ten names of ten: a terabyte, where it is written out."""
    at = rng.choice(("groups:\n", "experiments:\n", "tables:\n", "network: # arguments", "nothing:\n"))
    return _TEXT.replace(at, f"bomb:\n{_BOMB}{at}", 1) if at in _TEXT else f"{_TEXT}\nbomb:\n{_BOMB}"


def _bomb_within(rng: Random) -> str:
    inside = _edited(rng, lambda holder, key: holder.__setitem__(key, _PLACE))
    return f"bomb:\n{_BOMB}{inside.replace(_PLACE, f'*b{rng.randrange(12)}')}"


_WHOLE: dict[str, Callable[[Random], str | bytes]] = {
    "wrong value": _wrong_value,
    "value of another key": _other_value,
    "unknown key": _unknown_key,
    "key taken out": lambda rng: _edited(rng, lambda holder, key: holder.__delitem__(key)),
    "line twice": lambda rng: _lines(rng, lambda line: line * 2),
    "line taken out": lambda rng: _lines(rng, lambda _: ""),
    "tab": lambda rng: _lines(rng, lambda line: f"\t{line}"),
    "merge markers": _merged,
    "alias bomb": _bomb,
    "alias bomb as a value": _bomb_within,
    "damaged": lambda rng: damaged(_TEXT.encode(), rng),
    "latin-1": lambda rng: f"{_TEXT}# ä\n".encode("latin-1"),
    "UTF-16": lambda rng: _TEXT.encode("utf-16")[rng.choice((0, 2)) :],
    "BOM": lambda _: _TEXT.encode("utf-8-sig"),
    "line ends": lambda rng: _TEXT.replace("\n", rng.choice(("\r\n", "\r", "\n\n"))),
    "10 MB of text": lambda rng: rng.choice(("x" * 10_000_000, "x: y\n" * 50_000 + "z" * 9_000_000, "- x\n" * 300_000)),
    "deep": lambda rng: rng.choice(("[", "{a: ", "- ", "? ")) * rng.choice((900, 100_000)),
    "something else": lambda rng: rng.choice(
        ("", "[]", "- 1\n", "x", "null", "1", "---\n---\n", "--- a\n--- b\n", "%YAML 9.9\n---\nx")
    ),
    "noise": lambda rng: rng.randbytes(rng.randrange(1000)),
}


def check(rng: Random, folder: Path) -> Case:
    """A params.yaml to be read, or for `mfaranet params`."""
    kind = rng.choices([*_WHOLE], [6, *[1] * (len(_WHOLE) - 1)])[0]
    content = _WHOLE[kind](rng)
    path = folder / "params.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
    words = ("params", *rng.choice(((), ("sample",), ("sample", "base"))), "--file", str(path))
    attempt: Callable[[], object] = (lambda: load(path)) if rng.random() < 0.7 else (lambda: command(*words))
    return Case(kind, attempt, "params.yaml", folder / "none")
