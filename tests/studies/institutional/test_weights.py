import numpy as np
from numpy.testing import assert_allclose

from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.studies.institutional.weights import within_budget


def test_capital_never_exceeds_the_purse(study):
    _, record = study
    assert (record.shares >= 0).all()
    assert (record.shares.sum(axis=1) <= 1 + 1e-9).all()
    assert record.shares.sum() > 0


def test_a_mix_is_cut_to_its_risk_budget():
    returns = np.random.default_rng(0).normal(0, 0.03, 252)
    share = within_budget(returns, 1.0)
    assert share < 1
    # 2 % of NAV, once in a hundred days.
    assert_allclose(normal_quantile(0.99) * (share * returns).std(ddof=1), 0.02)
    assert within_budget(returns / 100, 1.0) == 1.0
    assert within_budget(np.zeros(10), 1.0) == 1.0
