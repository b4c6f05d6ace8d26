"""What a group of commands changed, as the rows that one transaction writes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from quantray.oms import schema
from quantray.oms.audit import Chain
from quantray.oms.database import Rows
from quantray.oms.ledger import Ledger, OrderRecord

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
    new: set[str] = field(default_factory=set)
    """Ids of orders that have no row yet."""
    orders: set[str] = field(default_factory=set)
    accounts: set[str] = field(default_factory=set)
    lines: set[tuple[str, str]] = field(default_factory=set)
    instruments: set[str] = field(default_factory=set)
    any: bool = False

    def log(self, time: str, actor: Actor, kind: str, entity: str, body: Mapping[str, Any]) -> None:
        """Add a row to the log."""
        self.any = True
        self.rows.add(schema.audit, self.chain.row(time, actor.name, actor.pm or "", kind, entity, body))

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
        for name in self.new:
            rows.add(schema.child_orders, _order_row(ledger.orders[name]))
        for name in self.orders - self.new:
            rows.put(schema.child_orders, _order_row(ledger.orders[name]))
        self._reserve(rows, ledger, self.new | self.orders)
        self.new, self.orders, self.accounts, self.lines, self.instruments = set(), set(), set(), set(), set()
        return rows

    def _reserve(self, rows: Rows, ledger: Ledger, names: Iterable[str]) -> None:
        for name in names:
            record = ledger.orders[name]
            if record.remaining:
                rows.put(schema.reservations, _reservation(record))
            elif name not in self.new:
                rows.drop(schema.reservations, {"order": name})


def _order_row(record: OrderRecord) -> dict[str, Any]:
    order = record.order
    return {
        "id": order.id,
        "account": order.account,
        "pm": record.pm,
        "symbol": order.symbol,
        "side": order.side.value,
        "quantity": order.quantity,
        "limit": order.limit,
        "tif": order.tif,
        "venue": order.venue,
        "parent": order.parent,
        "replaces": order.replaces,
        "state": record.state.value,
        "code": record.code,
        "route": record.route,
        "filled": record.filled,
        "price": record.price,
        "heard": record.heard,
        "canceling": record.canceling,
    }


def _reservation(record: OrderRecord) -> dict[str, Any]:
    order, left = record.order, record.remaining
    is_purchase = order.side.sign > 0
    return {
        "order": order.id,
        "account": order.account,
        "symbol": order.symbol,
        "cash": left * record.price if is_purchase else 0,
        "shares": left if is_purchase else -left,
    }
