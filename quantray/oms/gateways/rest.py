"""A way to the paper venue, and the form of all ways that speak HTTP: nothing is sent twice, and nonsense is no answer.

An order goes out once. Where no connection came about nothing was sent; whatever else goes wrong the venue may have it,
and only asking tells. Reports are asked for again and again, from the last one that the sink has booked.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2 as httpx
from pydantic import BaseModel

from quantray.errors import InputError, first_line
from quantray.oms.gateways.protocol import NotSentError, Sink, UnsureError
from quantray.oms.messages import Holdings, NewOrder, Report, Route, VenueOrder
from quantray.oms.wire import (
    AnswerSheet,
    HoldingsSheet,
    OrderSheet,
    ReportsSheet,
    StatusSheet,
    read_sheet,
)

__all__ = ["Reply", "RestGateway", "Wire"]

S = TypeVar("S", bound=BaseModel)

_LOG = logging.getLogger("quantray.oms")

_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""What happens before a byte of a request leaves."""

_LARGEST = 8_000_000
"""Bytes of an answer."""
_LONGEST_WAIT = 20.0
_BACKOFF = (0.05, 5.0)
"""Seconds between looks at a venue that does not answer: the first, and the longest."""


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
        self._http = httpx.Client(
            base_url=address,
            headers=dict(headers),
            timeout=httpx.Timeout(seconds, connect=min(seconds, 2.0), pool=seconds),
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
            timeout = httpx.Timeout(limit, connect=min(self._seconds, 2.0), pool=self._seconds)
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
                return Reply(where, answer.status_code, b"".join(parts))
        except _NEVER_LEFT as error:
            raise NotSentError(f"{where}: no connection ({first_line(error)}); try again or another way.") from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            told = first_line(error) or type(error).__name__
            raise UnsureError(f"{where}: no answer ({told}); ask what became of it.") from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


class RestGateway:
    """Orders to the paper venue over HTTP; see ``protocol``.

    Parameters
    ----------
    key : that the venue asks for, if it does.

    Otherwise takes and raises as ``Wire``.
    """

    def __init__(
        self,
        address: str,
        key: str | None = None,
        *,
        seconds: float = 5.0,
        connections: int = 16,
        wait: float = _LONGEST_WAIT,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._wire = Wire(address, headers, seconds=seconds, connections=connections, transport=transport)
        self._wait = wait
        self._listening = Listening(self._next)

    @property
    def route(self) -> Route:
        """The name of the way."""
        return "rest"

    def ready(self) -> bool:
        """Whether the venue answers now."""
        try:
            return self._wire.sent("GET", "/health").status == 200
        except (NotSentError, UnsureError):
            return False

    def send(self, order: NewOrder) -> None:
        """Hand an order over, once; see ``protocol``."""
        reply = self._wire.sent("POST", "/v1/orders", content=_sheet(order).model_dump(mode="json"))
        self._settled(order.id, reply, "taken", "rejected")

    def cancel(self, order: NewOrder) -> None:
        """Ask that an order end; see ``protocol``."""
        _sheet(order)
        self._settled(order.id, self._wire.sent("POST", f"/v1/orders/{order.id}/cancel"), "taken")

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        """What the venue knows of an order; see ``protocol``."""
        method, path = ("POST", f"/v1/orders/{_part(order)}/void") if void else ("GET", f"/v1/orders/{_part(order)}")
        sheet = self._asked(method, path, StatusSheet)
        if sheet.order != order or sheet.known != (sheet.state is not None):
            raise UnsureError(f"{self._wire.address} answered for another order than {order}; ask again.")
        return sheet.content()

    def holdings(self, account: str) -> Holdings:
        """What the venue holds for an account; see ``protocol``."""
        sheet = self._asked("GET", f"/v1/holdings/{_part(account)}", HoldingsSheet)
        if sheet.account != account:
            raise UnsureError(f"{self._wire.address} answered for another account than {account}; ask again.")
        return sheet.content()

    def listen(self, sink: Sink, after: int) -> None:
        """Give all reports to a sink from now on, in a thread; see ``protocol``."""
        self._listening.start(sink, after)

    def close(self) -> None:
        """End listening and connections."""
        self._listening.close()
        self._wire.close()

    def _asked(self, method: str, path: str, sheet: type[S], *, patience: float = 0.0, **query: Any) -> S:
        """An answer to a question, which may be asked again at will."""
        try:
            reply = self._wire.sent(method, path, patience=patience, **query)
        except NotSentError as error:
            raise UnsureError(str(error)) from error
        if reply.status != 200:
            raise UnsureError(f"{reply.where} answered {reply.status}; ask again.")
        return reply.read(sheet)

    def _settled(self, order: str, reply: Reply, *good: str) -> None:
        answer = reply.read(AnswerSheet)
        if answer.code == "refused" and reply.status in (401, 413, 422):
            raise NotSentError(f"{reply.where}: the venue refused it unread ({answer.text}); mend that first.")
        if answer.order != order or answer.code not in good:
            raise UnsureError(f"{reply.where}: {order} is {answer.code} ({answer.text}); ask for its status.")

    def _next(self, after: int) -> Sequence[Report]:
        sheet = self._asked("GET", "/v1/reports", ReportsSheet, patience=self._wait, after=after, wait=self._wait)
        if sheet.last < after:
            raise UnsureError(
                f"{self._wire.address} counts {sheet.last} reports where {after} were booked: it has lost its state; "
                "bring that back before trading on."
            )
        return _in_turn([one.report() for one in sheet.reports], after)


class Listening:
    """A thread that takes reports to a sink, and goes on from the last that was booked whatever happens.

    Parameters
    ----------
    following : gives the next reports after one, or none after a while; raises ``UnsureError``.
    """

    def __init__(self, following: Callable[[int], Sequence[Report]]) -> None:
        self._following = following
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, sink: Sink, after: int) -> None:
        """Begin; raises ``InputError`` where it has begun."""
        if self._thread is not None:
            raise InputError("this gateway listens already; make another one to listen elsewhere.")
        self._thread = threading.Thread(target=self._run, args=(sink, after), name="reports", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End, at the latest when the venue has answered."""
        self._ended.set()

    def _run(self, sink: Sink, after: int) -> None:
        pause, longest = _BACKOFF
        while not self._ended.is_set():
            try:
                reports = self._following(after)
                if reports and not self._ended.is_set():
                    sink(reports)
                    after = max(after, reports[-1].sequence)
                pause = _BACKOFF[0]
            except Exception as error:  # noqa: BLE001  (whatever the sink meets, these reports must come again)
                if self._ended.is_set():
                    return
                _LOG.warning("reports after %d did not get through: %s", after, first_line(error))
                self._ended.wait(pause)
                pause = min(2 * pause, longest)


def _sheet(order: NewOrder) -> OrderSheet:
    try:
        return OrderSheet.of(order)
    except InputError as error:
        raise NotSentError(str(error)) from error


def _part(name: str) -> str:
    return quote(name, safe="")


def _in_turn(reports: Sequence[Report], after: int) -> Sequence[Report]:
    """Those that follow one another from the next one on; raises ``UnsureError`` where that one is missing."""
    turn: list[Report] = []
    for report in sorted(reports, key=lambda one: one.sequence):
        if report.sequence == after + len(turn) + 1:
            turn.append(report)
    if reports and not turn:
        raise UnsureError(f"reports come from {min(one.sequence for one in reports)} on, and {after + 1} is missing.")
    return turn
