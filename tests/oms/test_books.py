"""What the gate does with each command, by hand."""

import pytest
from order_books import ANN, BOB, MARK, OPS, code, fill, limit, order, says, sell, sent, small_books, state

from quantray.errors import InputError
from quantray.oms.messages import VenueOrder
from quantray.oms.states import State


def acked(books, *names):
    sent(books, *names)
    books.report([says("acked", name) for name in names])


@pytest.fixture
def books():
    """With the order O1 of 100 shares at its venue."""
    books = small_books()
    assert code(books, order()) == ""
    acked(books, "O1")
    return books


def free(books):
    """Nothing is set aside."""
    lines = books.ledger.lines.values()
    return not any(it.reserved for it in books.ledger.accounts.values()) and not any(
        line.buying or line.selling for line in lines
    )


def alerts(books):
    return [alert.kind for alert in books.alerts]


def test_from_submission_to_fill():
    books = small_books()
    code(books, order())
    assert state(books) is State.RESERVED
    sent(books)
    assert state(books) is State.SENT
    books.report([says("acked"), fill(60), fill(40, exec_id="F2", price=MARK - 100, fee=5)])
    assert state(books) is State.FILLED
    assert books.ledger.accounts["A1"].cash == 10**10 - 60 * MARK - 40 * (MARK - 100) - 5
    assert books.ledger.lines["A1", "AAA"].shares == 1_100
    assert free(books)


def test_the_same_order_again_is_given_the_same_answer():
    books = small_books()
    first = books.submit([order("O1"), order("O2", 0)], ANN)
    rows = books.changes.chain.seq
    assert books.submit([order("O1"), order("O2", 0)], ANN) == first
    assert books.changes.chain.seq == rows
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)


def test_another_order_of_a_used_id_is_refused():
    books = small_books()
    code(books, order())
    assert code(books, order(quantity=99)) == "duplicate"
    assert code(books, order(), actor=BOB) == "duplicate"
    assert books.ledger.orders["O1"].order == order()


def test_a_basket_is_all_or_nothing():
    books = small_books()
    said = books.submit([order("O1"), sell("O2", 9_999), order("O3")], ANN, all_or_nothing=True)
    assert [(it.accepted, it.code) for it in said] == [(False, "basket"), (False, "position"), (False, "basket")]
    assert free(books)
    assert books.outgoing == books.ledger.live == {}
    said = books.submit([order("O4"), sell("O5"), order("O6")], ANN, all_or_nothing=True)
    assert all(it.accepted for it in said)
    assert len(books.outgoing) == 3


def test_a_basket_with_what_is_not_there_is_nothing():
    books = small_books()
    said = books.submit([order("O1"), order("O2", account="B1")], ANN, all_or_nothing=True)
    assert [it.code for it in said] == ["basket", "account"]
    assert free(books)


def test_a_cancellation_before_it_is_sent_ends_it():
    books = small_books()
    code(books, order())
    assert books.cancel("O1", ANN)
    assert state(books) is State.CANCELED
    assert books.outgoing == {}
    assert free(books)
    assert not books.cancel("O1", ANN)


def test_a_cancellation_at_the_venue_holds_until_it_is_confirmed(books):
    assert books.cancel("O1", ANN)
    assert state(books) is State.CANCEL_PENDING
    assert not free(books)
    assert not books.cancel("O1", ANN)
    books.report([fill(30), says("canceled", filled=30)])
    assert state(books) is State.CANCELED
    assert books.ledger.lines["A1", "AAA"].shares == 1_030
    assert free(books)


def test_a_refused_cancellation_leaves_it_where_it_was(books):
    books.cancel("O1", ANN)
    books.report([says("cancel_rejected")])
    assert state(books) is State.ACKED
    books.report([fill(30)])
    books.cancel("O1", ANN)
    books.report([says("cancel_rejected")])
    assert state(books) is State.PARTIAL


def test_what_is_canceled_before_it_is_handed_over_is_not_handed_over():
    books = small_books()
    code(books, order("O1"), order("O2"))
    waiting = list(books.outgoing)
    books.cancel("O1", ANN)
    assert [out.order.id for out in books.handed(waiting, "fix")] == ["O2"]
    assert books.handed(waiting, "rest") == []
    assert books.ledger.orders["O2"].route == "fix"


def test_what_surely_never_left_is_put_out_again():
    books = small_books()
    code(books, order())
    sent(books)
    books.unsent("O1", "new")
    assert state(books) is State.RESERVED
    books.handed(list(books.outgoing), "fix")
    assert books.ledger.orders["O1"].route == "fix"


def test_an_order_of_another_is_as_one_that_is_not_there(books):
    said = []
    for name in ("O1", "O9"):
        with pytest.raises(InputError) as found:
            books.cancel(name, BOB)
        said.append(str(found.value).replace(name, ""))
    assert said[0] == said[1]
    assert state(books) is State.ACKED


def test_doubt_holds_everything(books):
    assert books.unsure("O1", "no answer")
    assert state(books) is State.UNKNOWN
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert not books.unsure("O1", "again")
    assert not books.cancel("O1", ANN)
    books.report([fill(40)])
    assert state(books) is State.UNKNOWN
    # It lives, and was asked to end.
    books.report([says("acked")])
    assert state(books) is State.CANCEL_PENDING
    assert [out.action for out in books.outgoing.values()] == ["cancel"]


def test_an_order_that_its_venue_spoke_of_is_not_ended_by_its_silence(books):
    books.unsure("O1", "no answer")
    assert books.resolve("O1", None) is State.UNKNOWN
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert alerts(books) == ["break"]


