"""What venues say, booked by hand."""

import json

import pytest
from order_books import (
    ANN,
    MARK,
    acked,
    alerts,
    books_at_venue,
    code,
    fill,
    free,
    order,
    says,
    sell,
    sent,
    small_books,
    state,
)

from quantray.oms import schema
from quantray.oms.handing import handed, unsure
from quantray.oms.hearing import hear, resolve
from quantray.oms.messages import Silence, Unreadable, VenueOrder
from quantray.oms.states import State
from quantray.oms.submission import cancel


@pytest.fixture
def books():
    """With the order O1 of 100 shares at its venue."""
    return books_at_venue()


def test_a_refused_cancellation_leaves_it_where_it_was(books):
    cancel(books, "A1/O1", ANN)
    hear(books, [says("cancel_rejected")])
    assert state(books) is State.ACKED
    hear(books, [fill(30)])
    cancel(books, "A1/O1", ANN)
    hear(books, [says("cancel_rejected")])
    assert state(books) is State.PARTIAL


def test_an_order_that_its_venue_spoke_of_is_not_ended_by_its_silence(books):
    unsure(books, "A1/O1", "no answer")
    assert resolve(books, "A1/O1", None) is State.UNKNOWN
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert alerts(books) == ["break"]


@pytest.mark.parametrize(
    ("found", "after", "filled"),
    [
        (VenueOrder("A1/O1", State.ACKED, 0), State.ACKED, 0),
        (VenueOrder("A1/O1", State.PARTIAL, 60, (fill(60),)), State.PARTIAL, 60),
        (VenueOrder("A1/O1", State.FILLED, 100, (fill(60), fill(40, exec_id="F2"))), State.FILLED, 100),
        (VenueOrder("A1/O1", State.CANCELED, 60, (fill(60),)), State.CANCELED, 60),
        (VenueOrder("A1/O1", State.REJECTED, 0), State.REJECTED, 0),
        # It was filled, and the fill was busted: as it was filled, it stays.
        (VenueOrder("A1/O1", State.FILLED, 0, (fill(100), says("bust", exec_id="B1", refers="F1"))), State.FILLED, 0),
    ],
)
def test_doubt_is_settled_by_what_the_venue_knows(books, found, after, filled):
    unsure(books, "A1/O1", "no answer")
    assert resolve(books, "A1/O1", found) is after
    assert books.ledger.orders["A1/O1"].filled == filled
    assert (books.ledger.accounts["A1"].reserved == 0) == (after in (State.CANCELED, State.FILLED, State.REJECTED))
    assert alerts(books) == []


@pytest.mark.parametrize(
    "found",
    [
        VenueOrder("A1/O1", State.FILLED, 0),
        VenueOrder("A1/O1", State.RESERVED, 0),
        VenueOrder("A1/O1", State.UNKNOWN, 0),
        VenueOrder("A1/O1", State.CANCELED, 60),
    ],
)
def test_nonsense_of_a_venue_settles_nothing(books, found):
    unsure(books, "A1/O1", "no answer")
    assert resolve(books, "A1/O1", found) is State.UNKNOWN
    assert alerts(books) == ["break"]
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)


def test_an_order_that_its_venue_forgot_is_a_break(books):
    hear(books, [fill(10)])
    assert resolve(books, "A1/O1", None) is State.PARTIAL
    assert alerts(books) == ["break"]


def test_a_rejection_of_what_is_partly_filled_is_a_break_and_the_rest_is_booked(books):
    hear(books, [fill(10), says("rejected", filled=10), fill(20, exec_id="F2")])
    assert state(books) is State.PARTIAL
    assert books.ledger.orders["A1/O1"].filled == 30
    assert alerts(books) == ["break"]


def test_an_end_that_overtakes_a_fill_waits_for_it(books):
    hear(books, [says("canceled", filled=60)])
    assert state(books) is State.UNKNOWN
    assert not free(books)
    hear(books, [fill(60)])
    assert resolve(books, "A1/O1", VenueOrder("A1/O1", State.CANCELED, 60)) is State.CANCELED
    assert free(books)


def test_a_fill_after_the_end_is_booked_and_the_order_stays_ended(books):
    hear(books, [says("canceled"), fill(60)])
    assert state(books) is State.CANCELED
    assert books.ledger.lines["A1", "AAA"].shares == 1_060
    assert free(books)


def test_reports_that_come_twice_count_once(books):
    for _ in range(3):
        hear(books, [fill(60), fill(40, exec_id="F2")])
    assert books.ledger.orders["A1/O1"].filled == 100
    assert books.ledger.lines["A1", "AAA"].shares == 1_100


def test_a_bust_gives_back_shares_money_and_what_is_left_to_fill(books):
    hear(books, [fill(60, fee=9)])
    hear(books, [says("bust", exec_id="B1", refers="F1")])
    assert state(books) is State.ACKED
    assert books.ledger.accounts["A1"].cash == 10**10
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert books.ledger.lines["A1", "AAA"].shares == 1_000


