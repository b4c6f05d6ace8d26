"""Every check of the table by hand: at the limit it passes, one further it does not."""

from datetime import timedelta

import pytest
from order_books import (
    ANN,
    BOB,
    LIMITS,
    MARK,
    OPS,
    code,
    empty_books,
    fill,
    limit,
    order,
    sell,
    sent,
    short,
    small_books,
)

from quantray.oms.changes import Actor
from quantray.oms.checks import CHECKS, FIRM_CODES, TEXTS
from quantray.oms.controls import (
    list_instruments,
    open_account,
    restrict,
    set_limits,
    set_marks,
    set_session,
    set_switch,
)
from quantray.oms.hearing import hear
from quantray.oms.ledger import Account
from quantray.oms.messages import NewOrder
from quantray.oms.submission import submit

SET_ASIDE = MARK + 100
"""A share at the mark, and its fee."""


def test_the_order_of_the_checks():
    assert [name for name, _, _ in CHECKS] == [
        *("halted", "closed", "restricted", "side", "locate", "size", "tick", "collar", "rate"),
        *("cash", "position", "capital", "gross", "net", "single_name"),
    ]


@pytest.mark.parametrize(
    ("given", "wrong", "right", "refused"),
    [
        ({"firm_order_shares": 100}, order(quantity=101), order(quantity=100), "size"),
        ({"firm_order_value": 100 * SET_ASIDE}, order(quantity=101), order(quantity=100), "size"),
        # At the market for a sale counts what a purchase would: the collar above the mark, rounded up, and the fee.
        ({"firm_order_value": 100 * 1_050_100}, sell(quantity=101, limit=None), sell(limit=None), "size"),
        ({}, order(quantity=0), order(), "size"),
        ({}, order(quantity=-100), order(), "size"),
        ({}, order(quantity=15, symbol="BBB"), order(quantity=20, symbol="BBB"), "size"),
        ({}, order(limit=MARK + 50), order(limit=MARK + 100), "tick"),
        ({}, order(limit=0), order(), "tick"),
        ({}, order(limit=MARK + 50_100), order(limit=MARK + 50_000), "collar"),
        ({}, sell(limit=MARK - 50_100), sell(limit=MARK - 50_000), "collar"),
        ({"firm_collar_bps": 0}, order(limit=MARK + 100), order(limit=MARK), "collar"),
        # 10,000,000,000 is the cash: 9,999 shares with their fees, and not one more.
        ({"firm_order_value": 10**11}, order(quantity=10_000), order(quantity=9_999), "cash"),
        ({}, sell(quantity=1_001), sell(quantity=1_000), "position"),
        ({}, sell(account="A2", quantity=1), sell(quantity=1), "position"),
        # 1,000 shares are held: 1,100 are the worst case.
        ({"ann_capital": 1_100 * MARK}, order(quantity=101), order(quantity=100), "capital"),
        ({"firm_gross": 1_100 * MARK}, order(quantity=101), order(quantity=100), "gross"),
        ({"firm_net": 1_100 * MARK}, order(quantity=101), order(quantity=100), "net"),
        ({"firm_single_name": 1_100 * MARK}, order(quantity=101), order(quantity=100), "single_name"),
        ({"firm_single_name": 1_000 * MARK}, order(quantity=1), order(symbol="BBB"), "single_name"),
    ],
)
def test_at_the_limit_and_beyond_it(given, wrong, right, refused):
    assert code(small_books(**given), wrong) == refused
    assert code(small_books(**given), right) == ""


def test_nothing_passes_what_was_never_set():
    """Deny by default: each limit is 0 until somebody sets it."""
    refusals = {
        "order_shares": ("size", order()),
        "order_value": ("size", order()),
        "collar_bps": ("collar", order(limit=MARK + 100)),
        "rate": ("rate", order()),
        "capital": ("capital", order()),
        "gross": ("gross", order()),
        "net": ("net", order()),
        "single_name": ("single_name", order()),
    }
    for left_out, (refused, given) in refusals.items():
        books = empty_books()
        list_instruments(books, OPS, {"AAA": (100, 1)})
        set_marks(books, OPS, {"AAA": MARK})
        open_account(books, OPS, Account("A1", "ann", 10**10), {})
        now = books.clock()
        assert code(books, order("early")) == "closed"
        set_session(books, OPS, now, now + timedelta(seconds=1))
        set_limits(books, OPS, {key: value for key, value in LIMITS.items() if key[2] not in (left_out, "locate")})
        assert code(books, given) == refused, left_out


