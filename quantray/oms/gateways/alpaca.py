"""A way to Alpaca, whose paper account is free: its orders, fills and positions in our form, its decimals exact.

Alpaca has one account to a key, routes orders itself, and numbers no reports: its orders and fills since a moment are
looked at again and again, and what the sink has taken is not given again by the same gateway. It differs from the paper
venue in three points. It forgets no id, but promises nothing of one that it does not know, so that such an order counts
as unknown until some time after it could have been sent. What its replacing counts as filled is left open, so that an
order is cancelled and another sent instead. Trade busts do not come as reports; holdings show them.

Source: docs.alpaca.markets, Trading API v2 (orders, account activities, positions).
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, TypeVar

import httpx2 as httpx
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.gateways.listening import Listening
from quantray.oms.gateways.protocol import NotSentError, Sink, UnsureError
from quantray.oms.gateways.sending import Reply, Wire
from quantray.oms.messages import Holdings, NewOrder, Report, ReportKind, Route, VenueOrder, money, price_of
from quantray.oms.states import State

__all__ = ["PAPER", "VENUE", "AlpacaGateway"]

T = TypeVar("T")

PAPER = "https://paper-api.alpaca.markets"
VENUE = "ALPACA"
"""What orders name as their venue; together with the id of an activity it makes a fill unique."""

_PAGE = 100
_ORDERS = 500
_MOST_PAGES = 1000
_REFUSED = (400, 403, 422)
"""With an error of Alpaca's own: no order came about, and none will."""
_LATER = (401, 429)
"""The same, for a key that does not fit or for too many requests: it may be tried again."""

_STATES = MappingProxyType(
    {
        "partially_filled": State.PARTIAL,
        "filled": State.FILLED,
        "canceled": State.CANCELED,
        "replaced": State.CANCELED,
        "expired": State.EXPIRED,
        "rejected": State.REJECTED,
        "pending_cancel": State.CANCEL_PENDING,
    }
)
_OPEN = frozenset(
    {
        "new",
        "accepted",
        "pending_new",
        "accepted_for_bidding",
        "stopped",
        "suspended",
        "calculated",
        "held",
        "pending_replace",
        "done_for_day",
    }
)
"""An order that is done for the day ends only as it expires."""
_ENDS = MappingProxyType(
    {
        State.CANCELED: ReportKind.CANCELED,
        State.EXPIRED: ReportKind.EXPIRED,
        State.REJECTED: ReportKind.REJECTED,
    }
)