def test_more_than_was_ordered_is_booked_and_somebody_is_told(books):
    hear(books, [fill(150)])
    assert state(books) is State.FILLED
    assert books.ledger.lines["A1", "AAA"].shares == 1_150
    assert alerts(books) == ["overfill"]
    assert free(books)


def test_a_report_of_what_was_never_sent_changes_nothing():
    books = small_books()
    code(books, order())
    hear(books, [fill(100), says("acked", "O9"), fill(100)])
    assert state(books) is State.RESERVED
    assert books.ledger.lines["A1", "AAA"].shares == 1_000
    assert alerts(books) == ["stray", "stray"]


def test_numbered_reports_leave_a_mark(books):
    hear(books, [says("acked", sequence=7)], "rest")
    hear(books, [says("acked", sequence=3)], "rest")
    assert books.cursors == {"rest": 7}


def test_an_answer_that_the_last_fill_overtook_is_no_break(books):
    hear(books, [fill(100)])
    assert resolve(books, "A1/O1", VenueOrder("A1/O1", State.ACKED, 0)) is State.FILLED
    assert alerts(books) == []


def test_what_cannot_be_read_is_kept_whole_told_and_asked_about(books):
    raw = '{"order": "O1", "quantity": -1}'
    hear(
        books,
        [Unreadable(raw=raw, why="quantity: too small", order="A1/O1", sequence=8), says("acked", sequence=9)],
        "rest",
    )
    line = next(line for _, line, _, _ in books.changes.rows.added[schema.audit] if '"unreadable"' in line)
    assert json.loads(line)[-1] == {"route": "rest", "sequence": 8, "why": "quantity: too small", "raw": raw}
    assert [alert.entity for alert in books.alerts if alert.kind == "unreadable"] == ["A1/O1"]
    assert books.cursors == {"rest": 9}
    assert state(books) is State.UNKNOWN
    assert resolve(books, "A1/O1", VenueOrder("A1/O1", State.PARTIAL, 60, (fill(60),))) is State.PARTIAL


def test_what_may_be_of_any_order_makes_all_of_its_way_asked_about(books):
    code(books, order("O2"), order("O3"), order("O4"))
    acked(books, "O2")
    sent(books, "O3")
    handed(books, list(books.outgoing), "fix")
    hear(books, [says("acked", "O4"), Unreadable(raw="7", why="no report", sequence=2)], "rest")
    assert [state(books, name).value for name in ("O1", "O2", "O3", "O4")] == ["UNKNOWN", "UNKNOWN", "SENT", "ACKED"]


def test_a_silence_is_told_and_changes_nothing(books):
    hear(books, [Silence("no answer")], "rest")
    assert [(alert.kind, alert.entity) for alert in books.alerts] == [("silence", "rest")]
    assert (state(books), books.cursors) == (State.ACKED, {})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"price": MARK}, []),
        ({"price": MARK + 1}, ["price"]),
        ({"price": MARK - 1}, []),
        # A purchase sets 100 a share aside for it.
        ({"fee": 60 * 100}, []),
        ({"fee": 60 * 100 + 1}, ["fee"]),
        ({"fee": -6 * MARK}, []),
        ({"fee": -6 * MARK - 1}, ["fee"]),
    ],
)
def test_a_fill_beyond_its_limit_or_with_a_fee_beyond_reason_is_booked_and_told(books, given, told):
    hear(books, [fill(60, **given)])
    assert books.ledger.orders["A1/O1"].filled == 60
    assert alerts(books) == told


def test_a_fill_after_the_end_is_told(books):
    hear(books, [says("canceled"), fill(60)])
    assert [(alert.kind, alert.text) for alert in books.alerts] == [
        ("late fill", "60 shares filled after it was CANCELED")
    ]


def test_a_purchase_at_the_market_beyond_the_limit_that_it_left_with_is_told(books):
    """The mark of 100 and a collar of 5 %: it leaves with 105, whatever is set aside for fees."""
    code(books, order("O2", 60, limit=None), order("O3", 60, limit=None))
    for name in ("O2", "O3"):
        acked(books, name)
    hear(books, [fill(60, "O2", "F2", 1_050_000), fill(60, "O3", "F3", 1_050_001)])
    assert [(alert.kind, alert.entity) for alert in books.alerts] == [("price", "A1/O3")]


def test_the_fee_of_a_sale_is_told_where_it_is_beyond_reason(books):
    code(books, sell("O2", 60), sell("O3", 60))
    for name in ("O2", "O3"):
        acked(books, name)
    hear(books, [fill(60, "O2", "F2", fee=6 * MARK), fill(60, "O3", "F3", fee=6 * MARK + 1)])
    assert [(alert.kind, alert.entity) for alert in books.alerts] == [("fee", "A1/O3")]
