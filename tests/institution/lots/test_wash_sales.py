"""The examples of IRS Publication 550 and of 26 CFR 1.1091-1, and cases that can be checked by hand."""

from datetime import timedelta

import pytest
from lot_days import booked, bought, covered, day, dollars, shorted, sold

from quantray.institution.lots.events import Split, TaxAccount
from quantray.institution.lots.wash_sales import WINDOW

TWO = [TaxAccount(id="A", taxpayer="one"), TaxAccount(id="B", taxpayer="one")]


def lots(book):
    return {lot.id: (lot.shares, dollars(lot.money)) for lot in book.lots}


def counted(book):
    """Of each line the loss that is not allowed and the gain that counts."""
    return {line.id: (dollars(line.disallowed), dollars(line.gain)) for line in book.realised}


def test_publication_550_first_example():
    """You buy 100 shares of X stock for $1,000. You sell these shares for $750 and within 30 days from the sale you
    buy 100 shares of the same stock for $800. [...] you cannot deduct your loss of $250 on the sale. [...] you add the
    disallowed loss of $250 to the cost of the new stock, $800, to obtain your basis in the new stock, which is $1,050.
    """
    book = booked(
        bought("old", "2024-01-02", 100, 1000), sold("s", "2024-03-01", 100, 750), bought("new", "2024-03-31", 100, 800)
    )
    assert counted(book) == {"s.1": (250, 0)}
    assert lots(book) == {"new+s.1": (100, 1050)}


def test_publication_550_less_stock_bought_than_sold():
    """You bought 100 shares of M stock on September 24 for $5,000. On December 21 you bought 50 shares for $2,750, on
    December 28 25 shares for $1,125. On January 4 you sold for $4,000 the 100 shares you bought in September. [...] You
    cannot deduct the loss ($750) on 75 shares. You can deduct the loss ($250) on the other 25 shares. [...] The new
    basis of those [50] shares is $3,250 ($2,750 + $500). The basis of the 25 shares [...] $1,375 ($1,125 + $250).
    """
    book = booked(
        bought("sep", "2023-09-24", 100, 5000),
        bought("21", "2023-12-21", 50, 2750),
        bought("28", "2023-12-28", 25, 1125),
        sold("s", "2024-01-04", 100, 4000),
    )
    assert counted(book) == {"s.1": (750, -250)}
    assert lots(book) == {"21+s.1": (50, 3250), "28+s.1": (25, 1375)}


def test_publication_550_more_stock_bought_than_sold():
    """You bought 100 shares of M stock on September 24. On February 3 you sold those shares at a $1,000 loss. On each
    of the 4 days from February 13 to February 16 you bought 50 shares. [...] You must add half the disallowed loss
    ($500) to the basis of the 50 shares bought on February 13. Add the other half ($500) to [those of] February 14.
    """
    four = [bought(str(d), f"2023-02-{d}", 50, 2000) for d in (13, 14, 15, 16)]
    book = booked(bought("sep", "2022-09-24", 100, 5000), sold("s", "2023-02-03", 100, 4000), *four)
    assert counted(book) == {"s.1": (1000, 0)}
    assert lots(book) == {"13+s.1": (50, 2500), "14+s.1": (50, 2500), "15": (50, 2000), "16": (50, 2000)}
    # 26 CFR 1.1091-1(h), example 3: the period for which the shares that were sold were held is included.
    assert book.lots[0].since == day("2023-02-13") - (day("2023-02-03") - day("2022-09-24"))
    assert book.lots[2].since == day("2023-02-15")


def test_a_purchase_before_the_sale_is_enough():
    """26 CFR 1.1091-1(h), example 1."""
    book = booked(
        bought("first", "1954-12-01", 100, 10000),
        bought("second", "1954-12-15", 100, 9000),
        sold("s", "1955-01-03", 100, 9000),
    )
    assert counted(book) == {"s.1": (1000, 0)}
    assert lots(book) == {"second+s.1": (100, 10000)}


