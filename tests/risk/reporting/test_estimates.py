from dataclasses import replace

import numpy as np
import pytest
from _books import simulated_book
from mixed_book import mixed_book
from numpy.testing import assert_allclose
from scipy import stats

from quantray.covariance.factor import FactorModel
from quantray.risk.forecasting.simulation import ScenarioLaw, driver_scenarios, simulate
from quantray.risk.positions.pricing import revalue_book
from quantray.risk.positions.sensitivities import sensitivities
from quantray.risk.reporting.estimates import (
    DEFAULT,
    LEVELS,
    replayed,
    simulated,
    tail_losses,
    worst_days,
)
from quantray.risk.tail import historical_var


def test_every_method_at_every_level_with_a_shortfall_beyond():
    gains = np.random.default_rng(1).normal(0, 0.01, 2000)
    found = tail_losses(gains, lambda level: (0.01 * stats.norm.ppf(level), 0.03))
    assert {each.level for each in found} == set(LEVELS)
    assert found[0].method == DEFAULT
    for each in found:
        assert each.es >= each.var
        # Today's volatility is not that of all days.
        if "today" not in each.method and each.method != DEFAULT:
            assert each.var == pytest.approx({0.95: 0.01645, 0.99: 0.02326}[each.level], rel=0.2), (
                f"{each.method} {each.var}"
            )


def test_without_a_past_only_the_model_speaks():
    found = tail_losses(np.zeros(0), lambda level: (0.01, 0.02))
    assert [each.method for each in found if each.var is not None] == ["normal, by the model"] * 2
    assert all(each.note for each in found if each.var is None)


def test_gaps_are_filled_by_the_factors_and_their_holders_named():
    book = simulated_book(40, 3, 200)
    seen = sensitivities(book.holdings, book.market)
    whole = replayed(book.holdings, book.market, book.model, seen)
    changes = book.market.changes.copy()
    changes[:50, 7] = np.nan
    market = replace(book.market, changes=changes)
    filled = replayed(book.holdings, market, book.model, seen)
    assert filled.filled.tolist() == ["N00007"]
    assert_allclose(filled.gains[50:], whole.gains[50:], rtol=1e-12)
    # What the factors say is nearer than nothing.
    missed = np.where(np.isnan(changes), 0.0, changes) @ seen.exposure
    assert np.abs(filled.gains - whole.gains)[:50].sum() < np.abs(missed - whole.gains)[:50].sum()


def test_the_worst_days_are_those_beyond_the_value_at_risk():
    book = simulated_book(10, 2, 150)
    seen = sensitivities(book.holdings, book.market)
    past = replayed(book.holdings, book.market, book.model, seen)
    beyond = past.gains <= -historical_var(past.gains, level=0.95, predictive=True)
    parts = worst_days(book.holdings, book.market, past, seen, 0.95)
    assert_allclose(parts, -seen.exposure * book.market.changes[beyond].mean(axis=0))
    short = replace(past, gains=past.gains[:30])
    assert worst_days(book.holdings, book.market, short, seen, 0.99) is None


def test_simulated_losses_of_a_linear_book_are_those_of_its_exposure():
    book = simulated_book(30, 3, 120)
    seen = sensitivities(book.holdings, book.market)
    law = ScenarioLaw(n_scenarios=2000, degrees=5, seed=3)
    found = simulated(book.holdings, book.market, book.model, seen, law)
    assert (found.n_scenarios, found.seed, found.distribution) == (2000, 3, law.name)
    drawn = simulate(seen.exposure, book.model, law)
    assert [each.var for each in found.estimates] == [drawn.var(level) for level in LEVELS]
    assert [each.es for each in found.estimates] == [drawn.shortfall(level) for level in LEVELS]


def test_a_book_with_options_is_valued_in_every_scenario():
    holdings, market = mixed_book()
    draw = np.random.default_rng(3)
    model = FactorModel(draw.normal(0, 1, (7, 2)), np.diag([1e-4, 4e-5]), draw.uniform(1e-5, 1e-4, 7))
    seen = sensitivities(holdings, market)
    assert not seen.is_linear
    law = ScenarioLaw(n_scenarios=1500)
    found = simulated(holdings, market, model, seen, law)
    gains = revalue_book(holdings, market, np.concatenate(list(driver_scenarios(model, law))))
    assert found.estimates[0].var == historical_var(gains, level=0.95)
    # Of small moves the second order knows nearly all.
    assert found.estimates[0].var == pytest.approx(
        historical_var(seen.gain(np.concatenate(list(driver_scenarios(model, law)))), level=0.95), rel=0.05
    )
