from dataclasses import replace

import numpy as np
import pytest
from mixed_book import mixed_book

from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.risk.factor import GROUPS, risk_breakdown
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.sensitivities import sensitivities

SHARES = Market(
    np.datetime64("2020-06-30"),
    ["A", "B", "C"],
    [10.0, 20.0, 40.0],
    [],
    np.zeros((0, 3)),
    sectors=["Energy", "Energy", ""],
)
MODEL = FactorModel(
    np.array([[1.0], [1.0], [0.0]]), np.array([[0.01]]), np.array([0.0, 0.03, 0.04]), np.array(["market"])
)


def mixed_model(market, seed=0):
    generator = np.random.default_rng(seed)
    m = market.n_drivers
    return FactorModel(generator.normal(0, 1, (m, 2)), np.diag([1e-4, 4e-5]), generator.uniform(1e-5, 1e-4, m))


def book(weights, **changed):
    plain = Holdings.of_weights(SHARES.drivers, np.array(weights), SHARES.levels)
    return replace(plain, **changed)


def test_hand_computed_parts():
    split = risk_breakdown(book([0.5, 0.5, -0.5]), SHARES, MODEL)
    # 1 of the market, 0.25 of the variance 0.03, 0.25 of 0.04.
    assert np.isclose(split.volatility**2, 0.01 + 0.0075 + 0.01)
    assert np.allclose(split.by_name.risk * split.volatility, [0.005, 0.0125, 0.01])
    sector = split.groups["sector"]
    assert sector.names == ("", "Energy")
    assert np.allclose(sector.net, [-0.5, 1.0])
    assert np.allclose(sector.gross, [0.5, 1.0])
    assert np.allclose(sector.risk * split.volatility, [0.01, 0.0175])
    assert np.allclose(split.tree.exposures, [1.0])


def test_parts_of_any_book_sum_to_the_total():
    holdings, market = mixed_book()
    model = mixed_model(market)
    split = risk_breakdown(holdings, market, model)
    exposure = sensitivities(holdings, market).exposure
    assert np.isclose(split.volatility**2, exposure @ model.dense() @ exposure)
    for kind in GROUPS:
        assert np.isclose(split.groups[kind].risk.sum(), split.volatility)
    assert split.groups["strategy"].names == ("carry", "trend", "value", "volatility")
    assert split.groups["currency"].names == ("EUR", "USD")
    assert np.isclose(split.by_name.risk.sum(), split.volatility)
    assert np.isclose(split.tree.group_variance.sum() + split.tree.specific_variance, split.tree.variance)


def test_active_risk_is_that_of_the_difference():
    ours, benchmark = book([0.6, 0.2, 0.2]), book([0.5, 0.5, 0.0])
    split = risk_breakdown(ours, SHARES, MODEL, benchmark=benchmark)
    alone = risk_breakdown(book([0.1, -0.3, 0.2]), SHARES, MODEL)
    assert np.isclose(split.volatility, alone.volatility)
    assert np.allclose(split.by_name.risk, alone.by_name.risk)
    assert np.allclose(split.by_name.net, [0.1, -0.3, 0.2])
    assert np.allclose(split.groups["sector"].risk, alone.groups["sector"].risk)
    assert risk_breakdown(ours, SHARES, MODEL, benchmark=ours).volatility == 0


def test_a_model_of_other_drivers_is_refused():
    with pytest.raises(InputError, match="the risk model is of 3 assets, the market has 7 drivers"):
        risk_breakdown(*mixed_book(), MODEL)
