"""What operations set, and what they cannot."""

from datetime import datetime

import pytest
from order_books import ANN, BOB, OPS, empty_books, small_books

from quantray.errors import InputError
from quantray.execution.orders import Side
from quantray.oms import controls
from quantray.oms.ledger import Account


def unchanged(books):
    return repr(books.ledger), books.changes.chain.seq


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (lambda b: controls.open_account(b, OPS, Account("A1", "ann", 1), {}), "account 'A1' is there already"),
        (lambda b: controls.open_account(b, OPS, Account("", "ann", 1), {}), "lacks an id"),
        (lambda b: controls.open_account(b, OPS, Account("x" * 65, "ann", 1), {}), "lacks an id"),
        (lambda b: controls.open_account(b, OPS, Account("A7", "", 1), {}), "portfolio manager"),
        (lambda b: controls.open_account(b, OPS, Account("A7", "ann", 1.5), {}), "cash 1.5 must be a whole number"),
        (lambda b: controls.open_account(b, OPS, Account("A7", "ann", 1), {"ZZZ": 1}), "symbol 'ZZZ' is not listed"),
        (lambda b: controls.open_account(b, OPS, Account("A7", "ann", 10**18), {}), "at most 1e\\+17"),
        (lambda b: controls.transfer(b, OPS, "A9", 1, {}, "in"), "there is no account 'A9'"),
        (lambda b: controls.transfer(b, OPS, "A1", 1, {}, ""), "a transfer needs a reason"),
        (
            lambda b: controls.list_instruments(b, OPS, {"CCC": (0, 1)}),
            "'CCC' needs a name of up to 32 letters, a tick",
        ),
        (lambda b: controls.list_instruments(b, OPS, {"S" * 33: (1, 1)}), "a name of up to 32 letters"),
        (lambda b: controls.set_marks(b, OPS, {"AAA": 5, "BBB": 0}), "the price 0 of BBB is not positive"),
        (lambda b: controls.set_marks(b, OPS, {"AAA": 5, "ZZZ": 1}), "symbol 'ZZZ' is not listed"),
        (lambda b: controls.set_limits(b, OPS, {("firm", "", "wine"): 1}), "limit firm wine is none of firm: collar"),
        (lambda b: controls.set_limits(b, OPS, {("firm", "x", "gross"): 1}), "limit firm gross needs no key"),
        (lambda b: controls.set_limits(b, OPS, {("pm", "", "rate"): 1}), "limit pm rate needs the key"),
        (lambda b: controls.set_limits(b, OPS, {("pm", "ann", "rate"): -1}), "limit pm rate is -1; give 0 or more"),
        (lambda b: controls.set_switch(b, OPS, "wine", "x", on=True), "a kill switch is of the firm, or"),
        (lambda b: controls.set_switch(b, OPS, "pm", "", on=True), "a kill switch is of the firm, or"),
        (lambda b: controls.restrict(b, OPS, "ZZZ", on=True), "symbol 'ZZZ' is not listed"),
        (lambda b: controls.restrict(b, OPS, "AAA", on=True, account="A9"), "there is no account 'A9'"),
        (lambda b: controls.set_session(b, OPS, datetime(2026, 1, 1), datetime(2026, 1, 2)), "give times with a zone"),
        (
            lambda b: controls.add_parent(b, BOB, "A1/P1", "A1", "AAA", Side.BUY, 5, ""),
            "there is no account 'A1' of yours",
        ),
        (
            lambda b: controls.add_parent(b, ANN, "A1/P1", "A1", "AAA", Side.BUY, 0, ""),
            "or lacks shares or",
        ),
    ],
)
def test_what_cannot_be_is_a_line_and_changes_nothing(command, said):
    books = small_books()
    before = unchanged(books)
    with pytest.raises(InputError, match=said):
        command(books)
    assert unchanged(books) == before


def test_another_s_account_is_as_one_that_is_not_there():
    said = []
    for account in ("A1", "A9"):
        with pytest.raises(InputError) as found:
            controls.add_parent(small_books(), BOB, "A1/P1", account, "AAA", Side.BUY, 5, "")
        said.append(str(found.value).replace(account, ""))
    assert said[0] == said[1]


def test_what_is_set_is_in_force_and_a_row_of_the_log():
    books = small_books()
    before = books.changes.chain.seq
    controls.transfer(books, OPS, "A1", -500, {"AAA": -200, "BBB": 30}, "redemption")
    controls.set_limits(books, OPS, {("firm", "", "gross"): 7, ("pm", "ann", "rate"): 8})
    controls.set_switch(books, OPS, "symbol", "AAA", on=True)
    controls.restrict(books, OPS, "BBB", on=True, account="A1")
    ledger = books.ledger
    assert ledger.accounts["A1"].cash == 10**10 - 500
    assert ledger.lines["A1", "AAA"].shares == 800
    assert ledger.limit("firm", "", "gross") == 7
    assert ledger.switches == {("symbol", "AAA")}
    assert ledger.restrictions == {("A1", "BBB")}
    assert books.changes.chain.seq == before + 5
    controls.set_switch(books, OPS, "symbol", "AAA", on=False)
    controls.restrict(books, OPS, "BBB", on=False, account="A1")
    assert ledger.switches == ledger.restrictions == set()


def test_a_symbol_that_is_listed_again_keeps_its_price():
    books = small_books()
    controls.list_instruments(books, OPS, {"AAA": (50, 10)})
    it = books.ledger.instruments["AAA"]
    assert (it.tick, it.lot, it.mark) == (50, 10, 1_000_000)


def test_a_parent_is_kept_once():
    books = small_books()
    for _ in range(2):
        controls.add_parent(books, ANN, "A1/P1", "A1", "AAA", Side.BUY, 500, "{}")
    assert books.parents == {"A1/P1": ("A1", "AAA", "buy", 500)}
    with pytest.raises(InputError, match="order 'A1/P1' of 501 shares is another one already"):
        controls.add_parent(books, ANN, "A1/P1", "A1", "AAA", Side.BUY, 501, "{}")


def test_nothing_is_there_at_first():
    ledger = empty_books().ledger
    assert ledger.limit("firm", "", "gross") == ledger.limit("pm", "ann", "rate") == 0
    assert ledger.opens == ledger.closes == ""
