"""The books as they are on disk."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from quantray.execution.orders import Side
from quantray.institution.allocation import NUMBERED, LeftOut, Rule
from quantray.institution.facts import NameFacts
from quantray.institution.firm_factors import FirmFactors
from quantray.institution.overrides import Override
from quantray.institution.rules import RULE
from quantray.oms import schema
from quantray.oms.audit import Chain
from quantray.oms.block_records import Block, BlockRecord, Blocks, Share
from quantray.oms.books import Books, Outgoing
from quantray.oms.changes import Changes
from quantray.oms.compliance import renew
from quantray.oms.database import Database
from quantray.oms.executions import Executions
from quantray.oms.firm import install, prepared
from quantray.oms.ledger import Account, Instrument, Ledger, OrderRecord
from quantray.oms.messages import NewOrder, Report, ReportKind
from quantray.oms.states import State

__all__ = ["loaded"]


def loaded(database: Database, clock: Callable[[], datetime]) -> Books:
    """Books with everything that a database holds."""
    ledger = _ledger(database)
    books = Books(ledger, Changes(Chain(*database.last_audit())), _executions(database), clock)
    for row in database.read(schema.outbox, "seq"):
        books.last_outgoing = row.seq
        if not row.done:
            books.outgoing[row.seq] = Outgoing(row.seq, ledger.orders[row.order].order, row.action)
    books.blocks = _blocks(database)
    books.blocks.count(ledger, books.executions)
    books.cursors = {row.route: row.sequence for row in database.read(schema.cursors)}
    books.parents = {row.id: (row.account, row.symbol, row.side, row.quantity) for row in database.read(schema.parents)}
    return books


def _ledger(database: Database) -> Ledger:
    ledger = Ledger()
    for row in database.read(schema.accounts):
        ledger.accounts[row.id] = Account(row.id, row.pm, row.cash, row.may_short)
    for row in database.read(schema.instruments):
        ledger.instruments[row.symbol] = Instrument(row.symbol, row.tick, row.lot, row.mark)
    for row in database.read(schema.positions):
        ledger.shift(row.account, row.symbol, shares=row.shares)
    for row in database.read(schema.child_orders):
        ledger.add(_record(row))
    ledger.limits = {(row.scope, row.key, row.name): row.value for row in database.read(schema.limits)}
    ledger.switches = {(row.scope, row.key) for row in database.read(schema.switches)}
    ledger.restrictions = {(row.account, row.symbol) for row in database.read(schema.restrictions)}
    for row in database.read(schema.sessions):
        ledger.opens, ledger.closes = row.opens, row.closes
    documents = {(row.kind, row.name): json.loads(row.body) for row in database.read(schema.documents)}
    ledger.facts = {name: NameFacts(**body) for (kind, name), body in documents.items() if kind == "facts"}
    if (body := documents.get(("factors", ""))) is not None:
        ledger.factors = FirmFactors.of(body)
    ledger.kinds = {name: body["kind"] for (kind, name), body in documents.items() if kind == "kind"}
    ledger.rules = {name: RULE.validate_python(body) for (kind, name), body in documents.items() if kind == "rule"}
    signed = [Override(**body) for (kind, _), body in documents.items() if kind == "override"]
    ledger.overrides = {(it.rule, it.account, it.symbol): it for it in signed}
    install(ledger, prepared(ledger))
    renew(ledger)
    return ledger


def _record(row: Any) -> OrderRecord:
    order = NewOrder(
        id=row.id,
        account=row.account,
        symbol=row.symbol,
        side=Side(row.side),
        quantity=row.quantity,
        limit=row.limit,
        tif=row.tif,
        venue=row.venue,
        parent=row.parent,
        replaces=row.replaces,
    )
    return OrderRecord(
        order, row.pm, State(row.state), row.code, row.route, row.filled, row.price, row.heard, row.canceling
    )


def _blocks(database: Database) -> Blocks:
    demands: dict[str, list[Any]] = {}
    for row in database.read(schema.demands):
        demands.setdefault(row.block, []).append(row)
    blocks = Blocks({row.id: _block(row, demands[row.id]) for row in database.read(schema.blocks)})
    # In the order in which they were allocated.
    for row in database.read(schema.allocations, "revision"):
        allocations = blocks.records[row.block].allocations
        if len(allocations) < row.revision:
            allocations.append({})
        allocations[-1][row.account] = Share(row.shares, row.amount, row.fee)
    return blocks


def _block(row: Any, demands: list[Any]) -> BlockRecord:
    rule = Rule(method=row.method)
    if row.method in NUMBERED:
        rule = Rule(method=row.method, numbers={it.account: it.number for it in demands})
    return BlockRecord(
        Block(
            id=row.id,
            symbol=row.symbol,
            side=Side(row.side),
            demands={it.account: it.shares for it in demands},
            limit=row.limit,
            rule=rule,
        ),
        row.pm,
        {it.account: it.kept for it in demands if it.kept},
        tuple(LeftOut(it.account, it.shares - it.kept, it.reason) for it in demands if it.kept < it.shares),
        row.lot,
        row.price,
        row.key,
    )


def _executions(database: Database) -> Executions:
    return Executions.of(
        Report(
            kind=ReportKind(row.kind),
            order=row.order,
            venue=row.venue,
            exec_id=row.exec_id,
            refers=row.refers,
            quantity=row.quantity,
            price=row.price,
            fee=row.fee,
            time=row.time,
        )
        for row in database.read(schema.executions, "seq")
    )
