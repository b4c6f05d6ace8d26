"""The one book behind all doors of the paper venue: orders, executions and accounts, on disk before an answer.

Doors only translate: what is refused, taken, filled or told is decided here, so that an id that came by one door is
refused at the others. Its methods may be called from several threads.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import TracebackType
from typing import Literal, Self, TypeVar

from quantray.errors import InputError
from quantray.oms.messages import Holdings, NewOrder, Report, ReportKind, VenueOrder
from quantray.oms.paper.accounts import Accounts, opening_rows
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.draws import drawn
from quantray.oms.paper.faults import CRASHED, Faults
from quantray.oms.paper.keeping import Changes, Keeping, Kept
from quantray.oms.paper.matching import Rules, Trade, Working, matched
from quantray.oms.paper.records import Record, Records
from quantray.oms.paper.refusals import refusal
from quantray.oms.paper.stream import Said, Stream, said_before
from quantray.oms.states import ENDED, State

__all__ = ["Answer", "Book", "Standing"]

T = TypeVar("T")
Code = Literal["taken", "rejected", "duplicate", "void"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order on arrival.

    ``taken`` and ``rejected`` were noted and reported. A ``duplicate`` id is known already, of a ``void`` one it was
    said that it would never be taken: both change nothing and are not reported.
    """

    order: str
    code: Code
    text: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a book stands: bars done and in all, its clock (UTC), orders that may trade, and the last report."""

    bar: int
    bars: int
    time: str
    working: int
    sequence: int


class Book:
    """A paper venue without its doors.

    Parameters
    ----------
    bars : the market; the same as before where the book goes on.
    path : of its file.
    openings : what accounts hold before the first order, by name; of a book that goes on, as it was or empty.
    end : how a crash that was asked for ends the process.

    Raises
    ------
    InputError
        The book that is there was begun with other bars, rules or openings.
    DataError
        Its file cannot be read or written.
    """

    def __init__(
        self,
        bars: Bars,
        path: Path,
        *,
        rules: Rules | None = None,
        openings: Mapping[str, Holdings] | None = None,
        faults: Faults | None = None,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self.bars, self.rules = bars, rules or Rules()
        self._lock = RLock()
        self._keeping, self._end = Keeping(path), end
        self._watchers: list[Callable[[], None]] = []
        self.set_faults(faults or Faults())
        self._load(self._begun(opening_rows(openings or {})))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def submit(self, orders: Sequence[NewOrder]) -> Sequence[Answer]:
        """Take orders, each for itself, in one commit.

        Raises
        ------
        DataError
            They could not be kept; none is taken.
        """
        with self._lock:
            said: list[Said] = []
            changes = Changes()
            return self._kept(changes, said, lambda: [self._submitted(order, changes, said) for order in orders])

    def cancel(self, order: str) -> bool:
        """End an order, or report that it had ended; False where there is none of that id. Raises as ``submit``."""
        with self._lock:
            record = self._records.get(order)
            if record is None:
                return False
            said: list[Said] = []
            changes = Changes()
            if record.state in ENDED:
                text = f"the order is {record.state}"
                said.append(self._said(record, ReportKind.CANCEL_REJECTED, text=text))
            self._kept(changes, said, lambda: self._ended(record, State.CANCELED, "", changes, said))
            return True

    def status(self, order: str, *, void: bool = False) -> VenueOrder | None:
        """What is known of an order; see ``gateways.protocol``. Raises as ``submit``."""
        with self._lock:
            record = self._records.get(order)
            if record is None:
                if void and order not in self._voids:
                    self._kept(Changes(voids=[order]), [], lambda: self._voids.add(order))
                return None
            return VenueOrder(order, record.state, record.filled, tuple(record.executions))

    def order(self, order: str) -> NewOrder | None:
        """An order as it came, rejected or not, if there is one of that id."""
        with self._lock:
            record = self._records.get(order)
            return None if record is None else record.order

    def reports(self, after: int, limit: int = 1000) -> Sequence[Report]:
        """The next reports after one of a number."""
        with self._lock:
            return self._stream.after(after, limit)

    def holds_back(self) -> bool:
        """Whether reports are held back until others overtake them."""
        with self._lock:
            return self._stream.holds_back

    def release(self) -> None:
        """Let go of reports that were held back, if nothing else came that overtook them. Raises as ``submit``."""
        with self._lock:
            self._kept(Changes(), [], lambda: None)

    def holdings(self, account: str) -> Holdings:
        """What an account holds."""
        with self._lock:
            return self._records.accounts.holdings(account)

    def advance(self, to: int | None = None) -> int:
        """Let bars pass until so many are done, by default one more; tells how many are. Raises as ``submit``."""
        with self._lock:
            target = min(self._bar + 1 if to is None else to, len(self.bars))
            while self._bar < target:
                self._pass()
            return self._bar

    def bust(self, exec_id: str) -> str:
        """Take a fill back, whose shares are not traded again; tells the id of the bust.

        Raises
        ------
        InputError
            There is no such fill, or it was taken back before.
        """
        return self._mend(exec_id, ReportKind.BUST, 0, 0)

    def correct(self, exec_id: str, *, quantity: int, price: int) -> str:
        """Say what a fill should have been; tells the id of the correction.

        Parameters
        ----------
        quantity : shares, positive; with the other fills no more than the order.
        price : units of money a share, positive.

        Raises
        ------
        InputError
            There is no such fill, it was taken back, or a number is out of range.
        """
        if quantity < 1 or price < 1:
            raise InputError(f"a correction to {quantity} shares at {price}: both must be positive; bust it instead.")
        return self._mend(exec_id, ReportKind.CORRECT, quantity, price)

    def set_faults(self, faults: Faults) -> None:
        """What goes wrong from now on."""
        with self._lock:
            self.faults, self._writes = faults, 0

    def standing(self) -> Standing:
        """Where the book stands."""
        with self._lock:
            time = self.bars.stamp(self._bar)
            return Standing(self._bar, len(self.bars), time, len(self._records.working), self._stream.last)

    def accounts(self) -> tuple[str, ...]:
        """Names of all accounts."""
        with self._lock:
            return self._records.accounts.names()

    def watch(self, told: Callable[[], None]) -> None:
        """Have somebody called after each commit of reports; from any thread, and quickly."""
        self._watchers.append(told)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._keeping.close()

    # What it was begun with, and what is on disk.

    def _begun(self, openings: list[dict[str, object]]) -> Kept:
        """What is on disk of a book that goes on, or that begins now."""
        kept = self._keeping.load()
        given = {"bars": self.bars.digest(), "rules": self.rules.told()}
        if not kept.facts:
            self._keeping.commit(Changes(openings=list(openings), facts=given | {"bar": "0"}))
            return self._keeping.load()
        for name, value in given.items():
            if kept.facts.get(name) != value:
                raise InputError(f"the book was begun with other {name}; give the same, or another folder.")
        before = {(row["account"], row["symbol"]): row["amount"] for row in kept.openings}
        if openings and {(row["account"], row["symbol"]): row["amount"] for row in openings} != before:
            raise InputError("the book was begun with other openings; give the same or none, or another folder.")
        return kept

    def _load(self, kept: Kept) -> None:
        self._bar = int(kept.facts["bar"])
        self._voids = set(kept.voids)
        self._stream = Stream(kept.reports)
        self._records = Records(Accounts(kept.openings), self.bars, self.rules)
        for row in kept.orders:
            self._records.read(row)
        for row in kept.reports:
            if row["exec_id"] and not row["again"]:
                self._records.executed(said_before(row))

    def _kept(self, changes: Changes, said: list[Said], change: Callable[[], T]) -> T:
        """Make a change, write it, and tell; what could not be written is forgotten by reading what is on disk."""
        before = self._stream.last
        try:
            result = change()
            self._stream.add(said, changes, self.faults, self.rules.seed)
            if changes:
                self._commit(changes)
        except BaseException:
            self._load(self._keeping.load())
            raise
        if said or self._stream.last > before:
            for told in self._watchers:
                told()
        return result

    def _commit(self, changes: Changes) -> None:
        self._writes += 1
        crash = self.faults.crash if self._writes == self.faults.crash_after else ""
        if crash == "before commit":
            self._end(CRASHED)
        self._keeping.commit(changes)
        if crash == "after commit":
            self._end(CRASHED)

    # Orders.

    def _submitted(self, order: NewOrder, changes: Changes, said: list[Said]) -> Answer:
        if order.id in self._voids:
            return Answer(order.id, "void", "it was said of this id that it would never be taken")
        if order.id in self._records:
            return Answer(order.id, "duplicate", "an order of this id came before; ask for its status")
        fault = self._fault(order)
        record = self._records.add(order, State.REJECTED if fault else State.ACKED, self._bar)
        changes.orders.append(record.row())
        if fault:
            said.append(self._said(record, ReportKind.REJECTED, text=fault))
            return Answer(order.id, "rejected", fault)
        if order.replaces is not None:
            replaced = f"replaced by {order.id}"
            self._ended(self._records[order.replaces], State.CANCELED, replaced, changes, said)
        said.append(self._said(record, ReportKind.ACKED))
        return Answer(order.id, "taken")

    def _fault(self, order: NewOrder) -> str:
        """Why an order is not taken; empty where it is."""
        closed = self._bar >= len(self.bars)
        if fault := refusal(order, self._records, self.bars, self.rules, closed=closed):
            return fault
        unlucky = self.faults.reject and drawn(self.rules.seed, "reject", order.id) < self.faults.reject
        return "rejected by chance" if unlucky else ""

    def _ended(self, record: Record, state: State, text: str, changes: Changes, said: list[Said]) -> None:
        if record.state in ENDED:
            return
        self._records.end(record, state)
        kind = ReportKind.EXPIRED if state is State.EXPIRED else ReportKind.CANCELED
        said.append(self._said(record, kind, text=text))
        changes.moved.append(record.moved())

    # Time.

    def _pass(self) -> None:
        said: list[Said] = []
        changes = Changes()
        self._kept(changes, said, lambda: self._passed(changes, said))

    def _passed(self, changes: Changes, said: list[Said]) -> None:
        bar, working = self._bar, self._records.working
        live = [Working(record.order, record.left, record.bar) for record in working.values()]
        touched: dict[str, Record] = {}
        for trade in matched(live, self.bars, bar, self._records.taken_money, self.rules):
            record = touched[trade.order] = self._records[trade.order]
            self._fill(record, trade, said)
        for record in sorted(working.values(), key=lambda one: one.order.id):
            if record.order.tif == "IOC":
                self._ended(record, State.CANCELED, "", changes, said)
            elif self.bars.ends_day(bar):
                self._ended(record, State.EXPIRED, "", changes, said)
            else:
                continue
            touched.pop(record.order.id, None)
        changes.moved.extend(record.moved() for record in touched.values())
        self._bar = bar + 1
        changes.facts["bar"] = str(self._bar)

    def _fill(self, record: Record, trade: Trade, said: list[Said]) -> None:
        record.left -= trade.quantity
        report = Report(
            kind=ReportKind.FILL,
            order=trade.order,
            venue=record.order.venue,
            exec_id=record.next_exec_id(),
            quantity=trade.quantity,
            price=trade.price,
            fee=trade.fee,
            filled=record.filled + trade.quantity,
            time=self.bars.stamp(self._bar, trade.seconds),
        )
        said.append(Said(report, self._bar, trade.taken))
        self._records.executed(said[-1])
        self._records.settle(record)

    # Mistakes of the venue.

    def _mend(self, exec_id: str, kind: ReportKind, quantity: int, price: int) -> str:
        with self._lock:
            record, now = self._records.fill(exec_id)
            others = record.filled - now.quantity
            if others + quantity > record.order.quantity:
                raise InputError(
                    f"{exec_id} of {quantity} shares would fill more than the {record.order.quantity} of its order; "
                    f"correct it to at most {record.order.quantity - others}."
                )
            fee = self._records.fee(record, quantity, now)
            report = Report(
                kind=kind,
                order=record.order.id,
                venue=record.order.venue,
                exec_id=record.next_exec_id(),
                refers=exec_id,
                quantity=quantity,
                price=price,
                fee=fee,
                filled=others + quantity,
                time=self.bars.stamp(self._bar),
            )
            said = [Said(report, self._bar, now.taken)]
            changes = Changes()

            def change() -> None:
                self._records.executed(said[0])
                self._records.settle(record)
                changes.moved.append(record.moved())

            self._kept(changes, said, change)
            return report.exec_id

    def _said(self, record: Record, kind: ReportKind, *, text: str = "") -> Said:
        time = self.bars.stamp(self._bar)
        order = record.order
        report = Report(kind=kind, order=order.id, venue=order.venue, filled=record.filled, time=time, text=text)
        return Said(report, self._bar)