@pytest.mark.parametrize(
    ("found", "after", "filled"),
    [
        (VenueOrder("O1", State.ACKED, 0), State.ACKED, 0),
        (VenueOrder("O1", State.PARTIAL, 60, (fill(60),)), State.PARTIAL, 60),
        (VenueOrder("O1", State.FILLED, 100, (fill(60), fill(40, exec_id="F2"))), State.FILLED, 100),
        (VenueOrder("O1", State.CANCELED, 60, (fill(60),)), State.CANCELED, 60),
        (VenueOrder("O1", State.REJECTED, 0), State.REJECTED, 0),
        # It was filled, and the fill was busted: as it was filled, it stays.
        (VenueOrder("O1", State.FILLED, 0, (fill(100), says("bust", exec_id="B1", refers="F1"))), State.FILLED, 0),
    ],
)
def test_doubt_is_settled_by_what_the_venue_knows(books, found, after, filled):
    books.unsure("O1", "no answer")
    assert books.resolve("O1", found) is after
    assert books.ledger.orders["O1"].filled == filled
    assert (books.ledger.accounts["A1"].reserved == 0) == (after in (State.CANCELED, State.FILLED, State.REJECTED))
    assert alerts(books) == []


@pytest.mark.parametrize(
    "found",
    [
        VenueOrder("O1", State.FILLED, 0),
        VenueOrder("O1", State.RESERVED, 0),
        VenueOrder("O1", State.UNKNOWN, 0),
        VenueOrder("O1", State.CANCELED, 60),
    ],
)
def test_nonsense_of_a_venue_settles_nothing(books, found):
    books.unsure("O1", "no answer")
    assert books.resolve("O1", found) is State.UNKNOWN
    assert alerts(books) == ["break"]
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)


def test_an_order_that_its_venue_forgot_is_a_break(books):
    books.report([fill(10)])
    assert books.resolve("O1", None) is State.PARTIAL
    assert alerts(books) == ["break"]


def test_a_rejection_of_what_is_partly_filled_is_a_break_and_the_rest_is_booked(books):
    books.report([fill(10), says("rejected", filled=10), fill(20, exec_id="F2")])
    assert state(books) is State.PARTIAL
    assert books.ledger.orders["O1"].filled == 30
    assert alerts(books) == ["break"]


def test_an_end_that_overtakes_a_fill_waits_for_it(books):
    books.report([says("canceled", filled=60)])
    assert state(books) is State.UNKNOWN
    assert not free(books)
    books.report([fill(60)])
    assert books.resolve("O1", VenueOrder("O1", State.CANCELED, 60)) is State.CANCELED
    assert free(books)


def test_a_fill_after_the_end_is_booked_and_the_order_stays_ended(books):
    books.report([says("canceled"), fill(60)])
    assert state(books) is State.CANCELED
    assert books.ledger.lines["A1", "AAA"].shares == 1_060
    assert free(books)


def test_reports_that_come_twice_count_once(books):
    for _ in range(3):
        books.report([fill(60), fill(40, exec_id="F2")])
    assert books.ledger.orders["O1"].filled == 100
    assert books.ledger.lines["A1", "AAA"].shares == 1_100


def test_a_bust_gives_back_shares_money_and_what_is_left_to_fill(books):
    books.report([fill(60, fee=9)])
    books.report([says("bust", exec_id="B1", refers="F1")])
    assert state(books) is State.ACKED
    assert books.ledger.accounts["A1"].cash == 10**10
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)
    assert books.ledger.lines["A1", "AAA"].shares == 1_000


def test_more_than_was_ordered_is_booked_and_somebody_is_told(books):
    books.report([fill(150)])
    assert state(books) is State.FILLED
    assert books.ledger.lines["A1", "AAA"].shares == 1_150
    assert alerts(books) == ["overfill"]
    assert free(books)


def test_a_report_of_what_was_never_sent_changes_nothing():
    books = small_books()
    code(books, order())
    books.report([fill(100), says("acked", "O9"), fill(100)])
    assert state(books) is State.RESERVED
    assert books.ledger.lines["A1", "AAA"].shares == 1_000
    assert alerts(books) == ["stray", "stray"]


def test_numbered_reports_leave_a_mark(books):
    books.report([says("acked", sequence=7)], "rest")
    books.report([says("acked", sequence=3)], "rest")
    assert books.cursors == {"rest": 7}


def test_a_replacement_counts_beside_what_it_replaces(books):
    limit(books, "ann_capital", 1_200 * MARK)
    assert code(books, order("O2", 101, replaces="O1")) == "capital"
    assert code(books, order("O3", 100, replaces="O1")) == ""
    for wrong in (
        order("O4", 1, replaces="O9"),
        order("O5", 1, replaces="O3"),
        sell("O6", 1, replaces="O1"),
    ):
        assert code(books, wrong) in ("replaces", "capital")


@pytest.mark.parametrize(
    "wrong", [order("O4", replaces="O9"), sell("O6", 1, replaces="O1"), order("O7", replaces="O3")]
)
def test_only_what_is_open_and_alike_is_replaced(books, wrong):
    code(books, order("O3", 1))
    assert code(books, wrong) == "replaces"


def test_every_order_and_transition_is_a_row(books):
    before = books.changes.chain.seq
    books.submit([order("O2"), order("O3", 0), order("O4", account="A9")], OPS)
    acked(books, "O2")
    books.report([fill(100, "O2")])
    # Three orders, sent, acknowledged, filled.
    assert books.changes.chain.seq == before + 6


def test_a_basket_that_names_an_order_twice_is_refused_twice(books):
    once = order("N1", 1)
    decided = books.submit([once, once, order("N2", 10**6)], ANN, all_or_nothing=True)
    assert [(each.accepted, each.code) for each in decided] == [(False, "basket"), (False, "basket"), (False, "size")]
