"""The pages in a browser: what a reader, a keyboard, a telephone and a screen reader meet."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from browser import CHROMIUM, OPTIONS, WIDTHS, Scheme, assert_fits, watch
from pages import EVIL, write_hard_page, write_other_pages
from playwright.sync_api import Browser, Page, expect, sync_playwright

from mfaranet.report.stored import Stored

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@dataclass
class Report:
    """A page, and what it is made of."""

    page: Page
    stored: Stored


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Stored]:
    path = tmp_path_factory.mktemp("report") / "report.html"
    return path, write_hard_page(path)


@pytest.fixture(scope="module")
def report(browser: Browser, file: tuple[Path, Stored]) -> Iterator[Report]:
    """Opened once for all tests, which leave it as they found it."""
    page = browser.new_page(viewport={"width": WIDTHS[0], "height": 900}, color_scheme="light")
    watched = watch(page)
    page.goto(file[0].as_uri())
    page.wait_for_selector("html[data-ready]")
    yield Report(page, file[1])
    watched.assert_quiet("file:", "data:", "blob:")
    page.close()


def column(page: Page, name: str) -> list[str]:
    index = page.locator("#table-complexity thead th").all_inner_texts().index(name)
    return page.locator(f"#table-complexity tbody tr td:nth-child({index + 1})").all_inner_texts()


def test_a_table_sorts_by_number(report: Report) -> None:
    page = report.page
    before = column(page, "Params (M)")
    page.locator("#table-complexity thead th", has_text="Params (M)").click()
    values = [float(text) for text in column(page, "Params (M)")]
    assert values == sorted(values)
    assert values != [float(text) for text in before]


def test_a_table_filters(report: Report) -> None:
    search = report.page.locator("#table-complexity input[type=search]")
    search.fill("enet")
    shown = report.page.locator("#table-complexity tbody tr").all_inner_texts()
    assert shown
    assert all("enet" in text.lower() for text in shown)
    search.fill("")


@pytest.mark.parametrize("how", ["click", "Enter"])
def test_a_cell_says_where_it_came_from(report: Report, how: str) -> None:
    page = report.page
    cell = page.locator("#table-overall tbody td", has_text="base").first
    cell.click()
    dialog = page.locator("dialog#origin")
    if how == "Enter":
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
    expect(dialog).to_be_visible()
    assert "pointer: /tables/overall/experiments/0" in dialog.inner_text()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("how", ["hover", "focus", "arrow"])
def test_a_mark_of_a_chart_says_what_it_is(report: Report, how: str) -> None:
    page = report.page
    marks = page.locator("#networks .chart").first.locator(".mark-symbol > [aria-label]")
    mark = marks.nth(1)
    if how == "hover":
        mark.hover(force=True)
    else:
        mark = marks.first
        mark.focus()
    if how == "arrow":
        page.keyboard.press("ArrowRight")
        mark = marks.nth(1)
    label = mark.get_attribute("aria-label") or ""
    assert "mIoU" in label
    expect(page.locator(".tip")).to_have_text(label)


def test_pictures_lie_over_each_other(report: Report) -> None:
    page = report.page
    cut = page.locator("#cut")
    covered = "getComputedStyle(document.querySelector('.layer:not([hidden])')).clipPath"
    before = page.evaluate(covered)
    cut.scroll_into_view_if_needed()
    box = cut.bounding_box()
    assert box
    page.mouse.click(box["x"] + 0.9 * box["width"], box["y"] + box["height"] / 2)
    by_mouse = page.evaluate(covered)
    cut.press("ArrowLeft")
    assert len({before, by_mouse, page.evaluate(covered)}) == 3
    page.get_by_label("error").check()
    shown = page.locator(".layer:visible").evaluate_all("layers => layers.map(layer => layer.alt)")
    assert shown == ["error of 0", "error of 1"]


def test_hard_names_are_text(report: Report) -> None:
    assert EVIL in report.page.locator("#table-per_class").inner_text()


def test_markup_that_got_in_would_not_run(browser: Browser, file: tuple[Path, Stored]) -> None:
    path = file[0].with_name("injected.html")
    own = "document.documentElement.dataset.owned = 'yes'"
    inserted = f'<script>{own}</script><img src="data:," onerror="{own}"><iframe srcdoc="<b>in</b>"></iframe>'
    path.write_text(file[0].read_text().replace("<main>", f"<main>{inserted}", 1))
    page = browser.new_page()
    watched = watch(page)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]")
    assert page.locator("html[data-owned]").count() == 0
    assert sum("Content Security Policy" in text for text in watched.complaints) >= 2
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_fits_and_is_accessible(report: Report, width: int, scheme: Scheme) -> None:
    assert_fits(report.page, width, scheme)


@pytest.mark.parametrize("name", ["index", "difference"])
def test_so_do_the_others(browser: Browser, file: tuple[Path, Stored], name: str) -> None:
    path = write_other_pages(file[0].parent, file[1])[name]
    page = browser.new_page()
    page.goto(path.as_uri())
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            assert_fits(page, width, scheme)
    assert EVIL in page.locator("body").inner_text() or name == "index"
    page.close()
