"""A schedule worked through the day: clips sent when they are due, what is left spread over those to come.

A slice is sent in clips over its time (``clips``), and what is left of it is ended when the next one begins. TWAP,
VWAP, IS and AC are proportional to what is to be traded, so sharing out what is left in proportion to the clips to come
is planning anew by the same rule. POV follows volume and promises nothing: it catches up within a bound. What is still
at a venue counts as filled until it has ended there, so an order is never overfilled; that also holds for a worker that
was killed, since all it needs to know is what the gate knows.
"""

import json
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.execution.orders import to_json
from quantray.execution.rounding import apportioned
from quantray.execution.tca import Executed, Shortfall, shortfall
from quantray.oms.clips import Clips, clipped, row_of
from quantray.oms.desk import Child, Desk, Parent
from quantray.oms.messages import MONEY, NewOrder, money
from quantray.oms.states import ENDED, State
from quantray.oms.works import Work

__all__ = ["Worked", "Worker", "now", "summary"]


@dataclass(frozen=True, eq=False)
class Worked:
    """What became of (P,) orders: ``shortfall`` is against their prices on arrival, ``expected_bps`` what was planned.

    ``refused`` counts the children that the gate refused, by code.
    """

    orders: tuple[str, ...]
    executed: Executed
    expected_bps: Float
    risk_bps: Float
    refused: Mapping[str, int]

    @property
    def shortfall(self) -> Shortfall:
        """What each cost, in money."""
        return shortfall(self.executed)

    @property
    def filled_share(self) -> float:
        """Of the money that was ordered."""
        return float(np.abs(self.executed.filled) @ self.executed.arrival / self.executed.value.sum())

    @property
    def cost_bps(self) -> float:
        """Of the money that was ordered, for all orders together."""
        return float(1e4 * self.shortfall.total.sum() / self.executed.value.sum())

    @property
    def planned_bps(self) -> float:
        """Of the money that was ordered, for all orders together."""
        return float(self.expected_bps @ self.executed.value / self.executed.value.sum())


def now() -> datetime:
    """The time, for orders that are worked as it passes."""
    return datetime.now(UTC)


def summary(worked: Worked) -> str:
    """JSON of what became of each order, money in the currency."""
    executed, parts = worked.executed, worked.shortfall.parts
    columns = {
        "ordered": executed.ordered,
        "filled": executed.filled,
        "arrival": executed.arrival,
        "paid": executed.paid,
        **parts,
        "expected_bps": worked.expected_bps,
        "risk_bps": worked.risk_bps,
    }
    orders = {
        name: {column: float(values[row]) for column, values in columns.items()}
        for row, name in enumerate(worked.orders)
    }
    totals = {name: getattr(worked, name) for name in ("filled_share", "cost_bps", "planned_bps")}
    return json.dumps({**totals, "refused": worked.refused, "orders": orders}, indent=1)


_CLIPS = Clips()

_AGAIN = ("rate", "no_price")
"""Codes of children that are submitted again at the next look."""


