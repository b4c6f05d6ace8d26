"""One request over HTTP, sent once: what surely never left, what may have, and answers that came whole."""

import json
import math
import time
from collections.abc import Mapping
from typing import Any, TypeVar

import httpx2 as httpx
from pydantic import BaseModel

from quantray.errors import InputError, first_line
from quantray.oms.gateways.protocol import NotSentError, UnsureError
from quantray.oms.wire import read_sheet

__all__ = ["Reply", "Wire"]

S = TypeVar("S", bound=BaseModel)

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""What happens before a byte of a request leaves."""

_LARGEST = 8_000_000
"""Bytes of an answer."""
_TO_CONNECT = 2.0
"""Seconds at most."""
_A_MOMENT = 0.5
"""Seconds for which a venue that answered is not asked whether it would."""


class Reply:
    """An answer that came whole."""

    def __init__(self, where: str, status: int, content: bytes) -> None:
        self.where, self.status, self.content = where, status, content

    def read(self, sheet: type[S]) -> S:
        """What it says; raises ``UnsureError`` where that is nonsense."""
        try:
            return read_sheet(sheet, self.content)
        except ValueError as error:
            raise UnsureError(f"{self.where} answered {self.status} with nonsense ({error}); ask again.") from error


class Wire:
    """Requests over a bounded pool of connections, each sent once.

    Parameters
    ----------
    address : such as ``http://127.0.0.1:8700``.
    headers : with what secrets the venue asks for; they are written nowhere.
    seconds : for an answer.
    transport : for tests.

    Raises
    ------
    InputError
        The address is none.
    """

    def __init__(
        self,
        address: str,
        headers: Mapping[str, str],
        *,
        seconds: float = 5.0,
        connections: int = 16,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        if not address.startswith(("http://", "https://")):
            raise InputError(f"{address!r} is no address of a venue; write it as http://HOST:PORT.")
        self.address, self._seconds = address, seconds
        self._heard = -math.inf
        self._http = httpx.Client(
            base_url=address,
            headers=dict(headers),
            timeout=httpx.Timeout(seconds, connect=min(seconds, _TO_CONNECT), pool=seconds),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            follow_redirects=False,
            trust_env=False,
            transport=transport,
        )

    def sent(self, method: str, path: str, *, content: object = None, patience: float = 0.0, **query: Any) -> Reply:
        """One request and its answer.

        Parameters
        ----------
        patience : seconds that the venue may take beyond the usual.

        Raises
        ------
        NotSentError
            No connection came about.
        UnsureError
            Something went wrong after that.
        """
        where = f"{method} {self.address}{path}"
        body = None if content is None else json.dumps(content).encode()
        limit = self._seconds + patience
        until = time.monotonic() + limit
        try:
            timeout = httpx.Timeout(limit, connect=min(self._seconds, _TO_CONNECT), pool=self._seconds)
            headers = {"Content-Type": "application/json"} if body else {}
            with self._http.stream(
                method, path, content=body, params=query or None, headers=headers, timeout=timeout
            ) as answer:
                parts, size = [], 0
                for part in answer.iter_bytes():
                    parts.append(part)
                    size += len(part)
                    if size > _LARGEST or time.monotonic() > until:
                        raise UnsureError(f"{where} answers without end; ask again.")
                self._heard = time.monotonic()
                return Reply(where, answer.status_code, b"".join(parts))
        except _NEVER_LEFT as error:
            self._heard = -math.inf
            raise NotSentError(f"{where}: no connection ({first_line(error)}); try again or another way.") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            self._heard = -math.inf
            told = first_line(error) or type(error).__name__
            raise UnsureError(f"{where}: no answer ({told}); ask what became of it.") from error

    def answers(self, path: str) -> bool:
        """Whether the venue answers now: it did a moment ago, or a question there is answered well."""
        if time.monotonic() - self._heard < _A_MOMENT:
            return True
        try:
            return self.sent("GET", path).status == 200
        except (NotSentError, UnsureError):
            return False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
