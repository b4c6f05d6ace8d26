"""What a portfolio manager reads of the order management, behind their wall: nothing here names a manager."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, case, func, select

from quantray.oms import schema
from quantray.oms.checks import FIRM_CODES
from quantray.oms.holdings import Held, Traded, exposed_parts, held_lines, traded_lines
from quantray.oms.messages import MONEY
from quantray.oms.states import ENDED
from quantray.serving.institution.manager_schemas import (
    AccountRow,
    AllocationRow,
    BlockDetail,
    BlockRow,
    Blocks,
    DemandRow,
    ExecutionRow,
    GainRow,
    Gains,
    HeldRow,
    LimitRow,
    Limits,
    OrderDetail,
    OrderRow,
    Orders,
    Positions,
)

__all__ = ["block", "blocks", "gains", "held_row", "limit_row", "limits", "order", "orders", "positions"]

_ORDER = schema.child_orders
_ENDED = [state.value for state in ENDED]


def orders(connection: Connection, wanted: Mapping[str, str], offset: int, limit: int) -> Orders:
    """A page of orders by id; ``wanted`` values by column."""
    chosen = [_ORDER.c[name] == value for name, value in wanted.items()]
    total = connection.execute(select(func.count()).select_from(_ORDER).where(*chosen)).scalar_one()
    query = select(_ORDER).where(*chosen).order_by(_ORDER.c.id).limit(limit).offset(offset)
    rows = tuple(OrderRow(**_order(row)) for row in connection.execute(query))
    return Orders(total=total, offset=offset, orders=rows)


def order(connection: Connection, name: str) -> OrderDetail | None:
    """An order and what its venue reported; None where it is not there, or somebody else's."""
    row = connection.execute(select(_ORDER).where(_ORDER.c.id == name)).one_or_none()
    if row is None:
        return None
    it = schema.executions.c
    found = connection.execute(select(schema.executions).where(it.order == name).order_by(it.seq))
    executions = tuple(
        ExecutionRow(
            venue=each.venue,
            exec_id=each.exec_id,
            kind=each.kind,
            refers=each.refers,
            quantity=each.quantity,
            price=each.price / MONEY,
            fee=each.fee / MONEY,
            time=each.time,
        )
        for each in found
    )
    return OrderDetail(**_order(row), executions=executions)


def positions(connection: Connection, pm: str, offset: int, limit: int) -> Positions:
    """A page of positions by account and symbol, and all accounts."""
    lines, it = held_lines(connection), schema.accounts.c
    worth: dict[str, int] = {}
    for line in lines:
        worth[line.account] = worth.get(line.account, 0) + line.value
    accounts = tuple(
        AccountRow(account=row.id, cash=row.cash / MONEY, value=worth.get(row.id, 0) / MONEY)
        for row in connection.execute(select(it.id, it.cash).order_by(it.id))
    )
    rows = tuple(HeldRow(**held_row(line)) for line in lines[offset : offset + limit])
    return Positions(total=len(lines), offset=offset, pm=pm, accounts=accounts, positions=rows)


def gains(connection: Connection, pm: str, offset: int, limit: int) -> Gains:
    """A page of what trading made, by account and symbol, and the whole of it."""
    it = schema.instruments.c
    marks = {row.symbol: row.mark for row in connection.execute(select(it.symbol, it.mark))}
    traded = traded_lines(connection)
    rows = tuple(_gain(each, marks[each.symbol]) for each in traded[offset : offset + limit])
    whole = sum(each.gain(marks[each.symbol]) for each in traded)
    return Gains(total=len(traded), offset=offset, pm=pm, gain=whole / MONEY, gains=rows)


def limits(connection: Connection) -> Limits:
    """The limits of a manager and of their accounts, with what is used of them."""
    it = schema.limits.c
    gross = sum(part.gross for part in exposed_parts(connection))
    sold = held_lines(connection, sold=True)
    short = {f"{line.account}:{line.symbol}": line.selling - line.shares for line in sold}
    query = select(it.scope, it.key, it.name, it.value).order_by(it.scope.desc(), it.key, it.name)
    rows = []
    for scope, key, name, value in connection.execute(query):
        is_money = name == "capital"
        used = gross if is_money else short.get(key, 0) if name == "locate" else None
        rows.append(limit_row(scope, key, name, value, used, is_money=is_money))
    return Limits(limits=tuple(rows))


