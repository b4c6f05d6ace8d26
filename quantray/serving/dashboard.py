"""The pages for people: files that a browser needs, nothing from elsewhere. What they show, they read with a key."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import Response

__all__ = ["add_dashboard"]

_HTML, _SCRIPT = "text/html; charset=utf-8", "text/javascript; charset=utf-8"
_BOOKS = {
    "/": ("dashboard.html", _HTML),
    "/page.js": ("page.js", _SCRIPT),
    "/dashboard.js": ("dashboard.js", _SCRIPT),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
}
_ORDERS = {
    "/risk": ("risk.html", _HTML),
    "/risk.js": ("risk.js", _SCRIPT),
    "/manager": ("manager.html", _HTML),
    "/manager.js": ("manager.js", _SCRIPT),
}


def add_dashboard(app: FastAPI, *, orders: bool = False) -> None:
    """Serve the page of books, and with orders those of risk officers and managers; none holds data or takes a key."""
    for path, (name, media) in (_BOOKS | _ORDERS if orders else _BOOKS).items():
        content = files("quantray.serving").joinpath("static", name).read_bytes()
        app.add_api_route(path, _sender(content, media), methods=["GET"], include_in_schema=False)


def _sender(content: bytes, media: str) -> Callable[[], Response]:
    def send() -> Response:
        return Response(content, media_type=media, headers={"Cache-Control": "no-cache"})

    return send
