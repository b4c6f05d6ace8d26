"""Shares, money and exposures by hand."""

import random

import pytest
from order_books import order, sell

from quantray.errors import InputError
from quantray.oms.ledger import Account, Instrument, Ledger, Line, OrderRecord
from quantray.oms.states import State


@pytest.fixture
def ledger():
    return Ledger(
        accounts={"A1": Account("A1", "ann", 10_000), "B1": Account("B1", "bob", 10_000)},
        instruments={"AAA": Instrument("AAA", mark=10), "BBB": Instrument("BBB", mark=5)},
    )


def test_the_worst_of_a_line():
    assert Line(100, buying=50).worst == 150
    assert Line(100, selling=50).worst == 100
    assert Line(100, selling=250).worst == 150
    assert Line(-100, buying=150, selling=20).worst == 120


def test_a_purchase_from_reservation_to_fill(ledger):
    record = OrderRecord(order(quantity=100), "ann", State.RESERVED, price=12)
    ledger.add(record)
    assert ledger.accounts["A1"].reserved == 1_200
    assert (ledger.gross, ledger.long, ledger.short, ledger.gross_of_pm["ann"]) == (1_000, 1_000, 0, 1_000)
    ledger.release(record)
    record.filled, record.state = 40, State.PARTIAL
    ledger.trade(record, 40, 9, 7)
    ledger.reserve(record)
    account = ledger.accounts["A1"]
    assert (account.cash, account.reserved) == (10_000 - 40 * 9 - 7, 60 * 12)
    assert (ledger.gross, ledger.long, ledger.short) == (1_000, 1_000, 400)
    assert ledger.live == {"A1/O1": record}
    ledger.release(record)
    record.state = State.CANCELED
    ledger.reserve(record)
    assert (account.reserved, ledger.gross, ledger.long, ledger.short, ledger.live) == (0, 400, 400, 400, {})


def test_a_sale_sets_shares_aside_and_no_money(ledger):
    ledger.shift("A1", "AAA", shares=100)
    record = OrderRecord(sell(quantity=60), "ann", State.RESERVED)
    ledger.add(record)
    assert ledger.lines["A1", "AAA"] == Line(100, 0, 60)
    assert (ledger.accounts["A1"].reserved, ledger.long, ledger.short) == (0, 1_000, 400)


def test_managers_are_apart_and_the_firm_is_all(ledger):
    ledger.shift("A1", "AAA", shares=100)
    ledger.shift("B1", "AAA", shares=-30)
    assert (ledger.gross_of_pm["ann"], ledger.gross_of_pm["bob"], ledger.gross) == (1_000, 300, 1_300)
    assert ledger.totals["AAA"].shares == 70
    assert ledger.long == ledger.short == 700


def test_sums_are_those_of_all_lines_after_many_changes(ledger):
    chance = random.Random(3)
    for _ in range(500):
        account, symbol = chance.choice(["A1", "B1"]), chance.choice(["AAA", "BBB"])
        if chance.random() < 0.2:
            ledger.set_mark(symbol, chance.randint(1, 50))
        else:
            shares, buying, selling = (chance.randint(-50, 50) for _ in range(3))
            ledger.shift(account, symbol, shares=shares, buying=buying, selling=selling)
    marks = {symbol: it.mark for symbol, it in ledger.instruments.items()}
    lines = [(account, line, marks[symbol]) for (account, symbol), line in ledger.lines.items()]
    assert ledger.gross == sum(line.worst * mark for _, line, mark in lines)
    assert ledger.long == sum((line.shares + line.buying) * mark for _, line, mark in lines)
    assert ledger.short == sum((line.shares - line.selling) * mark for _, line, mark in lines)
    for account, pm in (("A1", "ann"), ("B1", "bob")):
        assert ledger.gross_of_pm[pm] == sum(line.worst * mark for name, line, mark in lines if name == account)


def test_parts_of_an_order_are_found(ledger):
    records = [OrderRecord(order(f"O{i}", parent="P1"), "ann", State.RESERVED, price=1) for i in range(2)]
    for record in records:
        ledger.add(record)
    assert ledger.parts == {"A1/P1": records}


def test_an_unknown_account_is_named(ledger):
    with pytest.raises(InputError, match="there is no account 'A9'; open it first"):
        ledger.account("A9")
