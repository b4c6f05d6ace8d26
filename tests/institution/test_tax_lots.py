"""Lots against an oracle that has a record for every share, laws, and what is refused."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lot_days import TODAY, booked, bought, covered, day, shorted, sold
from share_records import ACCOUNTS, IDENTICAL, by_lot, random_history

from quantray.errors import InputError
from quantray.institution.lots.events import Split, TaxAccount, Trade
from quantray.institution.tax_lots import lot_book


def compared(seed, length=30):
    """How many wash sales a random history has, once book and oracle agree on it."""
    events, oracle = random_history(np.random.default_rng(seed), length)
    book = lot_book(ACCOUNTS, identical=IDENTICAL).after(events, today=TODAY)
    ours = [
        (x.account, x.symbol, x.id, x.side, x.shares, x.money, x.acquired, x.since, x.may_replace) for x in book.lots
    ]
    theirs = []
    for lot in by_lot(oracle.shares):
        x, side, money = lot[0], -1 if lot[0].owed else 1, sum(share.money for share in lot)
        theirs.append((x.account, x.symbol, x.lot, side, len(lot), money, x.bought, x.since, not x.used))
    assert sorted(ours) == sorted(theirs)
    names = list(oracle.lines[0]) if oracle.lines else []
    lines = sorted(tuple(getattr(line, name) for name in names) for line in book.realised)
    assert lines == sorted(tuple(line.values()) for line in oracle.lines)
    return sum(line["disallowed"] > 0 for line in oracle.lines)


def test_lots_are_those_of_an_oracle_that_follows_every_share():
    assert sum(compared(seed) for seed in range(60)) > 60


@pytest.mark.slow
def test_lots_are_those_of_an_oracle_on_a_thousand_histories():
    assert sum(compared(seed) for seed in range(1000)) > 1000


def trades_of(seed, length=40):
    """The trades of a random history without its corporate actions."""
    events, _ = random_history(np.random.default_rng(seed), length)
    kept, book = [], lot_book(ACCOUNTS, identical=IDENTICAL)
    for event in events:
        if isinstance(event, Trade):
            try:
                book = book.after([event], today=TODAY)
            except InputError:
                continue
            kept.append(event)
    return kept, book


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_money_is_conserved(seed):
    """What is gained and what is held in lots are what was paid and got; what an IRA takes is gone."""
    trades, book = trades_of(seed)
    sign = {"Purchase": -1, "Cover": -1, "Sale": 1, "ShortSale": 1}
    cash = sum(sign[type(each).__name__] * each.money for each in trades)
    lost = sum(line.lost for line in book.realised)
    assert sum(line.gain for line in book.realised) - lost - sum(lot.side * lot.money for lot in book.lots) == cash
    shares = sum(-sign[type(each).__name__] * each.shares for each in trades)
    assert sum(lot.side * lot.shares for lot in book.lots) == shares


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.randoms(use_true_random=False))
def test_names_that_have_nothing_to_do_with_each_other_may_come_in_any_order(seed, random):
    trades, book = trades_of(seed)
    streams = {}
    for each in trades:
        streams.setdefault((each.date, IDENTICAL.get(each.symbol, each.symbol)), []).append(each)
    days = sorted({key[0] for key in streams})
    mixed = []
    for when in days:
        keys = [key for key in streams if key[0] == when]
        random.shuffle(keys)
        mixed += [each for key in keys for each in streams[key]]
    again = lot_book(ACCOUNTS, identical=IDENTICAL).after(mixed, today=TODAY)
    assert again.lots == book.lots
    assert sorted(again.realised, key=str) == sorted(book.realised, key=str)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 30))
def test_events_may_come_in_two_parts(seed, first):
    events, _ = random_history(np.random.default_rng(seed), 30)
    empty = lot_book(ACCOUNTS, identical=IDENTICAL)
    whole = empty.after(events, today=TODAY)
    parts = empty.after(events[:first], today=TODAY).after(events[first:], today=TODAY)
    assert (parts.lots, parts.realised, parts.unreplaced) == (whole.lots, whole.realised, whole.unreplaced)


@pytest.mark.parametrize("method", ["fifo", "lifo", "hifo", "average"])
def test_one_lot_is_the_same_by_every_method(method):
    book = booked(bought("p", "2023-01-02", 10, 100), sold("s", "2023-02-01", 4, 60), method=method)
    assert book.realised == booked(bought("p", "2023-01-02", 10, 100), sold("s", "2023-02-01", 4, 60)).realised
    assert (book.realised[0].gain, book.lots[0].money) == (200_000, 600_000)


BUY = bought("p", "2024-01-02", 10, 100)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([BUY, sold("s", "2024-02-01", 11, 60)], "sale s is of 11 M, and account A holds 10"),
        ([sold("s", "2024-02-01", 1, 60)], "sale s is of 1 M, and account A holds 0"),
        ([BUY, BUY], "trade p is booked twice"),
        ([BUY, bought("q", "2024-01-01", 1, 1)], "trade q of 2024-01-01 comes after 2024-01-02"),
        ([BUY, bought("q", "2050-01-02", 1, 1)], "trade q is of 2050-01-02, after today, 2050-01-01"),
        ([BUY, bought("q", "2024-02-01", 1, 1, account="Z")], "account 'Z' is not in the lot book"),
        ([BUY, covered("c", "2024-02-01", 1, 1)], "cover c is of 1 M, and account A owes 0"),
        ([BUY, shorted("c", "2024-02-01", 1, 1)], "trade c makes taxpayer one long and short in M, as account A holds"),
        ([shorted("c", "2024-01-01", 1, 1), BUY], "as account A owes M: constructive sales .* cover it first"),
        (
            [BUY, sold("s", "2024-02-01", 10, 60), Split(date=day("2024-02-02"), symbol="M", new=2, old=1)],
            "the Split of M on 2024-02-02 meets no open lot",
        ),
        (
            [BUY, sold("s", "2024-02-01", 1, 60, lots={"p": 1})],
            "sale s names lots, and the tax method of account A is fifo",
        ),
    ],
)
def test_nothing_of_a_list_is_booked_where_an_event_is_refused(events, said):
    book = booked()
    with pytest.raises(InputError, match=said):
        book.after(events, today=TODAY)
    assert (book.lots, book.as_of) == ((), None)


def test_an_account_has_one_taxpayer():
    account = TaxAccount(id="A", taxpayer="one")
    with pytest.raises(InputError, match="account A comes twice"):
        lot_book([account, replace(account, taxpayer="two")])


def test_a_book_goes_on_from_its_last_day():
    book = booked(BUY)
    assert (book.as_of, [lot.id for lot in book.held("A", "M")], book.held("A", "N")) == (date(2024, 1, 2), ["p"], ())
    with pytest.raises(InputError, match="trade p is booked twice"):
        book.after([BUY], today=TODAY)
