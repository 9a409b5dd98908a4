"""`mfaranet demo`: its page in a browser, what it sends, what it leaves, and how it ends."""

import asyncio
import base64
import errno
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request as Asked
from urllib.request import urlopen

import numpy as np
import pytest
from browser import CHROMIUM, OPTIONS, WIDTHS, Scheme, assert_fits, watch
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Message
from test_outputs import film
from toy import save_checkpoint, scene
from typer.testing import CliRunner

from mfaranet.cli import app
from mfaranet.demo import frames, server
from mfaranet.errors import InputError
from mfaranet.predict.predictor import load
from mfaranet.predict.segment import segment
from mfaranet.runs import offered_runs

REPOSITORY = Path(__file__).parents[1]
FAKE_CAMERA = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
FRAMES, LONG = 4, 400
MILLISECONDS = re.compile(r"[\d.]+ ms a frame$")

in_browser = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two trainings, a third network whose classes have no colours, and what is segmented."""
    root = tmp_path_factory.mktemp("demo")
    save_checkpoint(root / "runs/sample/train/base/best.safetensors")
    save_checkpoint(root / "runs/sample/train/other/best.safetensors", classes=["w", "x", "y", "z"])
    save_checkpoint(root / "runs/sample/train/pale/best.safetensors", colours=[])
    Image.fromarray(scene()).save(root / "photo.png")
    (root / "tmp").mkdir()
    (root / "broken.jpg").write_text("Not Found")
    (root / "broken.mp4").write_text("Not Found")
    film(root / "film.mp4", FRAMES)
    film(root / "long.mp4", LONG)
    return root


# Without a browser


def request(query: str, message: Message) -> Request:
    async def receive() -> Message:
        return message

    return Request({"type": "http", "query_string": query.encode(), "headers": []}, receive)


def answer(demo: server.Demo, query: str, body: bytes) -> list[dict[str, Any]]:
    """The lines that an upload gives."""

    async def ask() -> list[str]:
        response = await demo.segment(request(query, {"type": "http.request", "body": body}))
        assert isinstance(response, StreamingResponse)
        return [str(line) async for line in response.body_iterator]

    return [json.loads(line) for line in asyncio.run(ask())]


@pytest.fixture(scope="module")
def answering(folder: Path) -> server.Demo:
    predictor = load(folder / "runs/sample/train/base", device="cpu")
    return server.Demo(["base"], lambda _: predictor, lambda: False)


def test_an_upload_is_bounded(answering: server.Demo, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = (folder / "photo.png").read_bytes()
    query = "network=base&name=photo.png"
    (frame,) = answer(answering, query, body)
    assert frame["milliseconds"] > 0
    monkeypatch.setattr(server, "_LARGEST", len(body) - 1)
    (frame,) = answer(answering, query, body)
    assert re.fullmatch(r"photo.png has more than \d+ MiB; `mfaranet predict` takes files of any size", frame["error"])


def test_an_upload_that_breaks_off_leaves_nothing(
    answering: server.Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asyncio.run(answering.segment(request("network=base", {"type": "http.disconnect"})))
    assert list(tmp_path.iterdir()) == []


def test_a_long_video_ends_with_a_sentence(
    answering: server.Demo, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_MOST", FRAMES - 1)
    *shown, last = answer(answering, "network=base&name=film.mp4", (folder / "film.mp4").read_bytes())
    assert [frame["seconds"] for frame in shown] == pytest.approx([1 / 12] * (FRAMES - 1))
    assert last == {"error": f"film.mp4: these are its first {FRAMES - 1} frames; `mfaranet predict` takes all"}


def test_what_is_not_offered_is_not_opened(answering: server.Demo, folder: Path) -> None:
    (frame,) = answer(answering, f"network={folder}/runs/sample/train/other/best.safetensors", b"")
    assert "is offered" in frame["error"]


def test_which_networks_are_offered(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    trainings = ["sample/base", "sample/other", "sample/pale"]
    assert offered_runs(None) == trainings
    assert offered_runs("sample/other") == ["sample/other", "sample/base", "sample/pale"]
    assert offered_runs("mine.safetensors") == ["mine.safetensors", *trainings]
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"no checkpoint is named, and in .* is no training: `dvc repro`"):
        offered_runs(None)


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, ["demo", *map(str, arguments)])
    assert isinstance(result.exception, InputError), result.output
    return str(result.exception)


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = refused(folder / "runs/sample/train/base", "--port", port, "--device", "cpu")
    assert said == f"--port {port}: {os.strerror(errno.EADDRINUSE)}; 0 takes any free one"


def test_without_its_libraries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mfaranet.demo.server")
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert refused(folder / "runs/sample/train/base").endswith("pip install 'mfaranet[demo]'")


# The command in a process


@pytest.fixture(scope="module")
def process(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    command = [
        sys.executable,
        "-m",
        "mfaranet",
        "demo",
        "sample/base",
        "--port",
        "0",
        "--no-browser",
        "--device",
        "cpu",
    ]
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(scope="module")
def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().split()[0]


def test_another_site_is_not_answered(address: str) -> None:
    with pytest.raises(HTTPError, match="400"):
        urlopen(Asked(f"{address}/networks", headers={"Host": "example.org"}))


@pytest.mark.parametrize(
    ("method", "path", "site", "mode", "answered"),
    [
        ("POST", "segment?network=base", "cross-site", "no-cors", False),
        ("POST", "segment?network=base", "same-site", "navigate", False),  # a form on another port
        ("GET", "networks", "cross-site", "no-cors", False),
        ("GET", "", "cross-site", "navigate", True),  # a link
        ("GET", "networks", "same-origin", "cors", True),
    ],
)
def test_a_page_of_another_site_is_not_answered(
    address: str, method: str, path: str, site: str, mode: str, answered: bool
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}
    asked = Asked(f"{address}/{path}", b"" if method == "POST" else None, headers)
    try:
        with urlopen(asked) as answer:
            status, sent = answer.status, answer.headers
    except HTTPError as error:
        status, sent = error.code, error.headers
    assert status == (200 if answered else 403)
    assert "default-src 'none'" in sent["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in sent["Content-Security-Policy"]
    assert sent["X-Content-Type-Options"] == "nosniff"


def uploads(folder: Path) -> list[Path]:
    """What lies in its folder of temporary files, where PyTorch may have one of its own."""
    return list((folder / "tmp").glob("mfaranet-demo-*"))


def await_no_upload(folder: Path) -> None:
    until = time.monotonic() + 20
    while left := uploads(folder):
        assert time.monotonic() < until, left
        time.sleep(0.05)


# In a browser


@dataclass
class Demo:
    """The command, which runs, and its page."""

    address: str
    page: Page

    def take(self, file: Path) -> None:
        self.page.locator("#file").set_input_files(file)

    def said(self) -> Any:
        return expect(self.page.locator("#said"))

    def problem(self) -> Any:
        return expect(self.page.locator("#problem"))

    def shown(self, layer: str) -> NDArray[np.uint8]:
        source = self.page.locator(f"#{layer}").get_attribute("src") or ""
        return np.array(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


@pytest.fixture(scope="module")
def demo(address: str) -> Iterator[Demo]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS, *FAKE_CAMERA])
        demo = Demo(address, browser.new_page(viewport={"width": WIDTHS[0], "height": 900}))
        watched = watch(demo.page)
        demo.page.goto(address)
        demo.page.wait_for_selector("html[data-ready]")
        yield demo
        watched.assert_quiet(f"{address}/", "data:")
        browser.close()


@in_browser
def test_a_picture_has_the_pixels_of_the_command_line(demo: Demo, folder: Path, tmp_path: Path) -> None:
    demo.take(folder / "photo.png")
    demo.said().to_have_text(re.compile(r"^photo\.png: [\d.]+ ms a frame$"))
    for layer in ("overlay", "colour"):
        (written,) = segment(
            folder / "runs/sample/train/base", [folder / "photo.png"], tmp_path / layer, kind=layer, device="cpu"
        ).written
        np.testing.assert_array_equal(demo.shown(layer), np.array(Image.open(written)))
    np.testing.assert_array_equal(demo.shown("image"), scene())


@in_browser
def test_another_network_sees_the_picture_anew(demo: Demo, folder: Path) -> None:
    page = demo.page
    legend = page.locator("#legend li")
    assert page.locator("#network option").all_inner_texts() == ["sample/base", "sample/other", "sample/pale"]
    demo.take(folder / "photo.png")
    demo.said().to_have_text(MILLISECONDS)
    assert legend.all_inner_texts() == list("abcd")
    background = "each => getComputedStyle(each).backgroundColor"
    assert legend.nth(1).locator("span").evaluate(background) == "rgb(90, 0, 0)"
    with page.expect_response(lambda response: "/segment?network=sample%2Fother" in response.url):
        page.select_option("#network", "sample/other")
    expect(legend).to_have_text(list("wxyz"))
    page.select_option("#network", "sample/pale")
    demo.problem().to_contain_text("sample/pale has not one colour for each class")
    page.select_option("#network", "sample/base")
    expect(legend).to_have_text(list("abcd"))
    demo.problem().to_be_empty()


@in_browser
@pytest.mark.parametrize("name", ["broken.jpg", "broken.mp4"])
def test_what_cannot_be_read_is_said_as_on_the_command_line(
    demo: Demo, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(folder)
    (said,) = segment("sample/base", [Path(name)], tmp_path, device="cpu").failed
    demo.take(folder / name)
    demo.problem().to_have_text(said)
    demo.said().to_be_empty()
    expect(demo.page.locator("#pictures")).to_be_hidden()


@in_browser
def test_a_video_comes_frame_by_frame_and_plays(demo: Demo, folder: Path) -> None:
    demo.take(folder / "film.mp4")
    demo.said().to_have_text(re.compile(rf"^film\.mp4: {FRAMES} frames, [\d.]+ ms a frame$"))
    last = demo.shown("image")
    assert np.abs(last.astype(int) - scene(seed=FRAMES - 1)).mean() < 16
    demo.page.locator("#position").fill("0")
    demo.said().to_contain_text(f"frame 1 of {FRAMES}: ")
    assert not np.array_equal(demo.shown("image"), last)
    demo.page.locator("#play").click()
    demo.said().to_contain_text(f"frame {FRAMES} of {FRAMES}: ")
    expect(demo.page.locator("#play")).to_have_text("Play")


@in_browser
def test_the_camera_is_seen_until_it_is_stopped(demo: Demo, folder: Path) -> None:
    page = demo.page
    page.locator("#camera").click()
    demo.said().to_have_text(re.compile(r"^camera, frame ([3-9]|\d\d): [\d.]+ ms a frame$"))
    assert demo.shown("overlay").shape == (480, 640, 3)
    page.locator("#stop").click()
    expect(page.locator("#stop")).to_be_disabled()
    await_no_upload(folder)  # of a frame that nobody waits for any more, too
    demo.problem().to_be_empty()


@in_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_and_is_accessible(demo: Demo, folder: Path, width: int, scheme: Scheme) -> None:
    page = demo.page
    demo.take(folder / "broken.mp4")
    demo.problem().not_to_be_empty()
    demo.take(folder / "film.mp4")
    expect(page.locator("#replay")).to_be_visible()
    assert_fits(page, width, scheme)


# And at the end


def test_ctrl_c_ends_it_quietly_amid_a_video(process: "subprocess.Popen[str]", address: str, folder: Path) -> None:
    url = f"{address}/segment?network=sample/base&name=long.mp4"
    with urlopen(url, (folder / "long.mp4").read_bytes()) as response:
        assert "overlay" in json.loads(response.readline())
        process.send_signal(signal.SIGINT)
        assert len(response.readlines()) < LONG // 2
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")
    assert uploads(folder) == []
