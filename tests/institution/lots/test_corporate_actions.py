"""Splits, mergers, spin-offs and returns of capital, by hand."""

import pytest
from lot_days import booked, bought, day, dollars, shorted, sold

from quantray.errors import InputError
from quantray.institution.lots.events import Merger, ReturnOfCapital, SpinOff, Split

WHEN = day("2024-06-03")
UNIT = 10_000


def lots(book, symbol="M"):
    return {lot.id: (lot.shares, dollars(lot.money)) for lot in book.lots if lot.symbol == symbol}


def lines(book):
    return [(line.kind, line.lot, dollars(line.proceeds), dollars(line.basis)) for line in book.realised]


def test_a_split_keeps_basis_and_period():
    book = booked(bought("a", "2023-01-03", 10, 100), Split(date=WHEN, symbol="M", new=2, old=1))
    assert lots(book) == {"a": (20, 100)}
    assert book.lots[0].since == day("2023-01-03")


def test_a_reverse_split_pays_the_fraction_out():
    events = [bought("a", "2023-01-03", 7, 70), bought("b", "2024-05-02", 8, 160)]
    book = booked(*events, Split(date=WHEN, symbol="M", new=1, old=4, fraction_price=100 * UNIT))
    # Fifteen shares are three new ones and three quarters of one: the second begins in the first lot and has a share
    # of the next one's basis.
    assert lots(book) == {"a": (2, 90), "b": (1, 80)}
    assert lines(book) == [("cash in lieu", "b", 75, 60)]
    assert not book.realised[0].long_term


def test_basis_is_conserved_to_the_unit_when_shares_straddle_lots():
    events = [bought("a", "2023-01-03", 5, 0.0017), bought("b", "2024-05-02", 5, 0.0023)]
    book = booked(*events, Split(date=WHEN, symbol="M", new=3, old=2))
    assert [(lot.id, lot.shares) for lot in book.lots] == [("a", 8), ("b", 7)]
    assert sum(lot.money for lot in book.lots) == 40


def test_a_merger_for_shares_carries_the_basis_over():
    book = booked(
        bought("a", "2023-01-03", 10, 100), Merger(date=WHEN, symbol="M", into="N", new=3, old=1, fair_value=9)
    )
    assert (lots(book), lots(book, "N"), lines(book)) == ({}, {"a": (30, 100)}, [])


@pytest.mark.parametrize(
    ("cost", "recognised", "basis"),
    # Ten shares of 100 bring shares worth 80 and money of 20.
    [(50, 20, 50), (90, 10, 80), (130, 0, 110)],
)
def test_boot_is_taxed_up_to_the_gain_and_a_loss_is_not(cost, recognised, basis):
    """Sections 356(a) and (c), 358(a)."""
    merger = Merger(date=WHEN, symbol="M", into="N", cash=2 * UNIT, fair_value=8 * UNIT)
    book = booked(bought("a", "2023-01-03", 10, cost), merger)
    assert lots(book, "N") == {"a": (10, basis)}
    assert [dollars(line.gain) for line in book.realised] == [recognised]
    assert book.realised[0].kind == "merger"


def test_a_merger_for_money_is_a_sale_which_a_purchase_may_wash():
    events = [bought("a", "2023-01-03", 10, 100), Merger(date=WHEN, symbol="M", cash=8 * UNIT)]
    book = booked(*events, bought("b", "2024-06-04", 10, 80, symbol="N"), identical={"M": "g", "N": "g"})
    assert lines(book) == [("merger", "a", 80, 100)]
    assert (dollars(book.realised[0].disallowed), lots(book, "N")) == (20, {"b+M:2024-06-03:A.1": (10, 100)})


def test_a_spin_off_splits_the_basis_by_values():
    spin = SpinOff(date=WHEN, symbol="M", child="C", new=1, old=2, parent_value=30 * UNIT, child_value=20 * UNIT)
    book = booked(bought("a", "2023-01-03", 10, 100), spin)
    # Two old shares are worth 60 and bring 20.
    assert (lots(book), lots(book, "C")) == ({"a": (10, 75)}, {"a:C:2024-06-03": (5, 25)})
    assert {lot.since for lot in book.lots} == {day("2023-01-03")}


def test_what_is_spun_off_replaces_nothing():
    spin = SpinOff(date=WHEN, symbol="M", child="C", new=1, old=1, parent_value=UNIT, child_value=UNIT)
    book = booked(
        bought("c", "2023-01-03", 10, 1000, symbol="C"),
        bought("a", "2024-06-02", 10, 100),
        spin,
        sold("s", "2024-06-04", 10, 500, symbol="C"),
    )
    assert dollars(book.realised[0].gain) == -500


def test_capital_lowers_the_basis_to_zero_and_is_a_gain_beyond():
    events = [bought("a", "2023-01-03", 10, 100), bought("b", "2024-01-03", 10, 30)]
    book = booked(*events, ReturnOfCapital(date=WHEN, symbol="M", cash=4 * UNIT))
    assert lots(book) == {"a": (10, 60), "b": (10, 0)}
    assert lines(book) == [("return of capital", "b", 10, 0)]


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([bought("a", "2023-01-03", 3, 9), Split(date=WHEN, symbol="M", new=1, old=2)], "leaves account A a fraction"),
        (
            [shorted("a", "2023-01-03", 3, 9), Split(date=WHEN, symbol="M", new=1, old=2)],
            "account A owes M as its Split",
        ),
        ([shorted("a", "2023-01-03", 3, 9), ReturnOfCapital(date=WHEN, symbol="M", cash=1)], "cover first"),
        ([ReturnOfCapital(date=WHEN, symbol="M", cash=1)], "ReturnOfCapital of M on 2024-06-03 meets no open lot"),
        (
            [
                bought("a", "2023-01-03", 3, 9),
                shorted("b", "2023-01-03", 3, 9, symbol="N"),
                Merger(date=WHEN, symbol="M", into="N"),
            ],
            "the Merger of M on 2024-06-03 makes taxpayer one long and short in N",
        ),
    ],
)
def test_what_is_not_booked(events, said):
    with pytest.raises(InputError, match=said):
        booked(*events)


def test_shares_that_are_owed_are_split_where_they_stay_whole():
    book = booked(shorted("a", "2023-01-03", 3, 9), Split(date=WHEN, symbol="M", new=2, old=1))
    assert lots(book) == {"a": (6, 9)}