def test_what_is_not_there():
    books = small_books()
    list_instruments(books, OPS, {"NEW": (1, 1)})
    assert code(books, order(account="A9")) == "account"
    assert code(books, order(symbol="ZZZ")) == "symbol"
    assert code(books, order(symbol="NEW")) == "no_price"


@pytest.mark.parametrize(
    ("scope", "key", "others"),
    [
        ("firm", "", None),
        ("pm", "ann", order("O2", account="B1")),
        ("account", "A1", order("O2", account="A2")),
        ("symbol", "AAA", order("O2", symbol="BBB")),
    ],
)
def test_a_kill_switch_halts_what_it_is_of(scope, key, others):
    books = small_books()
    set_switch(books, OPS, scope, key, on=True)
    assert code(books, order()) == "halted"
    if others is not None:
        assert code(books, others) == ""
    set_switch(books, OPS, scope, key, on=False)
    assert code(books, order("O3")) == ""


def test_the_hours_begin_when_it_opens_and_end_before_it_closes():
    books, refused = small_books(), []
    opens = books.clock()
    set_session(books, OPS, opens, opens + timedelta(seconds=2))
    for second in (-1, 0, 1, 2):
        books.clock.now = opens + timedelta(seconds=second)
        refused.append(code(books, order(f"O{second}")))
    assert refused == ["closed", "", "", "closed"]


def test_restriction_lists_of_the_firm_and_of_an_account():
    books = small_books()
    restrict(books, OPS, "AAA", on=True, account="A1")
    assert code(books, order()) == "restricted"
    assert code(books, order("O2", account="A2")) == ""
    restrict(books, OPS, "AAA", on=True)
    assert code(books, order("O3", account="A2")) == "restricted"
    restrict(books, OPS, "AAA", on=False)
    restrict(books, OPS, "AAA", on=False, account="A1")
    assert code(books, order("O4")) == ""


def test_a_short_sale_needs_leave_nothing_to_sell_and_located_shares():
    books = small_books(**{"A1:BBB_locate": 50})
    assert code(books, short(quantity=10, symbol="BBB", account="A2")) == "side"
    assert code(books, short("S1")) == "side"
    assert code(books, sell("S2", 1_000), short("S3", 500)) == ""
    assert code(books, short("S4", 1)) == "locate"
    assert code(books, short("S5", 60, symbol="BBB")) == "locate"
    assert code(books, short("S6", 50, symbol="BBB")) == ""


def test_so_many_orders_in_a_second_counting_those_refused():
    books = small_books(ann_rate=3)
    assert [code(books, each) for each in (order("O1"), order("O2", 0), order("O3"), order("O4"))] == [
        *("", "size", "", "rate")
    ]
    assert code(books, order("B", account="B1")) == ""
    books.clock.forward(seconds=1)
    assert code(books, order("O5")) == ""


def test_cash_is_what_open_purchases_leave():
    books = small_books(firm_order_value=10**11)
    assert code(books, order("O1", 5_000), order("O2", 4_999)) == ""
    assert code(books, order("O3", 1)) == "cash"
    sent(books)
    hear(books, [fill(5_000, "O1", price=MARK - 10_000)])
    # 50,000,000 cheaper, and no fee, of 500,000.
    assert books.ledger.accounts["A1"].cash - books.ledger.accounts["A1"].reserved == 10**10 - 9_999 * SET_ASIDE + (
        5_000 * 10_100
    )
    assert code(books, order("O4", 50)) == ""


def test_shares_are_what_open_sales_leave():
    books = small_books()
    assert code(books, sell("O1", 600), sell("O2", 400)) == ""
    assert code(books, sell("O3", 1)) == "position"


def test_the_worst_of_both_ways_counts():
    """Of 1,000 shares 500 are sold and 500 bought: at the worst there are 1,500."""
    books = small_books(ann_capital=1_500 * MARK)
    assert code(books, sell("O1", 500), order("O2", 500)) == ""
    assert code(books, order("O3", 1)) == "capital"
    assert books.ledger.gross == 1_500 * MARK
    # 2,000 sold and located leave 1,000 short at the worst, which 1,500 covers: nothing grows.
    limit(books, "A1:AAA_locate", 10_000)
    assert code(books, sell("O4", 500), short("O5", 1_500)) == ""
    assert code(books, short("O6", 1)) == "capital"


def test_what_makes_a_position_smaller_may_always():
    books = small_books()
    for name in ("firm_gross", "firm_net", "firm_single_name", "ann_capital"):
        limit(books, name, 0)
    assert code(books, order("O1", 1)) == "capital"
    assert code(books, sell("O2", 1_000)) == ""


