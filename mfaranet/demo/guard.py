"""What lies around the demo's answers, so that pages of other sites can neither use nor show them."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; img-src data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Guard:
    """Answers what a browser asks for this page, and links to it; not what it asks for a page of another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As Starlette calls it."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        if _is_foreign(scope):
            await PlainTextResponse("this page is for itself alone\n", 403)(scope, receive, guarded)
        else:
            await self._app(scope, receive, guarded)


def _is_foreign(scope: Scope) -> bool:
    """Whether a page of another site asks, by what browsers say themselves and no page can change."""
    asked = Headers(scope=scope)
    if asked.get("sec-fetch-site", "none") in ("none", "same-origin"):
        return False
    return not (scope["method"] == "GET" and asked.get("sec-fetch-mode") == "navigate")