class Worker:
    """Works orders until the last slice is over; blocks are then allocated.

    Parameters
    ----------
    desk : of the gate.
    clock : what time it is.
    clips : how slices are cut.
    last : how long what is at its venue with the last clip of an order stays there.

    Raises
    ------
    InputError
        There are no orders, or two have one id.
    """

    def __init__(
        self,
        desk: Desk,
        works: Sequence[Work],
        clock: Callable[[], datetime],
        *,
        clips: Clips = _CLIPS,
        last: timedelta = timedelta(minutes=5),
    ) -> None:
        self._desk, self._clock, self._last = desk, clock, last
        self._works = {work.id: work for work in works}
        if not works or len(self._works) != len(works):
            raise InputError("two orders have one id; work each of them once." if works else "there are no orders.")
        self._cuts = {work.id: clipped(work, clips) for work in works}
        self._refused: Counter[str] = Counter()
        self._given_up: set[str] = set()
        """Ids of children that are refused whenever they come."""
        self._blocks = {block.id for block in desk.blocks(list(self._works)) if not block.revision}
        """Those of the orders that are blocks and not allocated yet."""
        self._idle = False
        desk.add_parents(
            [
                Parent(w.id, w.account, p.symbol, p.side, p.quantity, to_json(w.schedule))
                for w in works
                for p in (w.schedule.parent,)
            ]
        )

    @property
    def idle(self) -> bool:
        """Whether the last look found nothing to end and nothing to send."""
        return self._idle

    def step(self) -> bool:
        """Look once: end what is over, send what is due. False when all is done."""
        now = self._clock()
        by_parent: dict[str, list[Child]] = {name: [] for name in self._works}
        for child in self._desk.children(list(self._works)):
            by_parent[child.parent].append(child)
        stale: list[str] = []
        due: list[NewOrder] = []
        busy = False
        for name, work in self._works.items():
            children = by_parent[name]
            row, start, end = self._place(work, now)
            over = [c for c in children if c.state not in ENDED and 0 <= row_of(c.id, name) < row]
            stale += [child.id for child in over]
            # What they still fill is known when they have ended; one of which nobody knows may take long.
            if all(child.state is State.UNKNOWN for child in over):
                due += self._due(work, children, start, end)
            open_ = any(child.state not in ENDED for child in children) or now < self._over(work)
            if not open_ and name in self._blocks:
                self._desk.allocate_block(name)
                self._blocks.discard(name)
            busy |= open_
        self._idle = not stale and not due
        if stale:
            self._desk.cancel(stale)
        for decision in self._desk.submit(due) if due else ():
            if not decision.accepted:
                self._refused[decision.code] += 1
                if decision.code not in _AGAIN:
                    self._given_up.add(decision.order)
        return busy

    def run(self, wait: Callable[[], None]) -> None:
        """Look until all is done; ``wait`` is called between looks."""
        while self.step():
            wait()

    def report(self, last: Mapping[str, int]) -> Worked:
        """What became of the orders so far.

        Parameters
        ----------
        last : units of money a share of each symbol now, by which what was missed is reckoned.

        Raises
        ------
        InputError
            A symbol has no price.
        """
        works = list(self._works.values())
        if missing := [w for w in works if w.schedule.parent.symbol not in last]:
            raise InputError(f"{missing[0].schedule.parent.symbol} has no last price; give one of each symbol.")
        place = {name: row for row, name in enumerate(self._works)}
        fills = self._desk.fills(list(place))
        # After the fills, so that there is none of a part that is not known.
        parents = {child.id: place[child.parent] for child in self._desk.children(list(place))}
        rows = np.array([parents[fill.order] for fill in fills], dtype=np.int64)
        signs = np.array([work.schedule.parent.side.sign for work in works])
        fees = np.bincount(rows, [fill.fee for fill in fills], len(works)) if fills else np.zeros(len(works))
        arrival = np.array([work.arrival for work in works]) / MONEY
        executed = Executed.of_fills(
            ordered=signs * [work.schedule.parent.quantity for work in works],
            decision=arrival,
            arrival=arrival,
            last=np.array([last[work.schedule.parent.symbol] for work in works]) / MONEY,
            fees=fees / MONEY,
            order=rows,
            shares=signs[rows] * np.array([fill.quantity for fill in fills], dtype=np.float64),
            prices=np.array([fill.price for fill in fills], dtype=np.float64) / MONEY,
        )
        return Worked(
            tuple(place),
            executed,
            np.array([work.schedule.expected_cost_bps for work in works]),
            np.array([work.schedule.risk_bps for work in works]),
            dict(self._refused),
        )

    def _over(self, work: Work) -> datetime:
        return self._cuts[work.id].times[-1] + self._last

    def _place(self, work: Work, now: datetime) -> tuple[int, int, int]:
        """The first row of the slice that belongs at venues now, and the clips of the newest time that has come."""
        cut, children = self._cuts[work.id], work.schedule.children
        if now >= self._over(work):
            return len(children), len(cut.ids), len(cut.ids)
        end = bisect_right(cut.times, now)
        if not end:
            return 0, 0, 0
        begun = children[cut.rows[end - 1]].time
        return bisect_left(children, begun, key=lambda c: c.time), bisect_left(cut.times, cut.times[end - 1]), end

    def _due(self, work: Work, children: Sequence[Child], start: int, end: int) -> list[NewOrder]:
        """The clips of this time that the gate has not seen, with their shares of what is left."""
        cut, parent = self._cuts[work.id], work.schedule.parent
        taken = {child.id for child in children} | self._given_up
        due = [place for place in range(start, end) if cut.ids[place] not in taken]
        left = parent.quantity - sum(child.filled if child.state in ENDED else child.quantity for child in children)
        if not due or left <= 0:
            return []
        # Of the clips to come and of this time's, but for what was sent of it.
        ahead = np.array([*due, *range(end, len(cut.ids))], dtype=np.int64)
        shares = apportioned(np.array(left), cut.planned[ahead].astype(np.float64), lot=parent.lot)
        quantities = np.minimum(shares, cut.most[ahead])[: len(due)]
        return [self._clip(work, place, int(q)) for place, q in zip(due, quantities, strict=True) if q > 0]

    def _clip(self, work: Work, place: int, quantity: int) -> NewOrder:
        cut, parent = self._cuts[work.id], work.schedule.parent
        child = work.schedule.children[cut.rows[place]]
        limit = child.limit if child.limit is not None else parent.limit
        return NewOrder(
            id=cut.ids[place],
            account=work.account,
            symbol=parent.symbol,
            side=parent.side,
            quantity=quantity,
            limit=None if limit is None else money(limit),
            venue=child.venue,
            parent=work.id,
        )
