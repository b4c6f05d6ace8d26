"""Which lots a sale takes, by hand."""

import pytest
from lot_days import booked, bought, covered, dollars, shorted, sold

from quantray.errors import InputError

THREE = [
    bought("a", "2024-01-02", 100, 1000),
    bought("b", "2024-01-03", 100, 1200),
    bought("c", "2024-01-04", 100, 800),
]


@pytest.mark.parametrize(
    ("method", "gain", "left"),
    [
        ("fifo", 50, {"b": 50, "c": 100}),
        ("lifo", 250, {"a": 100, "b": 50}),
        ("hifo", -50, {"a": 50, "c": 100}),
        ("average", 150, {"b": 50, "c": 100}),
    ],
)
def test_methods_by_hand(method, gain, left):
    book = booked(*THREE, sold("s", "2024-06-03", 150, 1650), method=method)
    assert dollars(sum(line.gain for line in book.realised)) == gain
    assert {lot.id: lot.shares for lot in book.lots} == left


def test_the_average_stays_with_what_is_left():
    book = booked(*THREE, sold("s", "2024-06-03", 150, 1650), method="average")
    assert {lot.id: dollars(lot.money) for lot in book.lots} == {"b": 500, "c": 1000}


def test_named_lots():
    book = booked(*THREE, sold("s", "2024-06-03", 120, 1320, lots={"c": 20, "b": 100}), method="specific")
    assert [(line.lot, line.shares, dollars(line.gain)) for line in book.realised] == [("b", 100, -100), ("c", 20, 60)]


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({"z": 120}, "sale s names lot 'z', which account A does not hold"),
        ({"a": 101, "b": 19}, "sale s names 101 shares of lot 'a', which has 100"),
        ({"a": 0, "b": 120}, "sale s names 0 shares of lot 'a'"),
        ({"a": 100}, "the lots of sale s add up to 100 shares, not to its 120"),
        (None, "sale s does not name lots, and the tax method of account A is specific"),
    ],
)
def test_named_lots_must_add_up(named, said):
    with pytest.raises(InputError, match=said):
        booked(*THREE, sold("s", "2024-06-03", 120, 1320, lots=named), method="specific")


def test_what_a_share_costs_is_whole_and_nothing_is_lost():
    book = booked(
        bought("a", "2024-01-02", 3, 0.0010), sold("s", "2024-06-03", 1, 0.0007), sold("t", "2024-06-03", 1, 1)
    )
    assert [line.basis for line in book.realised] == [4, 3]
    assert book.lots[0].money == 3


def test_short_sales_are_short_term_whenever_they_are_covered():
    book = booked(shorted("a", "2022-01-03", 10, 1000), covered("c", "2024-02-01", 4, 300))
    line = book.realised[0]
    assert (dollars(line.proceeds), dollars(line.basis), dollars(line.gain), line.long_term) == (400, 300, 100, False)
    assert (book.lots[0].side, book.lots[0].shares, dollars(book.lots[0].money)) == (-1, 6, 600)
