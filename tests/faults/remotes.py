"""A remote that stops half-way: a server that closes its connections, a folder whose disk is full."""

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.faults.engine import refused, run
from tests.faults.trial import Fault, Room, mounted
from tests.project import Project

_PIECE = 1 << 16
_FULL = 32 << 20
"""Bytes of a disk that does not hold what is pushed."""


@dataclass
class Store:
    """What a server holds, and how many bytes more it takes or gives."""

    objects: dict[str, bytes] = field(default_factory=dict)
    left: int = 1 << 60
    moved: int = 0

    def pass_(self, count: int) -> None:
        """Count bytes; ConnectionError where it stops."""
        self.moved += count
        self.left -= count
        if self.left < 0:
            raise ConnectionAbortedError


class Handler(BaseHTTPRequestHandler):
    """Takes and gives whole objects, or closes the connection."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_POST(self) -> None:
        store, length = self.server.store, int(self.headers.get("Content-Length") or -1)
        data = b"".join(self._chunks(store) if length < 0 else self._pieces(store, length))
        store.objects[self.path] = data
        self._answer(200, b"")

    def do_GET(self) -> None:
        data = self.server.store.objects.get(self.path)
        self._answer(404 if data is None else 200, data or b"")

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass

    def _pieces(self, store: Store, length: int) -> Iterator[bytes]:
        while length:
            piece = self.rfile.read(min(length, _PIECE))
            store.pass_(len(piece))
            length -= len(piece)
            yield piece

    def _chunks(self, store: Store) -> Iterator[bytes]:
        while length := int(self.rfile.readline(), 16):
            yield from self._pieces(store, length)
            self.rfile.readline()
        self.rfile.readline()

    def _answer(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            for start in range(0, len(data), _PIECE):
                piece = data[start : start + _PIECE]
                self.server.store.pass_(len(piece))
                self.wfile.write(piece)


class Server(ThreadingHTTPServer):
    """On this machine, on any free port."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = Store()

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    """A server at work."""
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def faults() -> Iterator[Fault]:
    """Of a push and of a pull, at random bytes."""
    for number in (1, 2):
        yield Fault(f"push to a server that stops, {number}", partial(stop_server, pull=False))
        yield Fault(f"pull from a server that stops, {number}", partial(stop_server, pull=True))
    yield Fault("push to a folder on a full disk", fill_folder)


def stop_server(room: Room, pull: bool) -> None:
    """The next push or pull fetches the rest, and a colleague has all that was pushed."""
    project = room.finished()
    project.commit("results")
    with serving() as server:
        project.run("dvc", "remote", "add", "--default", "store", f"http://127.0.0.1:{server.server_port}/store")
        project.commit("remote")
        if not pull:
            server.store.left = room.rng.randrange(50 << 20)
            refused(project, "dvc", "push", names="ERROR: failed to")
            server.store.left = 1 << 60
        project.run("dvc", "push")
        colleague = _clone(room, project)
        if pull:
            server.store.left = room.rng.randrange(50 << 20)
            refused(colleague, "dvc", "pull", names="ERROR: failed to")
            server.store.left = 1 << 60
        _pull(room, colleague)


def fill_folder(room: Room) -> None:
    """Make room, and push again."""
    project = room.finished()
    project.commit("results")
    with mounted("tmpfs", f"size={_FULL}", "none", room.folder / "small") as disk:
        project.run("dvc", "remote", "add", "--default", "store", str(disk / "store"))
        project.commit("remote")
        refused(project, "dvc", "push", names="No space left on device")
        subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
        project.run("dvc", "push")
        _pull(room, _clone(room, project))


def _clone(room: Room, project: Project) -> Project:
    root: Path = room.folder / "colleague"
    project.run("git", "clone", "-q", str(project.root), str(root))
    colleague = Project(root)
    colleague.environment = project.environment
    return colleague


def _pull(room: Room, colleague: Project) -> None:
    colleague.run("dvc", "pull")
    said = run(colleague, "dvc")
    assert said.count("Running stage") == said.count("Running stage 'decode@sample'") == 1, said
    room.assert_same(colleague)