def test_a_clock_that_is_set_back_keeps_nobody_from_trading():
    books = small_books(ann_rate=2)
    books.clock.forward(hours=1)
    assert code(books, order("O1", 1), order("O2", 1)) == ""
    assert code(books, order("O3", 1)) == "rate"
    books.clock.forward(hours=-1)
    assert code(books, order("O4", 1), order("O5", 1)) == ""
    assert code(books, order("O6", 1)) == "rate"


def test_covering_a_short_is_held_to_no_limit_of_exposure():
    books = small_books()
    account = Account("A3", "ann", 10**10, True)
    open_account(books, OPS, account, {"BBB": -100})
    for name in ("firm_gross", "firm_net", "firm_single_name", "ann_capital"):
        limit(books, name, 0)
    cover = {"account": "A3", "symbol": "BBB"}
    # The firm stays long by AAA, and becomes longer by what is covered.
    assert code(books, order("O1", 60, **cover)) == ""
    assert code(books, order("O2", 50, **cover)) == "net"
    assert code(books, order("O3", 40, **cover)) == ""
    assert code(books, order("O4", 10, **cover)) == "net"


def test_a_sale_of_what_is_held_is_held_to_none_though_the_firm_is_short_of_it():
    books = small_books()
    open_account(books, OPS, Account("A3", "ann", 10**10, True), {"AAA": -3_000})
    for name in ("firm_net", "firm_single_name"):
        limit(books, name, 0)
    limit(books, "A3:AAA_locate", 4_000)
    assert code(books, sell("O1", 1_000)) == ""
    assert code(books, short("O2", 1, account="A3")) == "net"


def test_net_is_of_both_signs():
    books = small_books(firm_net=100 * MARK)
    assert code(books, sell("O1", 1_000)) == ""
    limit(books, "A1:AAA_locate", 500)
    assert code(books, short("O2", 100)) == ""
    assert code(books, short("O3", 1)) == "net"


def test_a_single_name_is_over_all_accounts():
    books = small_books(firm_single_name=1_200 * MARK)
    assert code(books, order("O1", account="B1"), order("O2", account="A2")) == ""
    assert code(books, order("O3", 1, account="B1")) == "single_name"


@pytest.mark.parametrize("name", sorted(FIRM_CODES))
def test_a_manager_never_learns_which_limit_of_the_firm(name):
    books = small_books(**{f"firm_{name}": 1_000 * MARK})
    (said,) = submit(books, [order("O1")], ANN)
    assert (said.code, said.text) == ("firm", "a limit of the firm")
    # Neither when it asks again; whoever runs the firm does.
    assert submit(books, [order("O1")], ANN) == [said]
    assert submit(books, [order("O1")], OPS)[0].code == name
    assert not any(character.isdigit() for character in said.text)


def test_texts_hold_no_numbers():
    assert set(TEXTS) >= {name for name, _, _ in CHECKS}
    assert not any(character.isdigit() for text in TEXTS.values() for character in text)


def test_what_is_another_s_is_as_if_it_were_not_there():
    books = small_books()
    foreign = submit(books, [order("O1")], BOB)
    missing = submit(books, [order("O1", account="A9")], BOB)
    assert [(it.code, it.text) for it in foreign] == [(it.code, it.text) for it in missing]
    assert foreign[0].code == "account"
    assert books.ledger.orders == {}
    # Even where the symbol is not there, or the firm is halted.
    set_switch(books, OPS, "firm", "", on=True)
    assert code(books, order("O2", symbol="ZZZ"), actor=BOB) == "account"


def test_at_the_market_the_collar_is_set_aside_rounded_up():
    books = small_books(firm_collar_bps=333)
    set_marks(books, OPS, {"AAA": 1_000_001})
    assert code(books, order(limit=None)) == ""
    # 1,000,001 x 1.0333 = 1,033,301.0333
    assert books.ledger.accounts["A1"].reserved == 100 * (1_033_302 + 100)


@pytest.mark.parametrize(
    "given",
    [
        order(name=""),
        order(name="x" * 65),
        order(name="a\nb"),
        order(account=""),
        order(symbol="S" * 33),
        order(venue=""),
        order(parent=""),
        order(replaces="\0"),
        order(tif="GTC"),
        order(quantity=1.0),
        order(quantity=True),
        order(quantity=10**13),
        order(limit=1.5),
        NewOrder(id="O1", account="A1", symbol="AAA", side="buy", quantity=1),
    ],
)
def test_what_is_no_order_is_malformed(given):
    books = small_books()
    assert code(books, given) == "malformed"
    assert books.ledger.orders == {}


def test_an_actor_without_accounts_has_none():
    assert code(small_books(), order(), actor=Actor("cyd", "cyd")) == "account"