Number = Annotated[str, Field(max_length=40, pattern=r"^-?\d+(\.\d+)?$")]
Name = Annotated[str, Field(min_length=1, max_length=128)]
Stamp = Annotated[str, Field(max_length=40, pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")]


class _Sheet(BaseModel):
    # Alpaca adds fields as it goes on.
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class _Problem(_Sheet):
    code: int
    message: Annotated[str, Field(max_length=600)]


class _Order(_Sheet):
    id: Name
    client_order_id: Name
    status: Name
    filled_qty: Number
    submitted_at: Stamp
    updated_at: Stamp | None = None

    @property
    def filled(self) -> int:
        return _shares(self.filled_qty)

    @property
    def state(self) -> State:
        if self.status in _OPEN:
            return State.PARTIAL if self.filled else State.ACKED
        if self.status not in _STATES:
            raise UnsureError(f"Alpaca calls order {self.client_order_id} {self.status!r}, which is no state.")
        return _STATES[self.status]


class _Fill(_Sheet):
    id: Name
    order_id: Name
    price: Number
    qty: Number
    cum_qty: Number
    transaction_time: Stamp

    def report(self, order: str) -> Report:
        return Report(
            kind=ReportKind.FILL,
            order=order,
            venue=VENUE,
            exec_id=self.id,
            quantity=_shares(self.qty),
            price=_money(self.price),
            filled=_shares(self.cum_qty),
            time=self.transaction_time,
        )


class _Position(_Sheet):
    symbol: Name
    qty: Number


class _Account(_Sheet):
    cash: Number


_ORDER_LIST = TypeAdapter(Annotated[list[_Order], Field(max_length=_ORDERS)])
_FILL_LIST = TypeAdapter(Annotated[list[_Fill], Field(max_length=_PAGE)])
_POSITIONS = TypeAdapter(Annotated[list[_Position], Field(max_length=100_000)])


class AlpacaGateway:
    """Orders to an account at Alpaca; see ``protocol`` and the module.

    Parameters
    ----------
    account : our name for the account of the key.
    key, secret : as Alpaca gives them.
    since : of orders and fills that are looked at; with a zone.
    idle : seconds between looks.
    settle_seconds : after which an order that Alpaca does not know is believed never to come.
    clock : for tests.

    Raises
    ------
    InputError
        The address is none, or the moment has no zone.
    """

    def __init__(
        self,
        account: str,
        key: str,
        secret: str,
        *,
        since: datetime,
        address: str = PAPER,
        seconds: float = 10.0,
        idle: float = 1.0,
        settle_seconds: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if since.tzinfo is None:
            raise InputError(f"since {since} has no zone; give it in UTC.")
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}
        self._wire = Wire(address, headers, seconds=seconds, transport=transport)
        self._account, self._since = account, since.isoformat()
        self._settle, self._clock = settle_seconds, clock
        self._began = clock()
        self._sent: dict[str, float] = {}
        self._refused: dict[str, str] = {}
        """By our id, why there is no such order."""
        self._taken = self._offered = _Seen()
        self._listening = Listening(self._next, booked=self._booked, idle=idle)

    @property
    def route(self) -> Route:
        """The name of the way."""
        return "rest"

    def ready(self) -> bool:
        """Whether Alpaca answers now."""
        return self._wire.answers("/v2/clock")

    def send(self, order: NewOrder) -> None:
        """Hand an order over, once; see ``protocol``. What Alpaca refuses outright comes as a report, too."""
        if fault := self._fault(order):
            self._refused[order.id] = fault
            return
        content = _content(order)
        self._sent[order.id] = self._clock()
        reply = self._wire.sent("POST", "/v2/orders", content=content)
        self._sent[order.id] = self._clock()
        if reply.status in (*_REFUSED, *_LATER):
            problem = reply.read(_Problem)
            if "unique" in problem.message:
                raise UnsureError(f"Alpaca has an order {order.id} already; ask for its status.")
            if reply.status in _LATER:
                raise NotSentError(f"Alpaca takes no order now: {problem.message}.")
            self._refused[order.id] = problem.message[:300]
            return
        if reply.status != 200 or reply.read(_Order).client_order_id != order.id:
            raise UnsureError(f"{reply.where} answered {reply.status} for order {order.id}; ask for its status.")

    def cancel(self, order: NewOrder) -> None:
        """Ask that an order end; see ``protocol``. One that cannot be cancelled any more raises ``UnsureError``."""
        found = self._find(order.id)
        if found is None:
            raise UnsureError(f"Alpaca knows no order {order.id}; ask for its status.")
        reply = self._wire.sent("DELETE", f"/v2/orders/{found.id}")
        if reply.status != 204:
            raise UnsureError(f"{reply.where} answered {reply.status} for order {order.id}; ask for its status.")

    def status(self, order: str, *, void: bool) -> VenueOrder | None:
        """What Alpaca knows of an order; see ``protocol``."""
        found = self._find(order)
        if found is None and order in self._refused:
            return VenueOrder(order, State.REJECTED, 0)
        if found is None:
            waited = self._clock() - self._sent.get(order, self._began)
            if void and waited < self._settle:
                left = f"{self._settle - waited:.0f} s"
                raise UnsureError(f"Alpaca knows no order {order}, which may be on its way; ask again in {left}.")
            return None
        fills = [fill for fill in self._fills(order_id=found.id) if fill.order_id == found.id] if found.filled else []
        if sum(_shares(fill.qty) for fill in fills) != found.filled:
            raise UnsureError(f"Alpaca has not listed all fills of order {order} yet; ask again.")
        return VenueOrder(order, found.state, found.filled, tuple(fill.report(order) for fill in fills))

    def holdings(self, account: str) -> Holdings:
        """What Alpaca holds for the account; see ``protocol``."""
        if account != self._account:
            raise UnsureError(f"this key is of the account {self._account}, not of {account}.")
        cash = _money(self._asked("/v2/account").read(_Account).cash)
        positions = _listed(_POSITIONS, self._asked("/v2/positions"))
        shares = {position.symbol: _shares(position.qty) for position in positions}
        return Holdings(cash, {symbol: n for symbol, n in shares.items() if n})

    def listen(self, sink: Sink, after: int) -> None:
        """Give all reports to a sink from now on, in a thread; Alpaca numbers none, so ``after`` says nothing."""
        self._listening.start(sink, after)

    def close(self) -> None:
        """End listening and connections."""
        self._listening.close()
        self._wire.close()

    def _fault(self, order: NewOrder) -> str:
        """Why an order is none for Alpaca; empty where it is one."""
        if order.account != self._account:
            return f"the key is of the account {self._account}, not of {order.account}"
        if order.venue != VENUE:
            return f"orders for Alpaca name the venue {VENUE}, not {order.venue}"
        return "" if order.replaces is None else "Alpaca replaces nothing for us: cancel, and send another"

    def _asked(self, path: str, **query: Any) -> Reply:
        """An answer to a question, which may be asked again at will."""
        try:
            reply = self._wire.sent("GET", path, **query)
        except NotSentError as error:
            raise UnsureError(str(error)) from error
        if reply.status not in (200, 404):
            raise UnsureError(f"{reply.where} answered {reply.status}; ask again.")
        return reply

    def _find(self, order: str) -> _Order | None:
        reply = self._asked("/v2/orders:by_client_order_id", client_order_id=order)
        if reply.status == 404:
            # Only Alpaca itself can say that; a page that is missing does not.
            if "not found" not in reply.read(_Problem).message:
                raise UnsureError(f"{reply.where} answered 404 in words that are not Alpaca's; ask again.")
            return None
        found = reply.read(_Order)
        if found.client_order_id != order:
            raise UnsureError(f"Alpaca answered for another order than {order}; ask again.")
        return found

    def _fills(self, **query: Any) -> Iterator[_Fill]:
        for _ in range(_MOST_PAGES):
            reply = self._asked("/v2/account/activities/FILL", direction="asc", page_size=_PAGE, **query)
            page = _listed(_FILL_LIST, reply)
            yield from page
            if len(page) < _PAGE:
                return
            query["page_token"] = page[-1].id
        raise UnsureError("Alpaca lists fills without end; ask again.")

    def _orders(self) -> Iterator[_Order]:
        after = self._since
        for _ in range(_MOST_PAGES):
            reply = self._asked("/v2/orders", status="all", direction="asc", limit=_ORDERS, after=after)
            page = _listed(_ORDER_LIST, reply)
            yield from page
            if len(page) < _ORDERS:
                return
            after = page[-1].submitted_at
        raise UnsureError("Alpaca lists orders without end; ask again.")

    def _by_id(self, identity: str) -> _Order:
        reply = self._asked(f"/v2/orders/{identity}")
        if reply.status != 200:
            raise UnsureError(f"{reply.where} answered {reply.status} for an order that was filled; ask again.")
        return reply.read(_Order)

    def _next(self, _after: int) -> Sequence[Report]:
        """What is new of orders, then of fills, then of their ends, so that an end comes after the fills before it."""
        seen = self._taken.copy()
        orders = {order.id: order for order in self._orders()}
        fills = self._new_fills(orders, seen)
        first, last = [], []
        for order in orders.values():
            name, state = order.client_order_id, order.state
            if name not in seen.states and state is not State.REJECTED:
                first.append(_report(order, ReportKind.ACKED))
            if state in _ENDS and seen.states.get(name) != state:
                last.append(_report(order, _ENDS[state]))
            seen.states[name] = state
        for name, text in list(self._refused.items()):
            if name not in seen.states:
                last.append(Report(kind=ReportKind.REJECTED, order=name, venue=VENUE, text=text))
                seen.states[name] = State.REJECTED
        self._offered = seen
        return [*first, *fills, *last]

    def _new_fills(self, orders: dict[str, _Order], seen: "_Seen") -> Sequence[Report]:
        begin: dict[str, Any] = {"after": self._since} if seen.last is None else {"page_token": seen.last}
        found = [(fill, self._of(fill, orders)) for fill in self._fills(**begin)]
        seen.last = found[-1][0].id if found else seen.last
        new = [fill.report(order) for fill, order in found if seen.adds(fill)]
        # A fill may be listed late, before others that were read already.
        for order in orders.values():
            if seen.filled[order.id] < order.filled:
                late = self._fills(order_id=order.id, after=self._since)
                new += [f.report(order.client_order_id) for f in late if f.order_id == order.id and seen.adds(f)]
        return new

    def _of(self, fill: _Fill, orders: dict[str, _Order]) -> str:
        if fill.order_id not in orders:
            orders[fill.order_id] = self._by_id(fill.order_id)
        return orders[fill.order_id].client_order_id

    def _booked(self) -> None:
        self._taken = self._offered


@dataclass
class _Seen:
    """What was given to the sink: states by our id, fills by theirs, shares by Alpaca's order, the last fill listed."""

    states: dict[str, State] = field(default_factory=dict)
    fills: set[str] = field(default_factory=set)
    filled: Counter[str] = field(default_factory=Counter)
    last: str | None = None

    def copy(self) -> "_Seen":
        return _Seen(dict(self.states), set(self.fills), Counter(self.filled), self.last)

    def adds(self, fill: _Fill) -> bool:
        """Note a fill; whether it is new."""
        if fill.id in self.fills:
            return False
        self.fills.add(fill.id)
        self.filled[fill.order_id] += _shares(fill.qty)
        return True


def _content(order: NewOrder) -> Mapping[str, Any]:
    limit = {} if order.limit is None else {"limit_price": str(price_of(order.limit))}
    return {
        "symbol": order.symbol,
        "qty": str(order.quantity),
        "side": "buy" if order.side is Side.BUY else "sell",
        "type": "market" if order.limit is None else "limit",
        "time_in_force": order.tif.lower(),
        "client_order_id": order.id,
        **limit,
    }


def _report(order: _Order, kind: ReportKind) -> Report:
    time_ = order.updated_at or order.submitted_at
    return Report(kind=kind, order=order.client_order_id, venue=VENUE, filled=order.filled, time=time_)


def _listed(adapter: TypeAdapter[list[T]], reply: Reply) -> list[T]:
    if reply.status != 200:
        raise UnsureError(f"{reply.where} answered {reply.status}; ask again.")
    try:
        return adapter.validate_json(reply.content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UnsureError(f"{reply.where} answered with nonsense ({where}: {first['msg']}); ask again.") from error


def _shares(text: str) -> int:
    whole, _, part = text.partition(".")
    if part.strip("0"):
        raise UnsureError(f"Alpaca tells of {text} shares, and orders are in whole ones; look at it there.")
    return int(whole)


def _money(text: str) -> int:
    try:
        return money(text)
    except InputError as error:
        raise UnsureError(f"Alpaca tells of {text}, finer than the unit of money; look at it there.") from error