@pytest.mark.parametrize(("price_again", "basis"), [(90, 110), (70, 90)])
def test_the_basis_is_the_old_one_and_the_difference_of_prices(price_again, basis):
    """26 CFR 1.1091-2, examples 1 and 2."""
    book = booked(
        bought("old", "1935-06-03", 1, 100), sold("s", "1955-01-15", 1, 80), bought("new", "1955-02-01", 1, price_again)
    )
    assert lots(book) == {"new+s.1": (1, basis)}
    assert book.lots[0].since < day("1936-01-01")


@pytest.mark.parametrize(("days", "disallowed"), [(30, 100), (31, 0)])
@pytest.mark.parametrize("before", [True, False])
def test_the_window_is_of_30_days_on_either_side(days, disallowed, before):
    assert WINDOW.days == 30
    when = day("2024-03-01") + timedelta(days=-days if before else days)
    again = bought("new", str(when), 10, 900)
    sale = sold("s", "2024-03-01", 10, 900)
    book = booked(bought("old", "2023-01-02", 10, 1000), *((again, sale) if before else (sale, again)))
    assert counted(book) == {"s.1": (disallowed, disallowed - 100)}


def test_a_replacement_is_used_once():
    """26 CFR 1.1091-1(e)."""
    book = booked(
        bought("a", "2023-01-02", 10, 1000),
        bought("b", "2023-01-03", 10, 1000),
        sold("s", "2024-03-01", 10, 900),
        sold("t", "2024-03-02", 10, 900),
        bought("new", "2024-03-03", 10, 900),
    )
    assert counted(book) == {"s.1": (100, 0), "t.1": (0, -100)}


def test_a_chain_carries_the_loss_and_the_period_on():
    book = booked(
        bought("a", "2023-01-02", 10, 1000),
        sold("s", "2024-03-01", 10, 900),
        bought("b", "2024-03-11", 10, 900),
        sold("t", "2024-03-21", 10, 800),
        bought("c", "2024-03-31", 10, 700),
        sold("u", "2025-03-01", 10, 2000),
    )
    assert counted(book) == {"s.1": (100, 0), "t.1": (200, 0), "u.1": (0, 1100)}
    assert book.realised[-1].basis == 9_000_000
    assert book.realised[-1].since == day("2023-01-02") + (day("2024-03-31") - day("2024-03-21")) * 2


def test_selling_a_part_of_one_purchase_makes_it_smaller_and_replaces_nothing():
    """Revenue Ruling 56-602."""
    book = booked(bought("a", "2024-03-01", 200, 2000), sold("s", "2024-03-08", 100, 800))
    assert counted(book) == {"s.1": (0, -200)}


def test_what_was_sold_before_replaces_nothing():
    book = booked(
        bought("a", "2024-01-02", 10, 1000),
        bought("b", "2024-03-01", 10, 500),
        sold("gain", "2024-03-02", 10, 900, lots={"b": 10}),
        sold("loss", "2024-03-03", 10, 900, lots={"a": 10}),
        method="specific",
    )
    assert counted(book) == {"gain.1": (0, 400), "loss.1": (0, -100)}


def test_another_account_of_the_taxpayer_replaces_and_another_taxpayer_does_not():
    events = [
        bought("old", "2024-01-02", 10, 1000),
        sold("s", "2024-03-01", 10, 900),
        bought("new", "2024-03-02", 10, 900, account="B"),
    ]
    assert lots(booked(*events, accounts=TWO)) == {"new+s.1": (10, 1000)}
    others = [TWO[0], TaxAccount(id="B", taxpayer="another")]
    assert lots(booked(*events, accounts=others)) == {"new": (10, 900)}


