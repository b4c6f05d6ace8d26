"""What a group of commands changed, as the rows that one transaction writes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quantray.oms import schema
from quantray.oms.audit import Chain, quoted
from quantray.oms.ledger import Ledger, OrderRecord
from quantray.oms.writing import Rows, Values

__all__ = ["Actor", "Changes"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something; ``pm`` is the portfolio manager whose accounts they may trade, None all of them."""

    name: str
    pm: str | None = None


@dataclass(slots=True)
class Changes:
    """Everything that differs from what is on disk."""

    chain: Chain
    rows: Rows = field(default_factory=Rows)
    new: dict[str, OrderRecord] = field(default_factory=dict)
    """Orders that have no row yet, in the order in which they came."""
    orders: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    lines: set[tuple[str, str]] = field(default_factory=set)
    instruments: set[str] = field(default_factory=set)
    any: bool = False

    def log(self, time: str, actor: Actor, kind: str, entity: str, body: Mapping[str, Any] | str) -> None:
        """Add a row to the log; a body may be given as its canonical text."""
        self.any = True
        self.rows.add_values(schema.audit, self.chain.row(time, actor.name, actor.pm or "", kind, entity, body))

    def log_order(self, time: str, actor: Actor, record: OrderRecord) -> None:
        """A new order, and its row of the log."""
        self.new[record.order.id] = record
        self.log(time, actor, "order", record.order.id, _body(record))

    def traded(self, record: OrderRecord) -> None:
        """An order was filled, or a fill taken back."""
        self.orders.add(record.order.id)
        self.accounts.add(record.order.account)
        self.lines.add((record.order.account, record.order.symbol))

    def collected(self, ledger: Ledger) -> Rows:
        """The rows, with orders, accounts and positions as they are now; begins anew."""
        rows, self.rows, self.any = self.rows, Rows(), False
        for name in self.accounts:
            it = ledger.accounts[name]
            rows.put(schema.accounts, {"id": it.id, "pm": it.pm, "cash": it.cash, "may_short": it.may_short})
        for name in self.instruments:
            of = ledger.instruments[name]
            rows.put(schema.instruments, {"symbol": of.symbol, "tick": of.tick, "lot": of.lot, "mark": of.mark})
        for account, symbol in self.lines:
            shares = ledger.lines[account, symbol].shares
            rows.put(schema.positions, {"account": account, "symbol": symbol, "shares": shares})
        for record in self.new.values():
            rows.add_values(schema.child_orders, _order(record))
        for name in self.orders - self.new.keys():
            rows.put_values(schema.child_orders, _order(ledger.orders[name]))
        self.new, self.orders, self.accounts, self.lines, self.instruments = {}, set(), set(), set(), set()
        return rows


def _body(record: OrderRecord) -> str:
    """Canonical text of what the log says of a new order: written out, since there are thousands in a second."""
    order = record.order
    limit = "null" if order.limit is None else order.limit
    parent = "null" if order.parent is None else quoted(order.parent)
    replaces = "null" if order.replaces is None else quoted(order.replaces)
    return (
        f'{{"account":{quoted(order.account)},"code":"{record.code}","from":"NEW","limit":{limit},"parent":{parent},'
        f'"pm":{quoted(record.pm)},"price":{record.price},"quantity":{order.quantity},"replaces":{replaces},'
        f'"side":"{order.side.value}","symbol":{quoted(order.symbol)},"tif":"{order.tif}",'
        f'"to":"{record.state.value}","venue":{quoted(order.venue)}}}'
    )


def _order(record: OrderRecord) -> Values:
    order = record.order
    return (
        order.id,
        order.account,
        record.pm,
        order.symbol,
        order.side.value,
        order.quantity,
        order.limit,
        order.tif,
        order.venue,
        order.parent,
        order.replaces,
        record.state.value,
        record.code,
        record.route,
        record.filled,
        record.price,
        record.heard,
        record.canceling,
    )