def limit_row(scope: str, key: str, name: str, value: int, used: int | None, *, is_money: bool) -> LimitRow:
    """A limit as it travels; of one that is 0, whatever is used is all of it."""
    unit = MONEY if is_money else 1
    usage = None if used is None else used / value if value else float(used > 0)
    return LimitRow(
        scope=scope,
        key=key,
        name=name,
        value=value / unit,
        unit="money" if is_money else "number",
        used=None if used is None else used / unit,
        usage=usage,
    )


def blocks(connection: Connection, offset: int, limit: int) -> Blocks:
    """A page of blocks by id."""
    it = schema.blocks
    total = connection.execute(select(func.count()).select_from(it)).scalar_one()
    found = connection.execute(select(it).order_by(it.c.id).limit(limit).offset(offset)).all()
    rows = tuple(BlockRow(**row) for row in _blocks(connection, found))
    return Blocks(total=total, offset=offset, blocks=rows)


def block(connection: Connection, name: str) -> BlockDetail | None:
    """A block, who wants it and who has it; None where it is not there, or somebody else's."""
    found = connection.execute(select(schema.blocks).where(schema.blocks.c.id == name)).all()
    if not found:
        return None
    (row,) = _blocks(connection, found)
    of, it = schema.demands.c, schema.allocations.c
    wanted = connection.execute(select(schema.demands).where(of.block == name).order_by(of.account))
    given = connection.execute(
        select(schema.allocations).where(it.block == name, it.revision == row["revision"]).order_by(it.account)
    )
    return BlockDetail(
        **row,
        demands=tuple(
            DemandRow(account=each.account, shares=each.shares, kept=each.kept, reason=each.reason) for each in wanted
        ),
        allocations=tuple(
            AllocationRow(account=each.account, shares=each.shares, amount=each.amount / MONEY, fee=each.fee / MONEY)
            for each in given
        ),
    )


def held_row(line: Held) -> dict[str, Any]:
    """A line as it travels."""
    return {
        "account": line.account,
        "symbol": line.symbol,
        "shares": line.shares,
        "buying": line.buying,
        "selling": line.selling,
        "price": line.mark / MONEY,
        "value": line.value / MONEY,
    }


def _order(row: Row[Any]) -> dict[str, Any]:
    # The firm's limits are one to those whom they bind.
    code = "firm" if row.code in FIRM_CODES else row.code
    names = ("id", "pm", "account", "symbol", "side", "quantity", "tif", "venue", "parent", "state", "filled")
    limit = None if row.limit is None else row.limit / MONEY
    return {name: getattr(row, name) for name in names} | {"limit": limit, "code": code}


def _gain(it: Traded, mark: int) -> GainRow:
    return GainRow(
        account=it.account,
        symbol=it.symbol,
        bought=it.bought,
        sold=it.sold,
        paid=it.paid / MONEY,
        received=it.received / MONEY,
        fees=it.fees / MONEY,
        price=mark / MONEY,
        gain=it.gain(mark) / MONEY,
    )


def _blocks(connection: Connection, found: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Blocks with what was kept and filled of them."""
    names = [row.id for row in found]
    kept = _sums(connection, schema.demands.c.block, func.sum(schema.demands.c.kept), names)
    filled = _sums(connection, _ORDER.c.parent, func.sum(_ORDER.c.filled), names)
    ended = func.sum(case((_ORDER.c.state.in_(_ENDED), 0), else_=1))
    waiting = _sums(connection, _ORDER.c.parent, ended, names)
    revisions = _sums(connection, schema.allocations.c.block, func.max(schema.allocations.c.revision), names)
    return [
        {
            "id": row.id,
            "pm": row.pm,
            "symbol": row.symbol,
            "side": row.side,
            "limit": None if row.limit is None else row.limit / MONEY,
            "method": row.method,
            "quantity": kept.get(row.id, 0),
            "filled": filled.get(row.id, 0),
            "open": waiting.get(row.id, 0),
            "revision": revisions.get(row.id, 0),
        }
        for row in found
    ]


def _sums(connection: Connection, of: Any, what: Any, names: Sequence[str]) -> dict[str, int]:
    return {name: int(count) for name, count in connection.execute(select(of, what).where(of.in_(names)).group_by(of))}
