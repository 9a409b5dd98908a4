"""The pages for people, README.md and docs/*.md, and the commands that they say."""

import re
import shlex
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_EXAMPLES = {"<set>": "sample", "<experiment>": "base", "<name>": "camvid", "gpus=N": "gpus=2"}
"""For what people fill in."""


def blocks(page: Path, kind: str) -> list[str]:
    """The code of the blocks of one kind, as "bash"."""
    return [code for found, code in _BLOCK.findall(page.read_text()) if found == kind]


def kinds(page: Path) -> set[str]:
    """Those of all its blocks; "" is a layout, a formula or a graph."""
    return {kind for kind, _ in _BLOCK.findall(page.read_text())}


def prose(page: Path) -> str:
    """All but the blocks."""
    return _BLOCK.sub("", page.read_text())


def commands(page: Path) -> list[tuple[str, ...]]:
    """The commands of the blocks, each as its words, without comments and without a file that they write to."""
    lines = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [words for line in lines for words in _split(line)]


def mentions(page: Path, programs: set[str]) -> list[tuple[str, ...]]:
    """The commands between the blocks: a program's name and at least one word more."""
    spans = [span for span in re.findall(r"`([^`\n]+)`", prose(page)) if span.split()[0] in programs]
    return [words for span in spans for words in _split(span) if len(words) > 1]


def _split(line: str) -> list[tuple[str, ...]]:
    for blank, example in _EXAMPLES.items():
        line = line.replace(blank, example)
    words = shlex.shlex(line, posix=True, punctuation_chars="&|;<>")
    words.whitespace_split = True
    found: list[list[str]] = [[]]
    for word in words:
        if word in ("&&", "|", ";"):
            found.append([])
        else:
            found[-1].append(word)
    return [tuple(_without_redirection(each)) for each in found if each]


def _without_redirection(words: list[str]) -> list[str]:
    return words[: min((words.index(mark) for mark in (">", ">>") if mark in words), default=len(words))]
