"""Server-sent events: whoever listens hears of each new book."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from starlette.responses import Response, StreamingResponse

from quantray.serving.problems import ProblemError
from quantray.serving.routes.service import PROBLEMS, Service, scoped

__all__ = ["add_events"]

_MOST_STREAMS = 32
_HEARTBEAT = 15.0


def add_events(app: FastAPI, service: Service) -> None:
    """Add the route of events."""

    @app.get(
        "/v1/events",
        tags=["books"],
        response_class=StreamingResponse,
        responses={
            **PROBLEMS,
            200: {"content": {"text/event-stream": {}}, "description": "An event for each new book."},
        },
        **scoped("read"),
    )
    async def events() -> Response:
        """Server-sent events: one for the book that is served, and one whenever another takes its place."""
        if service.streams >= _MOST_STREAMS:
            raise ProblemError(503, "too many listen for events already.", {"Retry-After": "60"})
        return StreamingResponse(
            _events(service), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )


async def _events(service: Service) -> AsyncIterator[bytes]:
    service.streams += 1
    try:
        last, quiet = None, 0.0
        while True:
            served = service.books.state.served
            if served is not None and served.version != last:
                last, quiet = served.version, 0.0
                said = {"as_of": str(served.book.as_of), "version": served.version}
                yield f"event: book\nid: {served.version}\ndata: {json.dumps(said)}\n\n".encode()
            elif quiet >= _HEARTBEAT:
                quiet = 0.0
                yield b": still here\n\n"
            await asyncio.sleep(min(service.settings.poll_seconds, _HEARTBEAT))
            quiet += service.settings.poll_seconds
    finally:
        service.streams -= 1
