"""The lots of least tax, against all choices that there are."""

from itertools import product

import numpy as np
import pytest
from lot_days import booked, bought, day, sold

from quantray.errors import InputError, LimitBreachError
from quantray.institution.lots.events import TaxAccount
from quantray.institution.lots.lot_choice import TaxRates, choose_lots, sale_lots

UNIT = 10_000
RATES = TaxRates(short=0.4, long=0.2)
DAY = day("2024-12-02")


def chosen(book, shares, price=100, **more):
    return choose_lots(book, "A", "M", shares, price=price * UNIT, day=DAY, rates=RATES, **more)


def test_losses_go_first_and_a_small_short_gain_before_a_large_long_one():
    book = booked(
        bought("long", "2022-01-03", 10, 400),
        bought("short", "2024-05-01", 10, 900),
        bought("loss", "2024-06-03", 10, 1100),
        method="specific",
    )
    choice = chosen(book, 25)
    # Taxes a share: 0.2 x 60 = 12, 0.4 x 10 = 4, and -4.
    assert choice.lots == {"long": 5, "short": 10, "loss": 10}
    assert (choice.gain, choice.tax) == (300 * UNIT, pytest.approx(60 * UNIT))
    again = sold("s", "2024-12-02", 25, 2500, lots=choice.lots)
    assert sum(line.gain for line in book.after([again], today=DAY).realised) == choice.gain


def test_a_cap_on_the_gain_takes_the_lots_of_less_gain_and_more_tax():
    book = booked(bought("long", "2022-01-03", 10, 500), bought("short", "2024-05-01", 10, 700))
    assert chosen(book, 10).lots == {"long": 10}
    capped = chosen(book, 10, most_gain=400 * UNIT)
    assert capped.lots == {"long": 5, "short": 5}
    with pytest.raises(LimitBreachError, match="10 shares of M gain 3000000 at least, more than the 2990000 allowed"):
        chosen(book, 10, most_gain=299 * UNIT)


@pytest.mark.parametrize("seed", range(8))
def test_no_other_choice_costs_less(seed):
    rng = np.random.default_rng(seed)
    days = ["2022-01-03", "2022-05-02", "2024-03-01", "2024-07-01"]
    events = [bought(str(i), d, int(rng.integers(1, 6)), int(rng.integers(200, 700))) for i, d in enumerate(days)]
    book = booked(*events)
    held = book.held("A", "M")
    shares = int(rng.integers(1, sum(lot.shares for lot in held) + 1))

    def taxed(counts):
        gains = [100 * UNIT * n - lot.first(n).money for n, lot in zip(counts, held, strict=True)]
        return sum(gains), sum(g * (0.2 if lot.since.year == 2022 else 0.4) for g, lot in zip(gains, held, strict=True))

    every = [taxed(c) for c in product(*(range(lot.shares + 1) for lot in held)) if sum(c) == shares]
    cap = int(rng.integers(min(gain for gain, _ in every), max(gain for gain, _ in every) + 1))
    assert chosen(book, shares).tax == pytest.approx(min(tax for _, tax in every), abs=shares)
    within = chosen(book, shares, most_gain=cap)
    assert within.gain <= cap
    # Money of a share is whole, so that gains of a lot are convex but for a unit a share.
    assert within.tax == pytest.approx(min(tax for gain, tax in every if gain <= cap), abs=4 * shares)


def test_a_loss_that_a_purchase_would_disallow_saves_nothing():
    book = booked(
        bought("old", "2022-01-03", 10, 1200),
        bought("other", "2022-01-04", 10, 1100),
        bought("new", "2024-11-15", 5, 500),
    )
    choice = chosen(book, 10)
    assert (choice.lots, choice.gain, choice.tax) == ({"old": 10}, 0, 0.0)
    offers = {each.id: each.loss_counts for each in sale_lots(book, "A", day=DAY, rates=RATES, unit=UNIT)["M"]}
    assert offers == {"old": False, "other": False, "new": True}


def test_lots_for_a_rebalance():
    accounts = [TaxAccount(id="A", taxpayer="one"), TaxAccount(id="B", taxpayer="one", kind="ira")]
    book = booked(
        bought("long", "2022-01-03", 10, 500),
        bought("short", "2024-05-01", 10, 700),
        bought("ira", "2024-05-01", 10, 700, account="B"),
        accounts=accounts,
    )
    own = sale_lots(book, "A", day=DAY, rates=RATES, unit=UNIT)["M"]
    assert [(each.id, each.shares, each.basis, each.rate) for each in own] == [
        ("long", 10, 50.0, 0.2),
        ("short", 10, 70.0, 0.4),
    ]
    assert sale_lots(book, "B", day=DAY, rates=RATES, unit=UNIT)["M"][0].rate == 0.0


def test_refused():
    book = booked(bought("long", "2022-01-03", 10, 500))
    with pytest.raises(InputError, match="11 shares of M are to be chosen of 10 in account A"):
        chosen(book, 11)
    with pytest.raises(InputError, match=r"tax rates are 1.2 and 0.2"):
        TaxRates(short=1.2, long=0.2)
