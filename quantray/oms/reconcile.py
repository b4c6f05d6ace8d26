"""What is believed here against what the venue knows: asked after every start and loss, and whenever there is doubt.

Orders are settled by what their venue says of them. Positions and cash that differ are a break: an alert with both
numbers, for people; nothing is repaired in silence.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from quantray.oms.books import Books
from quantray.oms.changes import Actor
from quantray.oms.database import StoreError
from quantray.oms.gate import ClosedError, Gate
from quantray.oms.gateways.protocol import Gateway, UnsureError
from quantray.oms.handing import unsure
from quantray.oms.hearing import resolve
from quantray.oms.messages import Holdings, Route
from quantray.oms.settling import Settlement, settle
from quantray.oms.states import State

__all__ = ["Break", "Reconciler", "ask", "breaks", "lost"]

_ON_THE_WAY = (State.SENT, State.CANCEL_PENDING)
_ASKED = (*_ON_THE_WAY, State.ACKED, State.PARTIAL, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Break:
    """A number that differs: ``what`` is cash, or a symbol."""

    account: str
    what: str
    ours: int
    theirs: int


def lost(gate: Gate) -> int:
    """After a start: orders that were handed over and not heard of are unknown; returns how many."""

    def note(books: Books) -> int:
        waiting = {out.order.id for out in books.outgoing.values()}
        sent = [record for record in books.ledger.live.values() if record.state is State.SENT]
        return sum(
            unsure(books, record.order.id, "the gate had ended") for record in sent if record.order.id not in waiting
        )

    return gate.do(note)


def ask(gate: Gate, ways: Mapping[Route, Gateway], orders: Iterable[str]) -> int:
    """Ask the venue about orders and settle them; returns about how many it did not answer.

    One that was handed over and is unknown there never will be: the venue is told to refuse it when it arrives late.
    """
    silent = 0
    for name in orders:
        state, route = gate.do(lambda books, n=name: _standing(books, n))  # type: ignore[misc]
        if route is None or route not in ways or state not in _ASKED:
            continue
        try:
            found = ways[route].status(name, void=state is State.UNKNOWN)
        except UnsureError:
            silent += 1
            continue
        if found is not None or state in (State.UNKNOWN, State.ACKED, State.PARTIAL):
            # None settles only what is unknown still: then, and only then, the venue has promised never to take it.
            gate.do(lambda books, n=name, f=found: resolve(books, n, f))  # type: ignore[misc]
        else:
            gate.do(lambda books, n=name: unsure(books, n, "the venue does not know it yet"))  # type: ignore[misc]
            silent += 1
    return silent


def breaks(gate: Gate, way: Gateway) -> list[Break]:
    """Where cash and shares here and at the venue differ; raises ``UnsureError`` where it does not answer.

    What was filled and not yet reported differs too: a break is one that stays.
    """
    found: list[Break] = []
    for account, ours in gate.do(_holdings).items():
        theirs = way.holdings(account)
        if ours.cash != theirs.cash:
            found.append(Break(account, "cash", ours.cash, theirs.cash))
        for symbol in sorted({*ours.shares, *theirs.shares}):
            mine, other = ours.shares.get(symbol, 0), theirs.shares.get(symbol, 0)
            if mine != other:
                found.append(Break(account, symbol, mine, other))
    return found


class Reconciler:
    """Asks about what is in doubt, and compares holdings, until ``close``.

    Parameters
    ----------
    patience : seconds after which what was handed over should have been heard of.
    every : seconds between comparisons of holdings.
    """

    def __init__(
        self,
        gate: Gate,
        ways: Mapping[Route, Gateway],
        *,
        patience: float = 2.0,
        every: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gate, self._ways, self._patience, self._every, self._clock = gate, ways, patience, every, clock
        self._since: dict[tuple[str, State], float] = {}
        self._last: dict[Route, set[Break]] = {}
        self._compared = clock()
        self._was_ready = dict.fromkeys(ways, True)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Note what an earlier gate left in doubt, and settle it in the background."""
        lost(self._gate)
        self._thread.start()

    def look(self) -> None:
        """Look once at what is in doubt now, and after a lost connection at everything that is open."""
        ready = {route: way.ready() for route, way in self._ways.items()}
        came_back = [route for route in ready if ready[route] and not self._was_ready[route]]
        self._was_ready = ready
        if came_back:
            ask(self._gate, self._ways, self._open())
            return
        now = self._clock()
        doubtful = self._gate.do(_doubtful)
        self._since = {key: self._since.get(key, now) for key in doubtful}
        late = [
            name
            for (name, state), since in self._since.items()
            if state is State.UNKNOWN or now - since >= self._patience
        ]
        ask(self._gate, self._ways, late)

    def compare(self) -> list[Break]:
        """Compare holdings; a difference that is the same as the time before is a break, and somebody is told."""
        standing: list[Break] = []
        for route, way in self._ways.items():
            try:
                found = set(breaks(self._gate, way))
            except UnsureError:
                continue
            stayed = sorted(found & self._last.get(route, set()), key=str)
            self._last[route] = found
            for each in stayed:
                text = f"{each.what}: {each.ours:,} here and {each.theirs:,} at the venue"
                self._gate.do(lambda books, e=each, t=text: books.note("break", e.account, t))  # type: ignore[misc]
            standing += stayed
        return standing

    def settle(self, actor: Actor, given: Settlement) -> State:
        """Settle by hand what the venue does not; see ``settling.settle``, as which it raises."""
        return settle(self._gate, self._ways, actor, given)

    def close(self) -> None:
        """End."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        started = False
        while not self._ending.wait(self._patience / 4 if started else 0):
            try:
                if not started:
                    ask(self._gate, self._ways, self._open())
                    started = True
                self.look()
                if self._clock() - self._compared >= self._every:
                    self._compared = self._clock()
                    self.compare()
            except StoreError:
                # The database refuses for now; what is in doubt stays so until it does not.
                self._ending.wait(self._patience)
            except ClosedError:
                return

    def _open(self) -> list[str]:
        return self._gate.do(lambda books: list(books.ledger.live))


def _standing(books: Books, order: str) -> tuple[State, Route | None]:
    record = books.at(order)
    return record.state, record.route


def _holdings(books: Books) -> dict[str, Holdings]:
    """What accounts hold by what was traded: what blocks moved between them, their venue does not know."""
    cash, moved = books.blocks.moved_cash, books.blocks.moved_shares
    shares: dict[str, dict[str, int]] = {name: {} for name in books.ledger.accounts}
    for (name, symbol), line in books.ledger.lines.items():
        if count := line.shares - moved.get((name, symbol), 0):
            shares[name][symbol] = count
    return {
        name: Holdings(account.cash - cash.get(name, 0), shares[name])
        for name, account in books.ledger.accounts.items()
    }


def _doubtful(books: Books) -> list[tuple[str, State]]:
    return [
        (name, record.state)
        for name, record in books.ledger.live.items()
        if record.state in (*_ON_THE_WAY, State.UNKNOWN)
    ]
