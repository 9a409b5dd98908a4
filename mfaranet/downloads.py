"""Files behind links, in the user's cache: over TLS alone, no larger than expected, the same as the first time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import gdown
import pooch
from tqdm import tqdm

from mfaranet.errors import InputError
from mfaranet.files import sha256, write_text
from mfaranet.links import is_https, is_local

_SECONDS = 30
"""Without an answer."""


def retrieve(
    url: str, name: str, largest: int, checksum: str | None = None, check: Callable[[Path], object] = lambda path: None
) -> Path:
    """The file behind a link, downloaded unless it was before.

    Without a checksum that of the first download is kept beside it, as ``<name>.sha256``, and asked for from then on.

    Args:
        url: a link that ``check_link`` takes.
        name: of the file in the cache.
        largest: bytes that it may have, to the next thousand.
        checksum: SHA-256 that it must have.
        check: raises an error for what is not to be kept.

    Raises:
        InputError: the file is another one than the checksum says, or than the first one.
        OSError: it cannot be had, is too large, or a server leads elsewhere without TLS.
    """
    folder = Path(pooch.os_cache("mfaranet"))
    record = folder / f"{name}.sha256"
    known = checksum or (record.read_text(encoding="utf-8").strip() if record.exists() else None)

    def fetch(link: str, file: str, _: object) -> None:
        _download(link, file, largest)
        check(Path(file))

    try:
        path = Path(pooch.retrieve(url, known and f"sha256:{known}", fname=name, path=folder, downloader=fetch))
    except InputError:
        raise
    except ValueError as error:  # pooch's message has the file, the expected checksum and the one found
        first = "" if checksum else f" The one expected is of the first download; if the new one is right, rm {record}."
        raise InputError(f"{url}: {error}{first}") from None
    if known is None:
        write_text(record, f"{sha256(path)}\n")
    return path


def _download(url: str, file: str, largest: int) -> None:
    def bound(size: int, _: object = None) -> None:
        if size > largest:
            raise OSError(f"it has more than {largest} bytes, which such a file never has")

    if urlsplit(url).hostname == "drive.google.com":  # which asks back where a file is large
        gdown.download(url, file, use_cookies=False, timeout=_SECONDS, progress=bound)
        return
    with _Progress(bound) as progress:
        fetch = pooch.HTTPDownloader(progressbar=progress, timeout=_SECONDS, hooks={"response": _refuse_redirect})
        fetch(url, file, None)


class _Progress(tqdm):  # type: ignore[type-arg]
    """Shows how far a download is, and stops one that has no end."""

    def __init__(self, bound: Callable[[int], None]) -> None:
        super().__init__(unit="B", unit_scale=True)
        self._bound = bound

    def __bool__(self) -> bool:  # of tqdm's, false where no length is known, when pooch would leave it out
        return True

    def update(self, n: float | None = 1) -> bool | None:
        self._bound(int(self.n + (n or 0)))
        return super().update(n)


def _refuse_redirect(response: Any, **_: object) -> None:
    """Called for each answer, before where it leads is asked."""
    target = urljoin(response.url, response.headers.get("Location", ""))
    if response.is_redirect and not (is_https(target) or (is_local(target) and is_local(response.url))):
        raise OSError(f"it leads to {target}, which is no https link")
