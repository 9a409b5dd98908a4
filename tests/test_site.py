"""The site that `make docs` builds: whole, with every link leading somewhere, and nothing from a network."""

import json
import os
import re
import subprocess
import sys
from inspect import signature
from pathlib import Path

import pytest
from documented import PAGES, REPOSITORY
from markdown_it import MarkdownIt

import mfaranet

BUILD = """
import sys
from mkdocs.__main__ import cli
cli(sys.argv[1:], standalone_mode=False)
assert "torch" not in sys.modules
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a warning, by a process that does not import torch."""
    root = tmp_path_factory.mktemp("docs") / "site"
    command = [sys.executable, "-c", BUILD, "build", "--strict", "--site-dir", str(root)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return root


def attributes(page: Path, tag: str, name: str) -> list[str]:
    return re.findall(rf'<{tag}\b[^>]*?\s{name}="([^"]*)"', page.read_text())


def test_each_page_is_there_and_is_found_by_the_search(site: Path) -> None:
    expected = {"index.html", *(f"docs/{page.stem}.html" for page in PAGES[1:])}
    assert expected <= {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    found = json.loads((site / "search/search_index.json").read_text())["docs"]
    assert expected <= {entry["location"].partition("#")[0] or "index.html" for entry in found}


def test_every_link_leads_somewhere(site: Path) -> None:
    ids = {path: set(attributes(path, r"\w+", "id")) for path in site.rglob("*.html")}
    links = [
        (page, link) for page in ids if page.name != "404.html" for link in attributes(page, r"\w+", "(?:href|src)")
    ]
    assert links
    for page, link in links:
        path, _, anchor = link.partition("#")
        if ":" not in path:
            target = (page.parent / path).resolve() if path else page
            assert target.is_file(), (page, link)
            assert not anchor or anchor in ids[target], (page, link)


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "reference"], ids=lambda page: page.stem)
def test_a_page_looks_as_on_github(site: Path, page: Path) -> None:
    """A list, a table or a block that only one of the two sees would be text in the other."""
    path = site / ("index.html" if page.stem == "README" else f"docs/{page.stem}.html")
    (shown,) = re.findall("<article.*</article>", path.read_text(), re.DOTALL)
    expected = MarkdownIt("commonmark").enable("table").render(page.read_text())
    for tag in ("h2", "li", "ol", "p", "pre", "tr", "ul"):
        mark = re.compile(rf"<{tag}\b")
        assert len(mark.findall(shown)) == len(mark.findall(expected)), tag


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = [*attributes(page, "(?:script|img|iframe)", "src"), *attributes(page, "link", "href")]
        assert not [url for url in loaded if re.match(r"(\w+:)?//", url)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"""(@import|url\()\s*["']?(https?:)?//""", style.read_text()), style


def test_every_public_name_has_its_docstring_and_so_has_what_it_gives(site: Path) -> None:
    page = (site / "docs/reference.html").read_text()
    _, *parts = re.split(r'<h\d id="mfaranet\.', page)
    described = {part.partition('"')[0] for part in parts if re.search(r"doc-contents[^>]*>\s*(<[^>]*>\s*)*\w", part)}
    assert set(mfaranet.__all__) <= described
    for function in (getattr(mfaranet, name) for name in mfaranet.__all__):
        given = signature(function).return_annotation
        if getattr(given, "__module__", "").startswith("mfaranet"):
            assert f"{given.__module__}.{given.__qualname__}".removeprefix("mfaranet.") in described
