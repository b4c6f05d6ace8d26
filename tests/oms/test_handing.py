"""Orders on their way out, by hand."""

import pytest
from order_books import ANN, MARK, books_at_venue, code, fill, order, says, sent, small_books, state

from quantray.oms.handing import handed, unsent, unsure
from quantray.oms.hearing import hear
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
