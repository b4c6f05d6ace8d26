"""The tables beside what the log leads to: every difference by name, with both numbers."""

from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, select

from quantray.oms import schema
from quantray.oms.replaying.findings import Findings
from quantray.oms.replaying.standing import Block, Placed, Standing
from quantray.oms.states import State

__all__ = ["compare"]

_UNPROVEN = ("heard", "canceling")
"""The last columns of orders: what the gate notes of its talk with venues, which changes no number."""

_Content = Mapping[tuple[Any, ...], tuple[Any, ...]]


def compare(now: Standing, connection: Connection, findings: Findings) -> None:
    """Compare every table that the log speaks of; at the row 0, since it is of no row."""
    findings.row = 0
    for table, expected in (
        (schema.accounts, {(name,): (it.pm, it.cash, it.may_short) for name, it in now.owners.items()}),
        (schema.instruments, {(name,): (it.tick, it.lot, it.mark) for name, it in now.instruments.items()}),
        (schema.parents, {(name,): it for name, it in now.parents.items()}),
        (schema.child_orders, {(name,): _order(it) for name, it in now.orders.items()}),
        (schema.reservations, {(name,): _reservation(it) for name, it in now.orders.items() if it.held}),
        (schema.executions, now.executions),
        (schema.positions, {key: (it.shares,) for key, it in now.holdings.items() if it.shares}),
        (schema.limits, {key: (value,) for key, value in now.limits.items()}),
        (schema.switches, dict.fromkeys(now.switches, ())),
        (schema.restrictions, dict.fromkeys(now.restrictions, ())),
        (schema.blocks, {(name,): _block(it) for name, it in now.blocks.items()}),
        (schema.demands, {(b, a): tuple(d) for b, it in now.blocks.items() for a, d in it.demands.items()}),
        (
            schema.allocations,
            {
                (name, revision, account): share
                for name, it in now.blocks.items()
                for revision, shares in enumerate(it.allocations, start=1)
                for account, share in shares.items()
            },
        ),
        (schema.documents, {key: (text,) for key, text in now.documents.items()}),
        (schema.approvals, {(name,): it for name, it in now.approvals.items()}),
        (schema.sessions, {(1,): (now.opens, now.closes)} if now.opens else {}),
    ):
        _differences(table, expected, _content(table, connection), findings)
    _outbox(now, connection, findings)
    epoch = connection.execute(select(schema.gate.c.epoch)).scalar() or 0
    # A gate raises it before it writes its first row.
    if epoch < now.epoch:
        findings.add("table gate", f"the epoch is {epoch:,}, and the log has {now.epoch:,}")


def _content(table: Table, connection: Connection) -> _Content:
    keys = len(table.primary_key)
    found = {row[:keys]: row[keys:] for row in map(tuple, connection.execute(select(table)))}
    if table is schema.positions:
        return {key: shares for key, shares in found.items() if shares != (0,)}
    if table is schema.child_orders:
        return {key: row[: -len(_UNPROVEN)] for key, row in found.items()}
    if table is schema.parents:
        return {key: (*row[:-1], sha256(row[-1].encode()).hexdigest()) for key, row in found.items()}
    return found


def _differences(table: Table, expected: _Content, found: _Content, findings: Findings) -> None:
    subject = f"table {table.name}"
    names = [column.name for column in table.columns if column.name not in _UNPROVEN][len(table.primary_key) :]
    for key, values in expected.items():
        name = " ".join(map(str, key)).strip()
        there = found.get(key)
        if there is None:
            findings.add(subject, f"{name} is not there, and by the log is {_said(names, values)}")
        elif there != values:
            differing = [i for i, value in enumerate(values) if value != there[i]]
            of, by = ([row[i] for i in differing] for row in (there, values))
            these = [names[i] for i in differing]
            findings.add(subject, f"{name} has {_said(these, of)}, and by the log {_said(these, by)}")
    for key in found.keys() - expected.keys():
        name = " ".join(map(str, key)).strip()
        findings.add(subject, f"{name} is there with {_said(names, found[key])}, and the log does not have it")


def _said(names: list[str], values: "tuple[Any, ...] | list[Any]") -> str:
    shown = (
        f"{name} {value:,}" if type(value) is int else f"{name} {value}"
        for name, value in zip(names, values, strict=True)
    )
    return ", ".join(shown) or "nothing more"


def _order(it: Placed) -> tuple[Any, ...]:
    # In the order of the columns, without the key.
    return (
        *(it.account, it.pm, it.symbol, it.side, it.quantity, it.limit, it.tif, it.venue, it.parent, it.replaces),
        *(it.state.value, it.code, it.route, it.filled, it.price),
    )


def _block(it: Block) -> tuple[Any, ...]:
    return it.pm, it.account, it.symbol, it.side, it.limit, it.price, it.lot, it.method, it.key


def _reservation(it: Placed) -> tuple[Any, ...]:
    cash, shares = (it.held * it.price, it.held) if it.is_purchase else (0, -it.held)
    return it.account, it.symbol, cash, shares


def _outbox(now: Standing, connection: Connection, findings: Findings) -> None:
    """Everything was put out as often as the log says; what waits there is what has not left."""
    put: Counter[tuple[str, str]] = Counter()
    waiting: Counter[tuple[str, str]] = Counter()
    box = schema.outbox.c
    for order, action, done in connection.execute(select(box.order, box.action, box.done)):
        put[order, action] += 1
        waiting[order, action] += not done
    for name, order in now.orders.items():
        new, cancel = put.pop((name, "new"), 0), put.pop((name, "cancel"), 0)
        if new != order.news:
            findings.add("table outbox", f"{name} was put out {new:,} times, and by the log {order.news:,}")
        left = int(order.state is State.RESERVED)
        if waiting[name, "new"] != left:
            findings.add("table outbox", f"{name} waits {waiting[name, 'new']:,} times while it is {order.state}")
        # An end may be asked for again, which is no row of the log, or wait to be asked for while it is wanted again.
        if bool(cancel) != bool(order.cancels):
            findings.add("table outbox", f"the end of {name} was asked for {cancel:,} times, not {order.cancels:,}")
    for (name, action), count in put.items():
        findings.add("table outbox", f"{name} was put out {count:,} times ({action}), and the log does not have it")
