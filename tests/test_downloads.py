"""What is fetched is fetched safely, is the same each time, and leaves no secret anywhere."""

import base64
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from project import REPOSITORY

from mfaranet import downloads
from mfaranet.downloads import retrieve
from mfaranet.errors import InputError
from mfaranet.files import sha256
from mfaranet.links import check_link
from mfaranet.params import load

SECRET = "opensesame"  # noqa: S105
LARGEST = 4096


@dataclass
class Server:
    """Answers everybody with ``body``, or leads to ``elsewhere``, where asked with what it notes."""

    address: str = ""
    body: bytes = b"one"
    elsewhere: str = ""
    status: int = 200
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    told = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.asked.append(self.headers["Authorization"])
            self.send_response(302 if told.elsewhere else told.status)
            if told.elsewhere:
                self.send_header("Location", told.elsewhere)
            self.end_headers()
            self.wfile.write(told.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        told.address = f"http://127.0.0.1:{http.server_port}/file"
        yield told
        http.shutdown()


def test_the_first_download_is_recorded_and_another_refused(server: Server) -> None:
    path = retrieve(server.address, "file", LARGEST)
    assert (path.read_bytes(), len(server.asked)) == (b"one", 1)
    assert path.with_name("file.sha256").read_text().strip() == sha256(path)
    assert retrieve(server.address, "file", LARGEST) == path
    assert len(server.asked) == 1
    path.unlink()
    assert retrieve(server.address, "file", LARGEST) == path
    path.unlink()
    server.body = b"two"
    with pytest.raises(
        InputError, match=r"expected sha256:7692c3ad.* but got .* is of the first download.*rm .*file\.sha256"
    ):
        retrieve(server.address, "file", LARGEST)
    assert not path.exists()
    path.write_bytes(b"changed here")
    with pytest.raises(InputError, match="of the first download"):
        retrieve(server.address, "file", LARGEST)


def test_a_checksum_of_the_settings_comes_before_the_record(server: Server) -> None:
    path = retrieve(server.address, "file", LARGEST)
    right = sha256(path)
    assert retrieve(server.address, "file", LARGEST, right) == path
    with pytest.raises(InputError, match="does not match the known hash"):
        retrieve(server.address, "file", LARGEST, "ab" * 32)


@pytest.mark.parametrize("size", [5000, 100_000])
def test_a_file_without_an_end_is_not_kept(server: Server, tmp_path: Path, size: int) -> None:
    server.body = bytes(size)
    with pytest.raises(OSError, match="more than 4096 bytes"):
        retrieve(server.address, "file", LARGEST)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_no_server_leads_away_from_tls(server: Server, tmp_path: Path) -> None:
    server.elsewhere = "http://example.invalid/file"
    with pytest.raises(OSError, match=r"leads to http://example\.invalid/file, which is no https link"):
        retrieve(server.address, "file", LARGEST)
    assert len(server.asked) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_of_drive_the_same_limits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Its answers are read by gdown, which is told to keep no cookies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def download(_: str, path: str, *, use_cookies: bool, timeout: float, progress: object) -> None:
        assert callable(progress)
        assert (use_cookies, timeout) == (False, 30)
        Path(path).write_bytes(bytes(4097))
        progress(4097, None)

    monkeypatch.setattr(downloads.gdown, "download", download)
    with pytest.raises(OSError, match="more than 4096 bytes"):
        retrieve("https://drive.google.com/uc?id=1", "file", LARGEST)
    assert retrieve("https://drive.google.com/uc?id=1", "file", 4097).read_bytes() == bytes(4097)


@pytest.mark.parametrize(
    "link", ["http://example.org/a", "ftp://example.org/a", "file:///etc/passwd", "a", "http://[", "HTTP://a"]
)
def test_only_https_is_taken(link: str) -> None:
    with pytest.raises(InputError, match=r"^here: .* is no https link"):
        check_link(link, "here")


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        (("weights", "resnet18"), "weights.resnet18.url"),
        (("profiles", "camvid", "data"), "profiles.camvid.data.url"),
        (("experiments", "base", "train", "released"), "experiments.base.train.released.url"),
    ],
)
def test_a_link_of_the_settings_is_checked_before_anything_is_written(
    tmp_path: Path, keys: tuple[str, ...], where: str
) -> None:
    path = tmp_path / "params.yaml"
    for link, message in (("http://example.org/a", "no https"), (f"https://me:{SECRET}@example.org/a", "netrc")):
        content = yaml.load((REPOSITORY / "params.yaml").read_text(), yaml.CSafeLoader)
        inner = content
        for key in keys:
            inner = inner.setdefault(key, {})
        inner["url"] = link
        path.write_text(yaml.safe_dump(content))
        with pytest.raises(InputError, match=rf"^params\.yaml: {where}: .*{message}") as caught:
            load(path)
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize("status", [200, 403])
def test_a_password_ends_with_the_request(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login me password {SECRET}\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.status = status
    said = ""
    try:
        retrieve(server.address, "file", LARGEST)
    except OSError as error:
        said = repr(error) + str(error.__context__)
    assert bool(said) == (status == 403)
    coded = base64.b64encode(f"me:{SECRET}".encode()).decode()
    assert server.asked == [f"Basic {coded}"]
    netrc.unlink()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    for text in (said, written, *capfd.readouterr()):
        assert SECRET not in text
        assert coded not in text
