"""The server of the page: for this machine alone, without anything from elsewhere, and nothing stays on its disk."""

import json
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from mfaranet.demo.frames import frames
from mfaranet.demo.guard import Guard
from mfaranet.errors import InputError
from mfaranet.predict.outputs import check_colours
from mfaranet.predict.predictor import Predictor

_HOST = "127.0.0.1"
_LARGEST = 256 * 2**20
"""Bytes of an upload."""
_UPLOAD = "upload"
"""Its name here; one with digits OpenCV could take for the first of many pictures."""
_LOADED = 4
"""Networks that are kept in memory."""
_WARM = 256
"""Height and width in pixels of a first image, for which every network is large enough."""


class Demo:
    """What the page asks for and is answered.

    Args:
        names: of the networks that can be chosen.
        load: gives the network of a name.
        stopping: whether the server is to end.

    Raises:
        InputError: the first network cannot be loaded, or its classes have no colours.
    """

    def __init__(self, names: Sequence[str], load: Callable[[str], Predictor], stopping: Callable[[], bool]) -> None:
        self._names = names
        self._load = lru_cache(_LOADED)(lambda name: _made_ready(name, load(name)))
        self._stopping = stopping
        self._load(names[0])

    def networks(self, _: Request) -> Response:
        """The names."""
        return JSONResponse(self._names)

    def classes(self, request: Request) -> Response:
        """Names and colours of the classes of a network."""
        try:
            predictor = self._network(request)
        except InputError as error:
            return JSONResponse({"error": str(error)})
        return JSONResponse({"classes": list(zip(predictor.classes, predictor.colours, strict=True))})

    async def segment(self, request: Request) -> Response:
        """A line of JSON for each frame of the picture or video that is the body, as soon as there is one.

        What is too large is read to its end and left, as a browser would not hear what is wrong before.
        """
        folder = TemporaryDirectory(prefix="mfaranet-demo-")
        try:
            size = await _receive(request, Path(folder.name, _UPLOAD))
        except ClientDisconnect:
            folder.cleanup()
            return Response()
        return _Answer(self._lines(request, Path(folder.name, _UPLOAD), size), folder)

    def _lines(self, request: Request, path: Path, size: int) -> Iterator[str]:
        name = request.query_params.get("name", _UPLOAD)
        try:
            if size > _LARGEST:
                limit = _LARGEST // 2**20
                raise InputError(f"{name} has more than {limit} MiB; `mfaranet predict` takes files of any size")
            for frame in frames(self._network(request), path, name):
                yield json.dumps(asdict(frame)) + "\n"
                if self._stopping():
                    return
        except InputError as error:
            yield json.dumps({"error": str(error)}) + "\n"

    def _network(self, request: Request) -> Predictor:
        name = request.query_params.get("network", "")
        if name not in self._names:  # a page is no way to other files
            raise InputError(f"no network {name!r} is offered; load the page again")
        return self._load(name)


class _Answer(StreamingResponse):
    """Lines, with whose end the upload goes, also where nobody waits for them any more."""

    def __init__(self, lines: Iterator[str], folder: "TemporaryDirectory[str]") -> None:
        super().__init__(lines, media_type="application/x-ndjson")
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._folder:
            await super().__call__(scope, receive, send)


async def _receive(request: Request, path: Path) -> int:
    """Save the body, as far as it is not too large, and say how many bytes it has."""
    size = 0
    with path.open("wb") as upload:
        async for chunk in request.stream():
            size += len(chunk)
            if size <= _LARGEST:
                upload.write(chunk)
    return size


def _made_ready(name: str, predictor: Predictor) -> Predictor:
    """A network whose first image takes no longer than others."""
    check_colours(name, predictor.classes, predictor.colours)
    predictor.predict(np.zeros((_WARM, _WARM, 3), np.uint8))
    return predictor


def serve(names: Sequence[str], load: Callable[[str], Predictor], port: int, ready: Callable[[str], object]) -> None:
    """Serve the page until Ctrl-C.

    Args:
        names: as ``Demo`` takes them; so is ``load``.
        port: 0 is any free one.
        ready: is told the address, once it answers there.

    Raises:
        InputError: as ``Demo``; or the port is taken.
    """
    demo = Demo(names, load, lambda: server.should_exit)
    server = uvicorn.Server(uvicorn.Config(_app(demo), access_log=False, log_level="warning", lifespan="off"))
    with _listening(port) as listener, suppress(KeyboardInterrupt):
        ready(f"http://{_HOST}:{listener.getsockname()[1]}")
        server.run([listener])


def _app(demo: Demo) -> Starlette:
    here = Path(str(files("mfaranet")))
    routes = [
        Route("/networks", demo.networks),
        Route("/classes", demo.classes),
        Route("/segment", demo.segment, methods=["POST"]),
        Route("/report.css", lambda _: FileResponse(here / "report/report.css")),
        Mount("/", StaticFiles(directory=here / "demo/page", html=True)),
    ]
    # The name of another site may be made to mean this machine.
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=[_HOST, "localhost"])
    return Starlette(routes=routes, middleware=[Middleware(Guard), hosts])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        raise InputError(f"--port {port}: {os.strerror(error.errno or 0)}; 0 takes any free one") from None
