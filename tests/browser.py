"""Chromium for tests: how it is started, what a page complains of and asks for, and whether it fits."""

import shutil
from dataclasses import dataclass, field
from typing import Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

Scheme = Literal["light", "dark"]
CHROMIUM = shutil.which("chromium")
WIDTHS = (1280, 390)
# As root it has no sandbox; and it shall look for nothing in the network.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
]
# Other tests run at once, and how long something takes is none's promise. Milliseconds.
expect.set_options(timeout=30_000)


@dataclass
class Watched:
    """What a page complained of, and which addresses it asked for."""

    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def assert_quiet(self, *allowed: str) -> None:
        """It complained of nothing, and asked for nothing that begins otherwise."""
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith(allowed)] == []


def watch(page: Page) -> Watched:
    """Begin to note."""
    watched = Watched()
    page.on("console", lambda message: watched.complaints.append(message.text))
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.requests.append(request.url))
    page.on("dialog", lambda dialog: (watched.complaints.append(dialog.message), dialog.dismiss()))
    return watched


def assert_fits(page: Page, width: int, scheme: Scheme) -> None:
    """Nothing overflows the page, its ground is as bright as it should be, and axe finds no serious fault."""
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, ground[4:-1].split(","))) < 3 * 128) == (scheme == "dark")
    found = Axe().run(page).response["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in serious] == []
