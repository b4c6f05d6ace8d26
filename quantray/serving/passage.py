"""What every request passes: an id, a bound on its size, headers for its answer, a count, and a line of audit."""

import json
import logging
import time
import uuid
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from quantray.serving.auth import Principal
from quantray.serving.problems import problem

__all__ = ["Passage", "audit_log"]

audit_log = logging.getLogger("quantray.serving.audit")
"""Who read what: one JSON object a request, without anything that was sent."""

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)
_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Passage:
    """Wraps an application; measures go to a registry."""

    def __init__(self, app: ASGIApp, *, largest_body: int, registry: CollectorRegistry) -> None:
        self._app, self._largest = app, largest_body
        self._requests = Counter("quantray_requests", "Requests answered", ["route", "status"], registry=registry)
        self._seconds = Histogram(
            "quantray_request_seconds", "Time to answer", ["route"], registry=registry, buckets=_BUCKETS
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        identity, begun, status = uuid.uuid4().hex[:16], time.monotonic(), 500
        scope["quantray_request_id"] = identity
        body, refused = _Body(receive, self._largest), False

        async def answer(message: Message) -> None:
            nonlocal status
            if body.is_over and not refused:
                return
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message["headers"], *_HEADERS, (b"x-request-id", identity.encode())]}
            await send(message)

        try:
            if _announced(scope) <= self._largest:
                await self._app(scope, body, answer)
            else:
                body.is_over = True
            if body.is_over:
                refused = True
                detail = f"a request has at most {self._largest:,} bytes; ask for less at a time."
                await problem(identity, 413, detail)(scope, receive, answer)
        finally:
            self._note(scope, identity, status, time.monotonic() - begun)

    def _note(self, scope: Scope, identity: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        self._requests.labels(route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        who: Principal | None = scope.get("quantray_principal")
        line = {
            "request": identity,
            "key": who.id if who else None,
            "name": who.name if who else None,
            "pm": who.pm if who else None,
            "method": scope["method"],
            "route": route,
            "day": (scope.get("path_params") or {}).get("day"),
            "status": status,
            "ms": round(1000 * seconds, 1),
        }
        audit_log.info(json.dumps(line, default=str))


class _Body:
    """Receives a request up to a size; a larger one ends as if its sender had gone."""

    def __init__(self, receive: Receive, largest: int) -> None:
        self._receive, self._left, self.is_over = receive, largest, False

    async def __call__(self) -> MutableMapping[str, Any]:
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        self.is_over = self._left < 0
        return {"type": "http.disconnect"} if self.is_over else message


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:18])
    return 0
