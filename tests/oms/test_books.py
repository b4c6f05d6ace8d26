"""What is in the books after each step, by hand."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from order_books import MARK, OPS, acked, books_at_venue, code, fill, free, order, says, sent, small_books, state

from quantray.oms.books import stamp
from quantray.oms.hearing import hear
from quantray.oms.states import State
from quantray.oms.submission import submit


@pytest.fixture
def books():
    """With the order O1 of 100 shares at its venue."""
    return books_at_venue()


def test_from_submission_to_fill():
    books = small_books()
    code(books, order())
    assert state(books) is State.RESERVED
    sent(books)
    assert state(books) is State.SENT
    hear(books, [says("acked"), fill(60), fill(40, exec_id="F2", price=MARK - 100, fee=5)])
    assert state(books) is State.FILLED
    assert books.ledger.accounts["A1"].cash == 10**10 - 60 * MARK - 40 * (MARK - 100) - 5
    assert books.ledger.lines["A1", "AAA"].shares == 1_100
    assert free(books)


def test_every_order_and_transition_is_a_row(books):
    before = books.changes.chain.seq
    submit(books, [order("O2"), order("O3", 0), order("O4", account="A9")], OPS)
    acked(books, "O2")
    hear(books, [fill(100, "O2")])
    # Three orders, sent, acknowledged, filled.
    assert books.changes.chain.seq == before + 6


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (datetime(2026, 3, 2, 17, 0, 5, 42, tzinfo=UTC), "2026-03-02T17:00:05.000042Z"),
        (datetime(2026, 3, 2, 1, 0, 5, tzinfo=timezone(timedelta(hours=5, minutes=30))), "2026-03-01T19:30:05.000000Z"),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), "1969-12-31T23:59:59.999999Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_times_are_written_to_the_microsecond_in_utc(time, text):
    assert stamp(time) == text
