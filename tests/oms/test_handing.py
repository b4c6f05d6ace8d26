"""Orders on their way out, by hand."""

import json
from dataclasses import replace

import pytest
from order_books import (
    ANN,
    MARK,
    books_at_venue,
    code,
    fill,
    limit,
    order,
    says,
    sell,
    sent,
    short,
    small_books,
    state,
)
from paper_market import flat_bars, rules

from quantray.oms import schema
from quantray.oms.fixing.orders import order_fields
from quantray.oms.handing import handed, unsent, unsure
from quantray.oms.hearing import hear
from quantray.oms.messages import Holdings
from quantray.oms.paper.book import Book
from quantray.oms.states import State
from quantray.oms.submission import cancel


@pytest.fixture
def books():
    """With the order O1 of 100 shares at its venue."""
    return books_at_venue()


def test_what_is_canceled_before_it_is_handed_over_is_not_handed_over():
    books = small_books()
    code(books, order("O1"), order("O2"))
    waiting = list(books.outgoing)
    cancel(books, "A1/O1", ANN)
    assert [out.order.id for out in handed(books, waiting, "fix")] == ["A1/O2"]
    assert handed(books, waiting, "rest") == []
    assert books.ledger.orders["A1/O2"].route == "fix"


@pytest.mark.parametrize(
    ("given", "fee", "leaves_with"),
    [
        # 5 % above the mark, in whole ticks of 100.
        (order(limit=None), 100, 1_050_000),
        (order(limit=None, symbol="BBB"), 100, 1_050_000),
        (order(limit=MARK), 100, MARK),
        (sell(limit=None), 100, None),
        (short(limit=None, symbol="BBB"), 100, None),
        # The fee has become larger meanwhile: what is set aside has to do for it.
        (order(limit=None), 250, 1_049_800),
    ],
)
def test_a_purchase_at_the_market_leaves_with_the_limit_that_was_set_aside_for(given, fee, leaves_with):
    books = small_books(**{"A1:BBB_locate": 500})
    assert code(books, given) == ""
    limit(books, "firm_fee", fee)
    (out,) = handed(books, list(books.outgoing), "fix")
    assert (out.order, out.order.limit) == (replace(given, limit=leaves_with), leaves_with)
    assert books.ledger.orders["A1/O1"].order == given
    assert code(books, given) == "", "it is the order that was submitted, should it come again"
    said = [json.loads(line[1])[6] for line in books.changes.rows.added[schema.audit]][-1]
    assert said.get("limit") == (leaves_with if given.limit is None else None)


def test_what_surely_never_left_is_put_out_again():
    books = small_books()
    code(books, order())
    sent(books)
    unsent(books, "A1/O1", "new")
    assert state(books) is State.RESERVED
    handed(books, list(books.outgoing), "fix")
    assert books.ledger.orders["A1/O1"].route == "fix"


def test_doubt_holds_everything(books):
    assert unsure(books, "A1/O1", "no answer")
    assert state(books) is State.UNKNOWN
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert not unsure(books, "A1/O1", "again")
    assert not cancel(books, "A1/O1", ANN)
    hear(books, [fill(40)])
    assert state(books) is State.UNKNOWN
    # It lives, and was asked to end.
    hear(books, [says("acked")])
    assert state(books) is State.CANCEL_PENDING
    assert [out.action for out in books.outgoing.values()] == ["cancel"]


@pytest.mark.parametrize(
    ("prices", "filled"),
    [
        ([(200, 200, 200, 200)] * 2, 0),
        ([(100, 200, 100, 200)] * 2, 9_522),
        ([(200, 200, 200, 200), (104, 104, 104, 104)], 9_522),
    ],
)
def test_cash_is_never_overspent_where_a_name_doubles_within_a_bar(tmp_path, prices, filled):
    """All the cash buys a name at the market, at 105 and a fee of 0.01 at the most; the same order as it was asked for
    overspends it where the name opens at twice its price."""
    asked = order(quantity=9_522, limit=None)
    books, bars = small_books(), flat_bars(prices, 10**6)
    assert code(books, asked) == ""
    (out,) = handed(books, list(books.outgoing), "rest")
    assert tuple(each for each in order_fields(out.order) if each[0] in (40, 44)) == ((40, "2"), (44, "105"))
    with Book(bars, tmp_path / "bounded", rules=rules()) as venue:
        venue.submit([out.order])
        for _ in prices:
            venue.advance()
            said = venue.reports(books.cursors.get("rest", 0))
            hear(books, said, "rest")
            assert books.ledger.accounts["A1"].cash >= books.ledger.accounts["A1"].reserved >= 0
        assert books.ledger.orders["A1/O1"].filled == filled
        assert books.alerts == []
    with Book(bars, tmp_path / "naive", rules=rules(), openings={"A1": Holdings(10**10)}) as venue:
        venue.submit([asked])
        venue.advance()
        assert (venue.holdings("A1").cash < 0) is (prices[0][0] == 200)
