"""The page for people: files that a browser needs, and nothing from elsewhere. What it shows, it reads with a key."""

from collections.abc import Callable
from importlib.resources import files

from fastapi import FastAPI
from starlette.responses import Response

__all__ = ["add_dashboard"]

_FILES = {
    "/": ("dashboard.html", "text/html; charset=utf-8"),
    "/dashboard.js": ("dashboard.js", "text/javascript; charset=utf-8"),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
}


def add_dashboard(app: FastAPI) -> None:
    """Serve the page; it holds no data, so that it takes no key."""
    for path, (name, media) in _FILES.items():
        content = files("quantray.serving").joinpath("static", name).read_bytes()
        app.add_api_route(path, _sender(content, media), methods=["GET"], include_in_schema=False)


def _sender(content: bytes, media: str) -> Callable[[], Response]:
    def send() -> Response:
        return Response(content, media_type=media, headers={"Cache-Control": "no-cache"})

    return send
