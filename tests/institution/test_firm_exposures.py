"""Sums kept up with every change equal a full recomputation; the worst case is one."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantray.covariance.factor import FactorModel
from quantray.institution import firm_exposures
from quantray.institution.factor_files import whole_factors
from quantray.institution.firm_exposures import FirmExposures, correlation_exceeds, var_exceeds, var_of
from quantray.institution.firm_factors import SCALE
from quantray.risk.limits import Limit, check
from quantray.risk.positions.book import Book

SYMBOLS = ["AAA", "BBB", "CCC", "DDD"]
SECTORS = {"AAA": "Energy", "BBB": "Banks", "CCC": "Energy", "DDD": "Banks"}


def model(seed=0, names=4, factors=3):
    random = np.random.default_rng(seed)
    root = random.normal(size=(factors, factors)) * 0.01
    return FactorModel(random.normal(size=(names, factors)), root @ root.T, random.uniform(1e-5, 4e-4, names))


MODEL = model()
FACTORS = whole_factors(SYMBOLS, MODEL)
LINES = [("ann", "A1"), ("ann", "A2"), ("bob", "B1")]


class Simple:
    """The same, with everything added up anew whenever it is asked."""

    def __init__(self):
        self.lines = {(account, s): [0, 0, 0] for _, account in LINES for s in SYMBOLS}
        self.marks = dict.fromkeys(SYMBOLS, 1)

    def tell(self, sums, symbol):
        """Tell the sums of all that a symbol is in."""
        mark, ends = self.marks[symbol], [0, 0]
        sums.price(symbol, mark)
        for pm, account in LINES:
            shares, buying, selling = self.lines[account, symbol]
            worst = max(abs(shares + buying), abs(shares - selling))
            sums.line(pm, account, symbol, worst, shares + buying - selling)
            ends = [ends[0] + (shares - selling) * mark, ends[1] + (shares + buying) * mark]
        sums.name(symbol, *ends)

    def anew(self):
        sums = FirmExposures(SECTORS, FACTORS, together=True)
        for symbol in reversed(SYMBOLS):
            self.tell(sums, symbol)
        return sums


def everything(sums):
    together = sums.together
    pms = sorted(together.factors)
    return (
        {sector: value for sector, value in sums.sectors.items() if value},
        (sums.sizes(), sums.variance()),
        {
            (a, b): together.covariances[a, b]
            for a, b in combinations_with_replacement(pms, 2)
            if together.covariances[a, b]
        },
    )


STEPS = st.tuples(
    st.sampled_from(["shares", "buying", "selling", "mark"]),
    st.sampled_from(LINES),
    st.sampled_from(SYMBOLS),
    st.integers(-(10**6), 10**6),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=40))
def test_kept_up_equals_recomputed(steps):
    simple = Simple()
    sums = FirmExposures(SECTORS, FACTORS, together=True)
    for what, (_, account), symbol, number in steps:
        if what == "mark":
            simple.marks[symbol] = abs(number) + 1
        else:
            at = ("shares", "buying", "selling").index(what)
            simple.lines[account, symbol][at] = number if what == "shares" else abs(number)
        simple.tell(sums, symbol)
    anew = simple.anew()
    assert everything(sums) == everything(anew)


def test_many_changes_at_once_are_those_one_by_one(monkeypatch):
    random = np.random.default_rng(7)
    simple, sums = Simple(), FirmExposures(SECTORS, FACTORS, together=True)
    for key in simple.lines:
        simple.lines[key] = [int(it) for it in random.integers(0, 10**9, 3)]
    for symbol in SYMBOLS:
        simple.tell(sums, symbol)
    one_by_one = everything(sums)
    monkeypatch.setattr(firm_exposures, "_FEW", 2)
    assert everything(simple.anew()) == one_by_one
    simple.marks = dict.fromkeys(SYMBOLS, 7)
    for symbol in SYMBOLS:
        sums.price(symbol, 7)
        simple.tell(sums, symbol)
    assert everything(sums) == everything(simple.anew())


def test_nothing_drifts_over_a_long_day():
    random = np.random.default_rng(5)
    simple, sums = Simple(), FirmExposures(SECTORS, FACTORS, together=True)
    for _ in range(3_000):
        account, symbol = LINES[random.integers(3)][1], SYMBOLS[random.integers(4)]
        simple.lines[account, symbol] = [int(it) for it in random.integers(0, 10**9, 3)]
        simple.tell(sums, symbol)
    for key in simple.lines:
        simple.lines[key] = [0, 0, 0]
    for symbol in SYMBOLS:
        simple.tell(sums, symbol)
    assert sums.variance() == 0
    assert sums.sizes() == [0, 0, 0]
    assert set(sums.sectors.values()) == {0}


@given(st.lists(st.integers(-(10**12), 10**12), min_size=4, max_size=4))
@settings(max_examples=50, deadline=None)
def test_without_open_orders_it_is_the_model(values):
    sums = FirmExposures(SECTORS, FACTORS)
    for symbol, value in zip(SYMBOLS, values, strict=True):
        sums.name(symbol, value, value)
    weights = np.array(values, dtype=np.float64)
    assert sums.variance() / SCALE**2 == pytest.approx(MODEL.variance(weights), rel=1e-5, abs=1.0)
    sizes = [size / SCALE for size in sums.sizes()]
    assert sizes == pytest.approx(np.abs(MODEL.loadings.T @ weights), rel=1e-6, abs=1e4)


def test_the_worst_case_of_open_orders_bounds_every_outcome():
    random = np.random.default_rng(2)
    for seed in range(10):
        it = model(seed)
        sums = FirmExposures({}, whole_factors(SYMBOLS, it))
        low, high = (sign * random.uniform(0, 1e8, 4).round() for sign in (-1, 1))
        for symbol, a, b in zip(SYMBOLS, low, high, strict=True):
            sums.name(symbol, int(a), int(b))
        outcomes = np.array(list(product(*zip(low, high, strict=True))))
        largest = max(it.variance(each) for each in outcomes)
        bound = sums.variance() / SCALE**2
        assert largest <= bound * (1 + 1e-6)
        # Loose, and not by much.
        assert bound <= 4 * largest
        exact = np.abs(outcomes @ it.loadings).max(axis=0)
        assert [size / SCALE for size in sums.sizes()] == pytest.approx(exact, rel=1e-6)


def test_an_order_tried_is_the_order_booked():
    sums = FirmExposures(SECTORS, FACTORS, together=True)
    sums.name("AAA", -5_000, 9_000)
    sums.name("BBB", 300, 400)
    sums.line("ann", "A1", "AAA", 9_000, 9_000)
    sums.line("bob", "B1", "BBB", 400, 400)
    tried = sums.variance("BBB", lower=-700), sums.sizes("BBB", lower=-700), sums.correlations("bob", "BBB", -700)
    sums.name("BBB", -400, 400)
    sums.line("bob", "B1", "BBB", 400, -300)
    assert (sums.variance(), sums.sizes("BBB"), list(sums.together.correlations("bob", {}))) == tried


def test_equal_to_the_limits_of_a_book():
    weights = np.array([0.30, -0.20, 0.15, 0.05])
    sums = FirmExposures(SECTORS, FACTORS)
    for symbol, weight in zip(SYMBOLS, weights, strict=True):
        value = round(weight * 10**12)
        sums.name(symbol, value, value)
        sums.line("ann", "A1", symbol, abs(value), value)
    book = Book(
        names=np.array(SYMBOLS), weights=weights, model=MODEL, groups={"sector": np.array(list(SECTORS.values()))}
    )
    asked = [
        Limit(name="var", metric="var", scope="book", soft=1, hard=1),
        Limit(name="energy", metric="gross", scope="sector Energy", soft=1, hard=1),
        Limit(name="factor", metric="net", scope="factor factor 2", soft=9, hard=9),
    ]
    uses = {use.name: use.value for use in check(asked, book)}
    assert var_of(sums.variance()) / 10**12 == pytest.approx(uses["var"], rel=1e-6)
    assert sums.sectors["Energy"] / 10**12 == pytest.approx(uses["energy"])
    assert sums.sizes()[1] / SCALE / 10**12 == pytest.approx(uses["factor"], rel=1e-6)


def test_correlations_are_those_of_the_model():
    random = np.random.default_rng(3)
    held = {pm: random.integers(-(10**9), 10**9, 4) for pm in ("ann", "bob", "cat")}
    sums = FirmExposures({}, FACTORS, together=True)
    for pm, values in held.items():
        for symbol, value in zip(SYMBOLS, values.tolist(), strict=True):
            sums.line(pm, pm, symbol, abs(value), value)
    dense = MODEL.dense()
    for other, covariance, product_ in sums.together.correlations("ann", {}):
        a, b = held["ann"], held[other]
        expected = (a @ dense @ b) / np.sqrt((a @ dense @ a) * (b @ dense @ b))
        assert covariance / np.sqrt(float(product_)) == pytest.approx(expected, rel=1e-5)
        assert correlation_exceeds(covariance, product_, 0) == (expected > 0)


def test_the_limit_itself_is_not_above_it():
    variance = SCALE**2 * 10**8
    value = var_of(variance)
    assert not var_exceeds(variance, value + 1)
    assert var_exceeds(variance, value)
    assert value == 23_263
    assert not correlation_exceeds(5, 100, 5_000)
    assert correlation_exceeds(5, 99, 5_000)
    assert not correlation_exceeds(-5, 1, 0)


def test_a_name_without_loadings_is_named():
    sums = FirmExposures({}, FACTORS)
    sums.name("XYZ", 0, 10)
    assert sums.unmodelled() == ["XYZ"]
    assert not sums.is_modelled("XYZ")
