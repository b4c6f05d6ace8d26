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
from typing import Any, TypeVar

import httpx2 as httpx
from pydantic import BaseModel, JsonValue

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.gateways.alpaca_sheets import (
    FILL_LIST,
    ORDER_LIST,
    ORDERS,
    PAGE,
    POSITIONS,
    VENUE,
    AccountSheet,
    AlpacaOrder,
    Fill,
    Problem,
    entry,
    exact_money,
    listed,
    set_aside,
    whole_shares,
)
from quantray.oms.gateways.listening import Listening
from quantray.oms.gateways.protocol import Failure, NotSentError, Sink, UnsureError, one_by_one
from quantray.oms.gateways.sending import Reply, Wire
from quantray.oms.messages import Holdings, NewOrder, Report, ReportKind, Route, Unreadable, VenueOrder, price_of
from quantray.oms.states import State

__all__ = ["PAPER", "AlpacaGateway"]

PAPER = "https://paper-api.alpaca.markets"

M = TypeVar("M", bound=BaseModel)

_MOST_PAGES = 1000
_REFUSED = (400, 403, 422)
"""With an error of Alpaca's own: no order came about, and none will."""
_LATER = (401, 429)
"""The same, for a key that does not fit or for too many requests: it may be tried again."""

_ENDS = MappingProxyType(
    {
        State.CANCELED: ReportKind.CANCELED,
        State.EXPIRED: ReportKind.EXPIRED,
        State.REJECTED: ReportKind.REJECTED,
    }
)


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
            problem = reply.read(Problem)
            if "unique" in problem.message:
                raise UnsureError(f"Alpaca has an order {order.id} already; ask for its status.")
            if reply.status in _LATER:
                raise NotSentError(f"Alpaca takes no order now: {problem.message}.")
            self._refused[order.id] = problem.message[:300]
            return
        if reply.status != 200 or reply.read(AlpacaOrder).client_order_id != order.id:
            raise UnsureError(f"{reply.where} answered {reply.status} for order {order.id}; ask for its status.")

    def send_all(self, orders: Sequence[NewOrder]) -> Sequence[Failure | None]:
        """Hand orders over, one after the other; see ``protocol``."""
        return one_by_one(self.send, orders)

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
        if sum(whole_shares(fill.qty) for fill in fills) != found.filled:
            raise UnsureError(f"Alpaca has not listed all fills of order {order} yet; ask again.")
        return VenueOrder(order, found.state, found.filled, tuple(fill.report(order) for fill in fills))

    def holdings(self, account: str) -> Holdings:
        """What Alpaca holds for the account; see ``protocol``."""
        if account != self._account:
            raise UnsureError(f"this key is of the account {self._account}, not of {account}.")
        cash = exact_money(self._asked("/v2/account").read(AccountSheet).cash)
        positions = listed(POSITIONS, self._asked("/v2/positions"))
        shares = {position.symbol: whole_shares(position.qty) for position in positions}
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

    def _find(self, order: str) -> AlpacaOrder | None:
        reply = self._asked("/v2/orders:by_client_order_id", client_order_id=order)
        if reply.status == 404:
            # Only Alpaca itself can say that; a page that is missing does not.
            if "not found" not in reply.read(Problem).message:
                raise UnsureError(f"{reply.where} answered 404 in words that are not Alpaca's; ask again.")
            return None
        found = reply.read(AlpacaOrder)
        if found.client_order_id != order:
            raise UnsureError(f"Alpaca answered for another order than {order}; ask again.")
        return found

    def _fills(self, aside: list[JsonValue] | None = None, **query: Any) -> Iterator[Fill]:
        """Those that can be read; the others are put aside."""
        for _ in range(_MOST_PAGES):
            reply = self._asked("/v2/account/activities/FILL", direction="asc", page_size=PAGE, **query)
            page = listed(FILL_LIST, reply)
            yield from _read(Fill, page, aside)
            if len(page) < PAGE:
                return
            query["page_token"] = entry(page[-1], "id")
        raise UnsureError("Alpaca lists fills without end; ask again.")

    def _orders(self, aside: list[JsonValue]) -> Iterator[AlpacaOrder]:
        """Those that can be read; the others are put aside."""
        after = self._since
        for _ in range(_MOST_PAGES):
            reply = self._asked("/v2/orders", status="all", direction="asc", limit=ORDERS, after=after)
            page = listed(ORDER_LIST, reply)
            yield from _read(AlpacaOrder, page, aside)
            if len(page) < ORDERS:
                return
            after = entry(page[-1], "submitted_at")
        raise UnsureError("Alpaca lists orders without end; ask again.")

    def _by_id(self, identity: str) -> AlpacaOrder:
        reply = self._asked(f"/v2/orders/{identity}")
        if reply.status != 200:
            raise UnsureError(f"{reply.where} answered {reply.status} for an order that was filled; ask again.")
        return reply.read(AlpacaOrder)

    def _next(self, _after: int) -> Sequence[Report | Unreadable]:
        """What is new of orders, then of fills, then of their ends, so that an end comes after the fills before it."""
        seen = self._taken.copy()
        aside: list[JsonValue] = []
        orders = {order.id: order for order in self._orders(aside)}
        named = {entry(one, "id"): entry(one, "client_order_id") for one in [*orders.values(), *aside]}
        fills = self._new_fills(orders, named, seen, aside)
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
        odd = [said for said in (set_aside(one, named) for one in aside) if said.raw not in seen.aside]
        seen.aside.update(said.raw for said in odd)
        self._offered = seen
        return [*first, *fills, *last, *odd]

    def _new_fills(
        self, orders: dict[str, AlpacaOrder], named: Mapping[str, str], seen: "_Seen", aside: list[JsonValue]
    ) -> Sequence[Report]:
        begin: dict[str, Any] = {"after": self._since} if seen.last is None else {"page_token": seen.last}
        found = [(fill, self._of(fill, orders, named)) for fill in self._fills(aside, **begin)]
        seen.last = found[-1][0].id if found else seen.last
        new = [fill.report(order) for fill, order in found if seen.adds(fill)]
        # A fill may be listed late, before others that were read already.
        for order in orders.values():
            if seen.filled[order.id] < order.filled:
                late = self._fills(order_id=order.id, after=self._since)
                new += [f.report(order.client_order_id) for f in late if f.order_id == order.id and seen.adds(f)]
        return new

    def _of(self, fill: Fill, orders: dict[str, AlpacaOrder], named: Mapping[str, str]) -> str:
        if name := named.get(fill.order_id):
            return name
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
    aside: set[str] = field(default_factory=set)
    """What could not be read, as it came."""

    def copy(self) -> "_Seen":
        return _Seen(dict(self.states), set(self.fills), Counter(self.filled), self.last, set(self.aside))

    def adds(self, fill: Fill) -> bool:
        """Note a fill; whether it is new."""
        if fill.id in self.fills:
            return False
        self.fills.add(fill.id)
        self.filled[fill.order_id] += whole_shares(fill.qty)
        return True


def _read(sheet: type[M], page: Sequence[Any], aside: list[JsonValue] | None) -> Iterator[M]:
    for one in page:
        if isinstance(one, sheet):
            yield one
        elif aside is not None:
            aside.append(one)


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


def _report(order: AlpacaOrder, kind: ReportKind) -> Report:
    time_ = order.updated_at or order.submitted_at
    return Report(kind=kind, order=order.client_order_id, venue=VENUE, filled=order.filled, time=time_)
