"""A way to the paper venue over HTTP: nothing is sent twice, and nonsense is no answer.

An order goes out once. Where no connection came about nothing was sent; whatever else goes wrong the venue may have it,
and only asking tells. Reports are asked for again and again, from the last one that the sink has booked.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import httpx2 as httpx
from pydantic import BaseModel

from quantray.errors import InputError
from quantray.oms.gateways.listening import Listening
from quantray.oms.gateways.protocol import Failure, NotSentError, Sink, UnsureError, one_by_one
from quantray.oms.gateways.sending import Reply, Wire
from quantray.oms.messages import Holdings, NewOrder, Report, Route, Unreadable, VenueOrder
from quantray.oms.wire import (
    BATCH,
    Answered,
    AnswerSheet,
    HoldingsSheet,
    OrderSheet,
    ReportsSheet,
    StatusSheet,
)

__all__ = ["RestGateway"]

S = TypeVar("S", bound=BaseModel)

_LONGEST_WAIT = 20.0
"""Seconds that a question for reports stays open."""


_TAKEN = ("taken", "rejected")
_UNREAD = (401, 413, 422)
"""Status of a request that never came to the book."""


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
        return self._wire.answers("/health")

    def send(self, order: NewOrder) -> None:
        """Hand an order over, once; see ``protocol``."""
        reply = self._wire.sent("POST", "/v1/orders", content=_sheet(order).model_dump(mode="json"))
        self._settled(order.id, reply, *_TAKEN)

    def send_all(self, orders: Sequence[NewOrder]) -> Sequence[Failure | None]:
        """Hand orders over in one request; see ``protocol``."""
        if len(orders) < 2 or len(orders) > BATCH:
            return one_by_one(self.send, orders)
        try:
            sheets = [_sheet(order).model_dump(mode="json") for order in orders]
            reply = self._wire.sent("POST", "/v1/orders/batch", content={"orders": sheets})
            if reply.status in _UNREAD:
                _refused(reply)
            answers = reply.read(Answered).answers
            if reply.status != 200 or [answer.order for answer in answers] != [order.id for order in orders]:
                raise UnsureError(f"{reply.where} answered for other orders than it was sent; ask for their status.")
        except NotSentError as failure:
            return [NotSentError(str(failure)) for _ in orders]
        except UnsureError as failure:
            return [UnsureError(str(failure)) for _ in orders]
        return [None if answer.code in _TAKEN else _doubt(reply, answer) for answer in answers]

    def cancel(self, order: NewOrder) -> None:
        """Ask that an order end; see ``protocol``."""
        _sheet(order)
        self._settled(order.id, self._wire.sent("POST", "/v1/orders/cancel", order=order.id), "taken")

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        """What the venue knows of an order; see ``protocol``."""
        method, path = ("POST", "/v1/orders/void") if void else ("GET", "/v1/orders")
        sheet = self._asked(method, path, StatusSheet, order=order)
        if sheet.order != order or sheet.known != (sheet.state is not None):
            raise UnsureError(f"{self._wire.address} answered for another order than {order}; ask again.")
        return sheet.content()

    def holdings(self, account: str) -> Holdings:
        """What the venue holds for an account; see ``protocol``."""
        sheet = self._asked("GET", "/v1/holdings", HoldingsSheet, account=account)
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
        if reply.status in _UNREAD:
            _refused(reply)
        answer = reply.read(AnswerSheet)
        if reply.status != 200 or answer.order != order or answer.code not in good:
            raise _doubt(reply, answer)

    def _next(self, after: int) -> Sequence[Report | Unreadable]:
        sheet = self._asked("GET", "/v1/reports", ReportsSheet, patience=self._wait, after=after, wait=self._wait)
        if sheet.last < after:
            raise UnsureError(
                f"{self._wire.address} counts {sheet.last} reports where {after} were booked: it has lost its state; "
                "bring that back before trading on."
            )
        return _in_turn(sheet.content(), after, sheet.last)


def _refused(reply: Reply) -> None:
    """Raise what a venue that refused a request unread says; nothing where that is no answer of its."""
    answer = reply.read(AnswerSheet)
    if answer.code == "refused":
        raise NotSentError(f"{reply.where}: the venue refused it unread ({answer.text}); mend that first.")


def _doubt(reply: Reply, answer: AnswerSheet) -> UnsureError:
    return UnsureError(f"{reply.where}: {answer.order} is {answer.code} ({answer.text}); ask for its status.")


def _sheet(order: NewOrder) -> OrderSheet:
    try:
        return OrderSheet.of(order)
    except InputError as error:
        raise NotSentError(str(error)) from error


def _in_turn(said: Sequence[Report | Unreadable], after: int, last: int) -> Sequence[Report | Unreadable]:
    """Those that follow one another from the next one on; raises ``UnsureError`` where that one is missing.

    What cannot be read, not even its number, is the next that nobody else is, and may be of any order.
    """
    numbered: dict[int, Report | Unreadable] = {}
    nameless: list[Unreadable] = []
    for one in said:
        if isinstance(one, Report):
            numbered[one.sequence] = one
        elif after < one.sequence <= last:
            numbered.setdefault(one.sequence, one)
        else:
            nameless.append(one)
    turn: list[Report | Unreadable] = []
    while (number := after + len(turn) + 1) in numbered or (nameless and number <= last):
        turn.append(numbered[number] if number in numbered else replace(nameless.pop(0), order="", sequence=number))
    if said and not turn:
        raise UnsureError(f"reports come from {min(numbered, default=last)} on, and {after + 1} is missing.")
    return turn
