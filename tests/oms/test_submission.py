"""Orders submitted and canceled, by hand."""

import pytest
from order_books import ANN, BOB, MARK, books_at_venue, code, fill, free, limit, order, says, sell, small_books, state

from quantray.errors import InputError
from quantray.oms.hearing import hear
from quantray.oms.states import State
from quantray.oms.submission import cancel, submit


@pytest.fixture
def books():
    """With the order O1 of 100 shares at its venue."""
    return books_at_venue()


def test_the_same_order_again_is_given_the_same_answer():
    books = small_books()
    first = submit(books, [order("O1"), order("O2", 0)], ANN)
    rows = books.changes.chain.seq
    assert submit(books, [order("O1"), order("O2", 0)], ANN) == first
    assert books.changes.chain.seq == rows
    assert books.ledger.accounts["A1"].reserved == 100 * (MARK + 100)


def test_another_order_of_a_used_id_is_refused():
    books = small_books()
    code(books, order())
    assert code(books, order(quantity=99)) == "duplicate"
    assert code(books, order(), actor=BOB) == "duplicate"
    assert books.ledger.orders["A1/O1"].order == order()


def test_nobody_uses_up_or_learns_of_an_id_of_another():
    books = small_books()
    bobs = {"account": "B1", "parent": None}
    # Before ann has the order O1 and after, whether as an id or as what it is a part of or replaces.
    said = []
    for _ in range(2):
        given = [
            order("A1/O1", **bobs),
            order("X", account="B1", parent="A1/O1"),
            order("X", account="B1", replaces="A1/O1"),
        ]
        said.append([(it.code, it.text) for it in submit(books, given, BOB)])
        assert code(books, order("A1/O1"), actor=ANN) == ""
    assert said[0] == said[1]
    assert {code for code, _ in said[0]} == {"malformed"}
    assert code(books, order("B1/O1", account="B1"), actor=BOB) == ""
    assert books.ledger.orders.keys() == {"A1/O1", "B1/O1"}


def test_a_basket_is_all_or_nothing():
    books = small_books()
    said = submit(books, [order("O1"), sell("O2", 9_999), order("O3")], ANN, all_or_nothing=True)
    assert [(it.accepted, it.code) for it in said] == [(False, "basket"), (False, "position"), (False, "basket")]
    assert free(books)
    assert books.outgoing == books.ledger.live == {}
    said = submit(books, [order("O4"), sell("O5"), order("O6")], ANN, all_or_nothing=True)
    assert all(it.accepted for it in said)
    assert len(books.outgoing) == 3


def test_a_basket_with_what_is_not_there_is_nothing():
    books = small_books()
    said = submit(books, [order("O1"), order("O2", account="B1")], ANN, all_or_nothing=True)
    assert [it.code for it in said] == ["basket", "account"]
    assert free(books)


def test_a_basket_that_names_an_order_twice_is_refused_twice(books):
    once = order("N1", 1)
    decided = submit(books, [once, once, order("N2", 10**6)], ANN, all_or_nothing=True)
    assert [(each.accepted, each.code) for each in decided] == [(False, "basket"), (False, "basket"), (False, "size")]


def test_a_cancellation_before_it_is_sent_ends_it():
    books = small_books()
    code(books, order())
    assert cancel(books, "A1/O1", ANN)
    assert state(books) is State.CANCELED
    assert books.outgoing == {}
    assert free(books)
    assert not cancel(books, "A1/O1", ANN)


def test_a_cancellation_at_the_venue_holds_until_it_is_confirmed(books):
    assert cancel(books, "A1/O1", ANN)
    assert state(books) is State.CANCEL_PENDING
    assert not free(books)
    assert not cancel(books, "A1/O1", ANN)
    hear(books, [fill(30), says("canceled", filled=30)])
    assert state(books) is State.CANCELED
    assert books.ledger.lines["A1", "AAA"].shares == 1_030
    assert free(books)


def test_an_order_of_another_is_as_one_that_is_not_there(books):
    said = []
    for name in ("O1", "O9"):
        with pytest.raises(InputError) as found:
            cancel(books, name, BOB)
        said.append(str(found.value).replace(name, ""))
    assert said[0] == said[1]
    assert state(books) is State.ACKED


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
