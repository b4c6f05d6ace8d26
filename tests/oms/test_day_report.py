"""The day's report from the books: what is held, at the gate's prices, against all rules."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from order_books import OPS, small_books

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.institution.rules import Position, laws
from quantray.oms.block_records import Block
from quantray.oms.blocks import place_block
from quantray.oms.changes import Actor
from quantray.oms.compliance import set_kinds, set_rules
from quantray.oms.controls import list_instruments, transfer
from quantray.oms.day_report import compliance_of_day, held_positions

DAY = date(2026, 3, 2)
CAP = Position(id="cap", kind="position", at_most=Decimal("0.09"))


def test_what_is_held():
    books = small_books()
    list_instruments(books, OPS, {"CCC": (100, 1)})
    transfer(books, OPS, "B1", 0, {"BBB": -30}, "in kind")
    it = held_positions(books.ledger)
    assert it.accounts == ["A1", "A2", "B1"]
    assert it.shares.tolist() == [[1_000, 0, 0], [0, 0, 0], [0, -30, 0]]
    assert it.cash.tolist() == [10**6] * 3
    assert it.prices[:2].tolist() == [100, 100]
    assert np.isnan(it.prices[2])
    assert it.located[0].tolist() == [500, 0, 0]
    assert it.nav.tolist() == [1_100_000, 1_000_000, 997_000]


def test_an_account_of_blocks_is_there_while_it_holds_something():
    books = small_books()
    block = Block(id="ann.block/K1", symbol="AAA", side=Side.SELL, demands={"A1": 100})
    assert place_block(books, Actor("ann", "ann"), block).accepted
    assert "ann.block" in held_positions(books.ledger).accounts
    assert "ann.residual" not in held_positions(books.ledger).accounts


def test_rules_of_the_gate_and_others():
    books = small_books()
    set_rules(books, OPS, [CAP])
    set_kinds(books, OPS, dict.fromkeys(("A1", "A2", "B1"), "margin"))
    transfer(books, OPS, "B1", 0, {"BBB": -30}, "in kind")
    report = compliance_of_day(books.ledger, DAY, laws())
    assert [(it.rule, it.account, it.symbol, it.state) for it in report.findings] == [
        ("cap", "A1", "AAA", "broken"),
        ("locate", "B1", "BBB", "broken"),
        ("Section 16", "", "AAA", "unknown"),
        ("13D or 13G", "", "AAA", "unknown"),
    ]


def test_two_rules_of_one_name():
    books = small_books()
    set_rules(books, OPS, [CAP])
    with pytest.raises(InputError, match="two rules are called 'cap'"):
        compliance_of_day(books.ledger, DAY, [CAP])