def test_a_loss_that_an_ira_replaces_is_gone():
    """Revenue Ruling 2008-5."""
    accounts = [TWO[0], TaxAccount(id="B", taxpayer="one", kind="ira")]
    book = booked(
        bought("old", "2024-01-02", 10, 1000),
        sold("s", "2024-03-01", 10, 900),
        bought("new", "2024-03-02", 10, 900, account="B"),
        bought("more", "2024-03-03", 10, 900),
        accounts=accounts,
    )
    assert counted(book) == {"s.1": (100, 0)}
    assert dollars(book.realised[0].lost) == 100
    assert lots(book) == {"new+s.1": (10, 900), "more": (10, 900)}
    assert {lot.since for lot in book.lots} == {day("2024-03-02"), day("2024-03-03")}


def test_what_is_identical_is_for_the_user_to_say():
    events = [
        bought("old", "2024-01-02", 10, 1000),
        sold("s", "2024-03-01", 10, 900),
        bought("new", "2024-03-02", 10, 900, symbol="N"),
    ]
    assert counted(booked(*events)) == {"s.1": (0, -100)}
    assert counted(booked(*events, identical={"M": "both", "N": "both"})) == {"s.1": (100, 0)}


def test_a_sale_of_several_lots_matches_the_losses_in_order_of_acquisition():
    book = booked(
        bought("a", "2023-01-02", 10, 1200),
        bought("b", "2023-01-03", 10, 500),
        bought("c", "2023-01-04", 10, 1500),
        sold("s", "2024-03-01", 30, 3000),
        bought("new", "2024-03-02", 15, 1500),
        method="hifo",
    )
    # The dearest lot is sold first, and the earliest is matched first; what was gained is no loss.
    assert counted(book) == {"s.1": (250, -250), "s.2": (200, 0), "s.3": (0, 500)}
    assert lots(book) == {"new+s.2": (10, 1200), "new+s.1": (5, 750)}


def test_shares_that_wait_for_a_replacement_are_split_too():
    book = booked(
        bought("old", "2023-01-02", 10, 1000),
        bought("rest", "2023-06-02", 10, 800),
        sold("s", "2024-03-01", 10, 900),
        Split(date=day("2024-03-04"), symbol="M", new=2, old=1),
        bought("new", "2024-03-05", 10, 450),
    )
    assert counted(book) == {"s.1": (50, -50)}


def test_a_fraction_of_a_share_that_waits_is_a_whole_one():
    book = booked(
        bought("old", "2023-01-02", 6, 600),
        bought("rest", "2023-06-02", 2, 160),
        sold("s", "2024-03-01", 6, 300),
        Split(date=day("2024-03-04"), symbol="M", new=1, old=4, fraction_price=1),
        bought("new", "2024-03-05", 2, 400),
    )
    # Six shares wait as one and a half, so that two shares carry all of their loss.
    assert counted(book)["s.1"] == (300, 0)


def test_revenue_ruling_70_231():
    """Three blocks of 100 for $158, $100 and $95 are sold for $125, and 250 are bought: the loss on the first is not
    deductible, and the gains on the others count."""
    blocks = [bought(str(n), f"1967-0{n}-02", 100, 100 * cost) for n, cost in enumerate((158, 100, 95), start=1)]
    book = booked(*blocks, sold("s", "1969-12-22", 300, 37500), bought("new", "1970-01-08", 250, 25000))
    assert counted(book) == {"s.1": (3300, 0), "s.2": (0, 2500), "s.3": (0, 3000)}
    assert lots(book) == {"new+s.1": (100, 13300), "new": (150, 15000)}


def test_a_short_sale_closed_at_a_loss_is_replaced_by_another():
    """Section 1091(e)."""
    book = booked(
        shorted("a", "2024-01-02", 10, 1000), covered("c", "2024-02-01", 10, 1200), shorted("b", "2024-02-02", 10, 1300)
    )
    assert counted(book) == {"c.1": (200, 0)}
    assert lots(book) == {"b+c.1": (10, 1100)}
