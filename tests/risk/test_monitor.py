import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mixed_book import changes_of_drivers, mixed_book
from model_book import model_book

from quantray.covariance.factor import statistical_factors
from quantray.errors import InputError
from quantray.risk.limits import Limit, check
from quantray.risk.monitor import Monitor
from quantray.risk.positions.book import Book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.tail import gaussian_var

SHARES = model_book(12, 3, returns=np.array([0.05, -0.02]))
LEVELS = np.linspace(10, 120, 12)
RULES = [
    ("gross", "book"),
    ("net", "book"),
    ("var", "book"),
    ("es", "book"),
    ("gross", "every sector"),
    ("net", "strategy value"),
    ("net", "every factor"),
    ("net", "factor factor 2"),
    ("gross", "every name"),
    ("net", "name S0003"),
    ("liquidity days", "every name"),
    ("gross", "sector Real Estate"),
]


def limits(soft=1e6, hard=1e7, rules=RULES):
    return [Limit(name=f"{m} {s}", metric=m, scope=s, soft=soft, hard=hard) for m, s in rules]


def watching(*rules, book=SHARES, **more):
    return Monitor(book, book.names, LEVELS[: len(book.names)], rules, **more)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 11), st.floats(-0.5, 1.0)), max_size=40), st.integers(1, 50))
def test_any_sequence_of_prices_gives_what_a_full_computation_gives(moves, settle):
    seen, change = watching(*limits(), settle_every=settle), np.zeros(12)
    for driver, to in moves:
        seen.tick(str(SHARES.names[driver]), LEVELS[driver] * (1 + to))
        change[driver] = to
    now = model_book(12, 3, weights=SHARES.weights * (1 + change))
    assert np.allclose(seen.weights, now.weights, rtol=0, atol=1e-10)
    assert np.isclose(seen.gain, SHARES.weights @ change, rtol=0, atol=1e-10)
    assert np.isclose(seen.var(), gaussian_var(now.weights, now.model), rtol=0, atol=1e-10)
    assert np.allclose(seen.factor_exposures, now.model.loadings.T @ now.weights, rtol=0, atol=1e-10)
    full = {use.name: use for use in check(limits(), now)}
    for use in seen.uses():
        assert np.isclose(use.value, full[use.name].value, rtol=0, atol=1e-10), use.name
    assert seen.ticks == seen.latency.total == len(moves)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.floats(-0.2, 0.2)), max_size=25))
def test_bonds_options_and_currencies_too(moves):
    holdings, market = mixed_book()
    found = sensitivities(holdings, market)
    model = statistical_factors(changes_of_drivers(60, 0.01), 2)
    book = Book.of(holdings, market, model, found)
    seen = Monitor(book, market.drivers, market.levels, absolute=market.absolute)
    change = np.zeros(7)
    for driver, to in moves:
        level = market.levels[driver]
        seen.tick(str(market.drivers[driver]), level + to if market.absolute[driver] else level * (1 + to))
        change[driver] = to
    exposure = (found.exposure + found.bent(change)) * np.where(market.absolute, 1, 1 + change)
    assert np.allclose(seen.exposure, exposure, rtol=0, atol=1e-10)
    assert np.isclose(seen.volatility**2, model.variance(exposure), rtol=0, atol=1e-10)
    assert np.isclose(seen.gain, found.gain(change[None])[0], rtol=0, atol=1e-10)
    for kind in ("sector", "currency", "strategy", "asset class"):
        labels = book.groups[kind]
        for label, (gross, net) in seen.groups(kind).items():
            inside = seen.weights[labels == label]
            assert np.isclose(gross, np.abs(inside).sum(), rtol=0, atol=1e-10)
            assert np.isclose(net, inside.sum(), rtol=0, atol=1e-10)
    assert np.isclose(seen.gross, np.abs(seen.weights).sum(), rtol=0, atol=1e-10)
    assert np.isclose(seen.net, seen.weights.sum(), rtol=0, atol=1e-10)


def test_a_breach_is_alerted_once_and_again_after_relief():
    book = model_book(2, 1, weights=np.array([0.4, 0.4]), groups={})
    rule = Limit(name="single name", metric="gross", scope="every name", soft=0.5, hard=0.6)
    seen = watching(rule, book=book)
    assert seen.alerts == ()
    prices = [10 * step for step in (1.2, 1.3, 1.31, 1.6, 1.61, 1.2, 1.1, 1.3)]
    found = [alert for price in prices for alert in seen.tick("S0000", price)]
    assert [(alert.state, alert.tick) for alert in found] == [("soft", 2), ("hard", 4), ("soft", 8)]
    assert {alert.scope for alert in found} == {"name S0000"}
    assert np.isclose(found[1].value, 0.64)


