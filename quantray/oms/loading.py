"""The books as they are on disk."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import Table, func, select

from quantray.execution.orders import Side
from quantray.institution.allocation import NUMBERED, LeftOut, Rule
from quantray.institution.approvals import LimitChange
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
from quantray.oms.ledger import Account, Instrument, Ledger
from quantray.oms.past import Past
from quantray.oms.states import OPEN

__all__ = ["Tables", "ledger_of", "loaded"]


class Tables(Protocol):
    """Whatever gives the rows of a table."""

    def read(self, table: Table, order_by: str | None = None) -> Iterable[Any]:
        """All rows of a table."""


def loaded(database: Database, clock: Callable[[], datetime]) -> Books:
    """Books with everything of a database that is open; what has ended they look up when it is asked for."""
    ledger, past = ledger_of(database), Past(database)
    books = Books(ledger, Changes(Chain(*database.last_audit())), Executions(), clock, past=past)
    books.bring_back(past.in_states(OPEN))
    box = schema.outbox
    (newest,) = database.select(select(func.max(box.c.seq).label("seq")))
    books.last_outgoing = newest.seq or 0
    for row in database.select(select(box).where(box.c.done.is_(False)).order_by(box.c.seq)):
        books.outgoing[row.seq] = Outgoing(row.seq, books.at(row.order).order, row.action)
    books.blocks = _blocks(database)
    for name, record in books.blocks.records.items():
        if not record.allocations:
            books.parts(name)
    books.blocks.count(ledger, books.executions)
    books.cursors = {row.route: row.sequence for row in database.read(schema.cursors)}
    books.approvals = {row.id: LimitChange(**row._mapping) for row in database.read(schema.approvals)}
    return books


def ledger_of(database: Tables) -> Ledger:
    """What is held, and what holds it; the orders are not in it."""
    ledger = Ledger()
    for row in database.read(schema.accounts):
        ledger.accounts[row.id] = Account(row.id, row.pm, row.cash, row.may_short)
    for row in database.read(schema.instruments):
        ledger.instruments[row.symbol] = Instrument(row.symbol, row.tick, row.lot, row.mark)
    for row in database.read(schema.positions):
        ledger.shift(row.account, row.symbol, shares=row.shares)
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
