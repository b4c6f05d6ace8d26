"""What the paper book knows of its orders, and what executions do to them and to accounts."""

from dataclasses import dataclass, field, fields

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms.messages import NewOrder, Report, ReportKind
from quantray.oms.paper.accounts import Accounts
from quantray.oms.paper.bars import Bars
from quantray.oms.paper.keeping import Row
from quantray.oms.paper.matching import Rules, fee_of
from quantray.oms.paper.stream import Said
from quantray.oms.states import ENDED, State

__all__ = ["FillNow", "Record", "Records"]

_FIELDS = tuple(each.name for each in fields(NewOrder))


@dataclass(slots=True)
class FillNow:
    """What a fill is, after corrections."""

    quantity: int
    price: int
    fee: int
    taken: bool


@dataclass(slots=True)
class Record:
    """An order at the venue.

    Parameters
    ----------
    bar : first in which it may trade.
    left : shares that may still be filled; those of a fill that was taken back are not among them.
    fills : by exec_id, those that stand.
    """

    order: NewOrder
    state: State
    bar: int
    left: int
    filled: int = 0
    executions: list[Report] = field(default_factory=list)
    fills: dict[str, FillNow] = field(default_factory=dict)

    def next_exec_id(self) -> str:
        """Made of the order's own id, so that it is the same whatever else the venue did."""
        return f"{self.order.id}.{len(self.executions) + 1}"

    def row(self) -> Row:
        """As it is written at first."""
        row = {name: getattr(self.order, name) for name in _FIELDS}
        return row | {"side": self.order.side.value, "state": self.state.value, "left": self.left, "bar": self.bar}

    def moved(self) -> Row:
        """What changes of it on disk."""
        return {"of": self.order.id, "to": self.state.value, "rest": self.left}


class Records:
    """All orders by id, those that may trade, and the accounts that they are for."""

    def __init__(self, accounts: Accounts, bars: Bars, rules: Rules) -> None:
        self.accounts, self._bars, self._rules = accounts, bars, rules
        self._records: dict[str, Record] = {}
        self._fills: dict[str, Record] = {}
        self.working: dict[str, Record] = {}
        self.taken_money: dict[str, int] = {}
        """By symbol, what ``matching`` takes as ``moved``."""

    def __contains__(self, order: str) -> bool:
        return order in self._records

    def __getitem__(self, order: str) -> Record:
        return self._records[order]

    def get(self, order: str) -> Record | None:
        """An order, if there is one of that id."""
        return self._records.get(order)

    def add(self, order: NewOrder, state: State, bar: int) -> Record:
        """A new order."""
        return self._put(Record(order, state, bar, 0 if state in ENDED else order.quantity))

    def read(self, row: Row) -> None:
        """An order as it is on disk."""
        order = NewOrder(**{name: row[name] for name in _FIELDS} | {"side": Side(row["side"])})
        self._put(Record(order, State(row["state"]), row["bar"], row["left"]))

    def end(self, record: Record, state: State) -> None:
        """An order has ended."""
        record.state, record.left = state, 0
        self.working.pop(record.order.id, None)

    def executed(self, said: Said) -> None:
        """Book a fill, a bust or a correction."""
        report = said.report
        record = self._records[report.order]
        record.executions.append(report)
        if report.kind is ReportKind.FILL:
            now = FillNow(0, 0, 0, said.taken)
            record.fills[report.exec_id] = now
            self._fills[report.exec_id] = record
            self._note_taken(record, said)
            self._change(record, now, report)
        else:
            self._change(record, record.fills[report.refers], report)
            if report.kind is ReportKind.BUST:
                del record.fills[report.refers]

    def settle(self, record: Record) -> None:
        """The state that an order has after an execution; one that has ended stays so."""
        if record.state in ENDED:
            return
        record.left = min(record.left, record.order.quantity - record.filled)
        if record.left == 0:
            self.end(record, State.FILLED)
        else:
            record.state = State.PARTIAL

    def fill(self, exec_id: str) -> tuple[Record, FillNow]:
        """The order of a fill, and what the fill is; raises ``InputError`` where there is none that stands."""
        record = self._fills.get(exec_id)
        if record is None or exec_id not in record.fills:
            raise InputError(f"{exec_id} is no fill that stands; ask for the status of its order.")
        return record, record.fills[exec_id]

    def fee(self, record: Record, quantity: int, fill: FillNow) -> int:
        """What a fill of so many shares pays."""
        dark = self._rules.places[record.order.venue].venue.kind == "dark"
        return fee_of(record.order, quantity, self._rules, pays=fill.taken or dark)

    def _put(self, record: Record) -> Record:
        self._records[record.order.id] = record
        if record.state not in ENDED:
            self.working[record.order.id] = record
        return record

    def _change(self, record: Record, fill: FillNow, report: Report) -> None:
        order, sign = record.order, record.order.side.sign
        self.accounts.book(order.account, order.symbol, -sign * fill.quantity, fill.price, -fill.fee)
        self.accounts.book(order.account, order.symbol, sign * report.quantity, report.price, report.fee)
        record.filled += report.quantity - fill.quantity
        fill.quantity, fill.price, fill.fee = report.quantity, report.price, report.fee

    def _note_taken(self, record: Record, said: Said) -> None:
        if said.taken:
            symbol = record.order.symbol
            first = int(self._bars.open[said.bar, self._bars.columns[symbol]])
            money = record.order.side.sign * said.report.quantity * first
            self.taken_money[symbol] = self.taken_money.get(symbol, 0) + money