def test_breaches_of_the_close_are_told_at_once():
    seen = watching(Limit(name="gross", metric="gross", scope="book", soft=0.5, hard=2.0))
    assert [(alert.name, alert.state, alert.tick) for alert in seen.alerts] == [("gross", "soft", 0)]
    assert seen.tick("S0000", 10.1) == ()


def test_a_drawdown_goes_on_from_the_last_close():
    seen = watching(Limit(name="drawdown", metric="drawdown", scope="book", soft=0.1, hard=0.2))
    assert np.isclose(seen.uses()[0].value, 0.02)
    for name, level in zip(SHARES.names.tolist(), LEVELS, strict=True):
        seen.tick(name, level * 0.9)
    assert np.isclose(seen.uses()[0].value, 1 - 0.98 * (1 - 0.1 * SHARES.weights.sum()))


def test_limits_that_need_more_than_prices_are_said_to_be_unwatched():
    rules = [
        Limit(name="turnover", metric="turnover", scope="book", soft=1, hard=2),
        Limit(name="crash", metric="stress loss", scope="every scenario", soft=1, hard=2),
        Limit(name="sectors alone", metric="var", scope="every sector", soft=1, hard=2),
    ]
    assert watching(*rules).unwatched == ("turnover", "crash", "sectors alone")


@pytest.mark.parametrize(
    ("driver", "price", "said"),
    [
        ("S00003", 10.0, "nothing here follows 'S00003'; did you mean 'S0003'"),
        ("S0003", np.nan, "a price of nan for S0003 is none"),
        ("S0003", 0.0, "a price of 0.0 for S0003 is none"),
    ],
)
def test_a_bad_price_is_refused_and_changes_nothing(driver, price, said):
    seen = watching()
    with pytest.raises(InputError, match=said):
        seen.tick(driver, price)
    assert (seen.gain, seen.ticks) == (0, 0)


def test_bad_input_is_refused():
    with pytest.raises(InputError, match=r"a monitor needs Book\(model=...\)"):
        watching(book=model_book(model=None))
    with pytest.raises(InputError, match=r"levels \(3,\)"):
        Monitor(SHARES, SHARES.names, np.ones(3))
    for level in (np.nan, 0.0):
        with pytest.raises(InputError, match=r"1 drivers \(S0002\) have no closing level"):
            Monitor(SHARES, SHARES.names, np.where(np.arange(12) == 2, level, LEVELS))
    with pytest.raises(InputError, match="a margin of 1"):
        watching(margin=1)
    with pytest.raises(InputError, match="did you mean 'factor"):
        watching(Limit(name="x", metric="net", scope="factor factor 9", soft=1, hard=2))
    with pytest.raises(InputError, match="the book has no groups by colour; it has sector, strategy"):
        watching().groups("colour")


def test_what_cannot_be_counted_is_alerted_once_at_the_close():
    book = model_book(12, 3, adv=np.r_[np.nan, np.ones(11)], groups={"sector": np.array(["", *["Tech"] * 11])})
    days = Limit(name="days", metric="liquidity days", scope="every name", soft=5, hard=10)
    sector = Limit(name="sectors", metric="net", scope="every sector", soft=5, hard=10)
    seen = watching(days, sector, book=book)
    assert [(alert.name, alert.state, alert.value, alert.tick) for alert in seen.alerts] == [
        ("sectors", "unknown", None, 0),
        ("days", "unknown", None, 0),
    ]
    assert seen.alerts[1].note == "unknown of 1: name S0000"
    assert seen.tick("S0000", 10.5) == ()
    assert [use.state for use in seen.uses()] == ["unknown", "unknown", "met", "met"]
    assert {(use.name, use.state) for use in seen.uses()} == {(u.name, u.state) for u in check([days, sector], book)}
    for scope in ("name x", "strategy x"):
        with pytest.raises(InputError, match="the book has no"):
            watching(Limit(name="x", metric="gross", scope=scope, soft=1, hard=2))


def test_curvature_counts_as_it_was_at_the_close():
    holdings, market = mixed_book()
    book = Book.of(
        holdings, market, statistical_factors(changes_of_drivers(60, 0.01), 2), sensitivities(holdings, market)
    )
    rules = limits(rules=[("var", "book"), ("es", "book")])
    seen = Monitor(book, market.drivers, market.levels, rules, absolute=market.absolute)
    full = {use.name: use.value for use in check(rules, book)}
    assert {use.name: pytest.approx(use.value) for use in seen.uses()} == full
    before = {use.name: use.value for use in seen.uses()}
    first = seen.var()
    seen.tick("index", 390.0)
    assert {use.name: use.value for use in seen.uses()}["var book"] - before["var book"] == pytest.approx(
        seen.var() - first
    )
