"""Who may call what, and how often."""

import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from quantray.serving.auth import KeyRing, Principal, Scope
from quantray.serving.problems import ProblemError

__all__ = ["SCOPE", "Access", "Allowance", "guarded"]

SCOPE = "x-scope"
"""What a route's entry in the OpenAPI document says of the scope that it takes."""

_MOST_NAMES = 10_000
_ANYBODY = Principal("-", "anybody", frozenset({"read"}))


class Allowance:
    """So many calls a minute for each of some names, refilled as time goes by; forgets who has not called for long."""

    def __init__(self, per_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = per_minute / 60, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, name: str) -> float:
        """Seconds to wait before a call; 0 where it may be made, which takes one from what is left."""
        now, most = self._clock(), 60 * self._rate
        left, since = self._left.get(name, (most, now))
        left = min(most, left + (now - since) * self._rate)
        allowed = left >= 1
        self._left[name] = (left - 1 if allowed else left, now)
        self._left.move_to_end(name)
        while len(self._left) > _MOST_NAMES:
            self._left.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate


class Access:
    """Who may come in: whoever has a key with a scope, not too often.

    Parameters
    ----------
    everybody : whether reading takes no key.
    """

    def __init__(self, keys: KeyRing, *, per_minute: int, failures: int, everybody: bool = False) -> None:
        self._keys, self._everybody = keys, everybody
        self._calls, self._failures = Allowance(per_minute), Allowance(failures)

    def admit(self, request: Request, scope: Scope) -> Principal:
        """Who calls; reads nothing but the headers.

        Raises
        ------
        ProblemError
            No key, one without the scope, or too many calls.
        """
        who = self._who(request)
        request.scope["quantray_principal"] = who
        if scope not in who.scopes:
            raise ProblemError(403, f"this key has no scope {scope}; ask for one that has.")
        wait = self._calls.wait(who.id)
        if wait:
            raise ProblemError(429, "this key calls too often; wait a little.", {"Retry-After": str(int(wait) + 1)})
        return who

    def _who(self, request: Request) -> Principal:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        if not text and self._everybody:
            return _ANYBODY
        who = self._keys.principal(text.strip()) if kind.lower() == "bearer" else None
        if who is None:
            # Many may stand behind one address: those who have a key are not held up by those who have none.
            wait = self._failures.wait(request.client.host if request.client else "-")
            if wait:
                raise ProblemError(429, "too many calls without a valid key.", {"Retry-After": str(int(wait) + 1)})
            raise ProblemError(
                401, "send a valid key as `Authorization: Bearer ID.SECRET`.", {"WWW-Authenticate": "Bearer"}
            )
        return who


def guarded(access: Access) -> type[APIRoute]:
    """Routes that let nobody in before the body of a request is read: a stranger's content is nothing to look at."""

    class Guarded(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            """As FastAPI makes it, behind the check."""
            answer, scope = super().get_route_handler(), (self.openapi_extra or {}).get(SCOPE)

            async def handle(request: Request) -> Response:
                if scope is not None:
                    access.admit(request, scope)
                return await answer(request)

            return handle

    return Guarded
