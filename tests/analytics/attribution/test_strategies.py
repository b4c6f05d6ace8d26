import numpy as np
import pytest
from numpy.testing import assert_allclose

from quantray.analytics.attribution.linking import compounded
from quantray.analytics.attribution.strategies import StrategyShares, attribute_strategies
from quantray.errors import DataError, InputError

DAYS = np.arange("2020-01-01", "2020-01-03", dtype="datetime64[D]")
WEIGHTS, RETURNS = np.array([[0.5, 0.5], [0.7, 0.2]]), np.array([[0.02, 0.0], [0.01, -0.01]])


def shares(**changes):
    return StrategyShares(**{"names": ["a", "b"], "weights": WEIGHTS, "returns": RETURNS} | changes)


def test_two_days_by_hand():
    one = shares(weights=WEIGHTS[:1], returns=RETURNS[:1], policy=np.array([0.4, 0.6]))
    found = attribute_strategies(DAYS[:1], one, benchmark=np.array([0.01]))
    split = found.breakdown
    assert_allclose([split.cell("a", e) for e in ("benchmark", "selection", "allocation", "interaction")],
                    [0.004, 0.004, 0.001, 0.001])  # fmt: skip
    assert_allclose(found.contribution["a"], 0.01)
    assert_allclose(found.contribution["b"], 0.0, atol=1e-16)


def test_weights_cash_and_netting():
    netting, cash = np.array([0.0, 0.001]), np.array([0.0, 0.01])
    total = (WEIGHTS * RETURNS).sum(axis=1) + 0.1 * np.array([0, 1]) * cash + netting
    found = attribute_strategies(DAYS, shares(netting=netting, cash=cash), total=total)
    assert_allclose(sum(found.contribution.values()), compounded(total), atol=1e-15)
    assert_allclose(found.average_weight["a"], 0.6)
    assert_allclose(found.weight_volatility["b"], np.std([0.5, 0.2], ddof=1))
    assert found.contribution["netting"] == pytest.approx(0.001, rel=0.02)


def test_what_is_not_explained_is_an_error():
    with pytest.raises(DataError, match="a gap of -0.001"):
        attribute_strategies(DAYS, shares(), total=(WEIGHTS * RETURNS).sum(axis=1) + 0.001)


def test_bad_input():
    with pytest.raises(InputError, match="strategy names must differ"):
        attribute_strategies(DAYS, shares(names=["a", "a"]))
    with pytest.raises(InputError, match="must be"):
        attribute_strategies(DAYS, shares(names=["a"]))
    with pytest.raises(InputError, match="strategy returns are unknown in 1 of 2 periods, first on 2020-01-02"):
        attribute_strategies(DAYS, shares(returns=np.array([[0, 0], [0, np.nan]])))
