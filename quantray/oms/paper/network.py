"""A network that fails: requests that are dropped, delayed, cut off, or answered into the void."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

from quantray.oms.paper.book import Book
from quantray.oms.paper.draws import drawn

__all__ = ["LARGEST", "TRANSPORT", "FaultyNetwork", "LostError"]

TRANSPORT = "quantray.transport"
"""Key of a connection in the scope of a request, through which faults end it."""
LARGEST = 2_000_000
"""Bytes of a request."""
_DROPPED = 60.0
"""Seconds after which even a request that is never answered ends."""

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class LostError(ConnectionError):
    """The connection ended; raised where there is none to end, as in tests without a network."""


class FaultyNetwork:
    """Faults on the way to an application, each by its own draw; commands and health are spared."""

    def __init__(self, app: App, book: Book) -> None:
        self._app, self._book = app, book
        self._seen: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer a request, or let a fault fall on it."""
        faults = self._book.faults
        spared = scope["type"] != "http" or scope["path"].startswith(("/v1/admin", "/health"))
        if spared or not (faults.drop or faults.delay or faults.disconnect or faults.lose):
            await self._app(scope, receive, send)
            return
        body, again = await _replayed(receive)
        falls = self._falls(scope, body)
        if falls("drop"):
            with suppress(TimeoutError):
                await asyncio.wait_for(receive(), _DROPPED)
        if falls("drop") or falls("disconnect"):
            await _cut(scope)
            return
        if falls("delay"):
            await asyncio.sleep(faults.delay_ms / 1000)
        lost = falls("lose")
        await self._app(scope, again, _nowhere if lost else send)
        if lost:
            await _cut(scope)

    def _falls(self, scope: Scope, body: bytes) -> Callable[[str], bool]:
        """Whether a fault falls on a request: by what is asked, and how often it was."""
        asked = hashlib.blake2b(f"{scope['method']} {scope['raw_path']!r} {scope['query_string']!r}".encode() + body)
        name = asked.hexdigest()
        self._seen[name] += 1
        faults, seed, count = self._book.faults, self._book.rules.seed, self._seen[name]

        def falls(fault: str) -> bool:
            chance: float = getattr(faults, fault)
            return chance > 0 and drawn(seed, fault, name, count) < chance

        return falls


async def _replayed(receive: Any) -> tuple[bytes, Any]:
    """The body of a request, and a function that gives it once more."""
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False) and sum(map(len, parts)) <= LARGEST
    body = b"".join(parts)
    given = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def again() -> Any:
        return next(given, None) or await receive()

    return body, again


async def _cut(scope: Scope) -> None:
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise LostError("the connection ended")
    transport.abort()
    # The server learns of it in the next round of its loop, and then does not answer in our place.
    await asyncio.sleep(0)
    await asyncio.sleep(0)


async def _nowhere(_message: object) -> None:
    pass
