"""Sales and their taxes, against all whole sales that there are."""

from itertools import product

import numpy as np
import pytest

from quantray.errors import InputError
from quantray.portfolio.taxed_sales import SaleLot, SaleTerms, tax_curve, taxed_sales


def lot(name, shares, basis, rate=0.2, **more):
    return SaleLot(id=name, shares=shares, basis=basis, rate=rate, **more)


def test_the_curve_is_convex_and_starts_with_what_saves_most():
    curve = tax_curve([lot("gain", 10, 50), lot("loss", 5, 120, 0.4), lot("long", 5, 50, 0.1)], 100.0)
    assert curve.shares.tolist() == [5, 5, 10]
    assert curve.tax.tolist() == [-8, 5, 10]
    assert [curve.total(n) for n in (0, 5, 7.5, 20)] == [0, -40, -27.5, 85]


def test_tax_only_chooses_the_lots_where_all_is_worth_selling():
    own = [lot("a", 10, 50), lot("b", 10, 90), lot("c", 10, 120)]
    made = taxed_sales(np.array([15]), np.array([100.0]), [own], SaleTerms())
    assert (made.shares.tolist(), made.lots) == ([15], ({"c": 10, "b": 5},))
    assert made.gain == pytest.approx(-200 + 50)
    assert made.tax == pytest.approx(-40 + 10)


def test_shares_whose_tax_is_more_than_the_sale_is_worth_are_kept():
    own = [lot("a", 10, 50), lot("b", 10, 90)]
    made = taxed_sales(np.array([15]), np.array([100.0]), [own], SaleTerms(worth=0.05))
    assert made.lots == ({"b": 10},)


def test_the_cap_on_gains_lets_losses_pay_for_them():
    lots = [[lot("a", 10, 50)], [lot("b", 10, 110)]]
    made = taxed_sales(np.array([10, 10]), np.array([100.0, 100.0]), lots, SaleTerms(most_gain=150.0))
    assert made.shares.tolist() == [5, 10]
    assert made.gain == pytest.approx(150)
    without = taxed_sales(np.array([10, 0]), np.array([100.0, 100.0]), lots, SaleTerms(most_gain=150.0))
    assert without.shares.tolist() == [3, 0]


def test_a_loss_that_does_not_count_pays_for_nothing():
    lots = [[lot("a", 10, 50)], [lot("b", 10, 110, loss_counts=False)]]
    made = taxed_sales(np.array([10, 10]), np.array([100.0, 100.0]), lots, SaleTerms(most_gain=150.0))
    assert made.shares.tolist() == [3, 10]


def test_rounding_does_not_break_the_cap():
    # Two lots save tax and gains at different rates, so that the best sale has a fraction of a share of either.
    losses = [lot("a", 100, 103, 0.4), lot("b", 100, 110, 0.1)]
    terms = SaleTerms(most_gain=200.0)
    made = taxed_sales(np.array([100, 100]), np.array([100.0, 100.0]), [losses, [lot("c", 100, 90)]], terms)
    assert made.lots == ({"a": 28, "b": 71}, {"c": 99})
    assert made.gain == pytest.approx(196)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_whole_is_better(seed):
    """All whole sales of three small names, one by one: at most the worth of a share is lost to rounding."""
    rng = np.random.default_rng(seed)
    prices = rng.uniform(50, 100, 3)
    lots = [
        [
            lot(f"{i}{j}", int(rng.integers(1, 4)), float(p * rng.uniform(0.5, 1.3)), rate)
            for j, rate in enumerate((0.2, 0.4))
        ]
        for i, p in enumerate(prices)
    ]
    wanted = np.array([rng.integers(0, sum(each.shares for each in own) + 1) for own in lots])
    terms = SaleTerms(worth=float(rng.uniform(0.02, 0.3)), most_gain=float(rng.uniform(0, 60)))
    made = taxed_sales(wanted, prices, lots, terms)
    flat = [(i, each) for i, own in enumerate(lots) for each in own]

    def value(counts):
        sold = np.bincount([i for i, _ in flat], weights=counts, minlength=3)
        gain = sum(n * each.gain(prices[i]) for n, (i, each) in zip(counts, flat, strict=True))
        if (sold > wanted).any() or gain > terms.most_gain + 1e-9:
            return -np.inf
        return sum(
            n * (terms.worth * prices[i] - each.tax(prices[i])) for n, (i, each) in zip(counts, flat, strict=True)
        )

    best = max(value(counts) for counts in product(*(range(each.shares + 1) for _, each in flat)))
    ours = value([made.lots[i].get(each.id, 0) for i, each in flat])
    assert best - terms.worth * prices.max() - 1 <= ours <= best + 1e-9


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: lot("a", 0, 5), "lot a has 0 shares"),
        (lambda: lot("a", 1, 5, 1.5), "at a rate of 1.5"),
        (lambda: SaleTerms(worth=2), "worth is 2"),
        (lambda: SaleTerms(most_gain=-1), "most_gain -1"),
        (lambda: taxed_sales(np.array([2]), np.array([1.0]), [[lot("a", 1, 5)]], SaleTerms()), "2 shares of name 0"),
        (lambda: taxed_sales(np.array([1]), np.array([0.0]), [[lot("a", 1, 5)]], SaleTerms()), "positive prices"),
    ],
)
def test_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()


def test_nothing_to_sell():
    made = taxed_sales(np.array([0]), np.array([1.0]), [[]], SaleTerms(most_gain=0.0))
    assert (made.shares.tolist(), made.lots, made.tax, made.gain) == ([0], ({},), 0.0, 0.0)
