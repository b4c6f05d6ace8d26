import numpy as np
import pandas as pd
import pytest
from _accounts import shared_market, some_accounts
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.institution.managed_accounts import ManagedAccount, rebalance_accounts, write_accounts
from quantray.portfolio.constraints import Limits
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.research.executor import Serial

SHARED = shared_market(120, 4, 0)
ACCOUNTS = tuple(some_accounts(SHARED, 7, 0))


def rebalanced(accounts=ACCOUNTS, **changes):
    given = {"alpha": SHARED.alpha, "model": SHARED.model, "market": SHARED.market, "executor": Serial()} | changes
    return list(rebalance_accounts(accounts, **given))


def test_every_account_is_within_its_limits_and_certified():
    for account, result in zip(ACCOUNTS, rebalanced(), strict=True):
        assert result.name == account.name
        assert result.solution.residuals.worst <= 1e-8
        weights = result.solution.weights
        assert weights.sum() == pytest.approx(1, abs=1e-8)
        if result.solution.status == "optimal":
            assert result.turnover <= account.limits.turnover + 1e-8
        if account.restricted is not None:
            assert (weights[account.restricted] == 0).all()


def test_an_account_gets_what_it_would_get_alone_whatever_the_batch():
    together, apart = rebalanced(batch=3), rebalanced(batch=1)
    for account, one, other in zip(ACCOUNTS, together, apart, strict=True):
        assert_array_equal(one.solution.weights, other.solution.weights)
        if account.restricted is None and account.tax is None:
            alone = MeanVariance(account.limits, 120, 4).solve(
                alpha=SHARED.alpha, model=SHARED.model, previous=account.previous, market=SHARED.market
            )
            assert_array_equal(one.solution.weights, alone.weights)


def test_money_paid_by_hand():
    previous = np.zeros(120)
    previous[:2] = 0.5
    to_cash = Limits(budget=(0.0, 0.0), weight=(0.0, 1.0))
    tax = np.zeros(120)
    tax[:2] = 0.2, -0.1
    (result,) = rebalanced([ManagedAccount(name="a", previous=previous, limits=to_cash, tax=tax)])
    assert result.turnover == pytest.approx(0.5)
    assert result.cost == pytest.approx(SHARED.market.cost[:2].sum() / 2)
    assert result.tax == pytest.approx(0.05)


def test_preferences_of_its_own():
    calm = Objective(risk_aversion=500)
    one = ACCOUNTS[1]
    both = [one, ManagedAccount(name="calm", previous=one.previous, limits=one.limits, objective=calm)]
    first, second = (result.solution.weights for result in rebalanced(both))
    assert SHARED.model.variance(second) < SHARED.model.variance(first)


def test_one_without_a_solution_does_not_stop_the_others(tmp_path):
    impossible = ManagedAccount(name="none", previous=np.zeros(120), limits=Limits(weight=(0.0, 0.001)))
    broken = ManagedAccount(name="short", previous=np.zeros(3), limits=Limits())
    results = rebalanced([impossible, ACCOUNTS[0], broken])
    assert [result.solution is None for result in results] == [True, False, True]
    assert "no weights satisfy all limits" in results[0].failure
    assert "previous is (3,)" in results[2].failure
    write_accounts(tmp_path / "day", results, np.array([f"name {i}" for i in range(120)]))
    table = pd.read_parquet(tmp_path / "day" / "accounts.parquet").set_index("account")
    assert table.loc["none", "failure"] == results[0].failure
    assert table.loc[ACCOUNTS[0].name, "gap"] <= 1e-8
    weights = pd.read_parquet(tmp_path / "day" / "weights.parquet").set_index("asset")
    assert list(weights) == [ACCOUNTS[0].name]
    assert_array_equal(weights[ACCOUNTS[0].name], results[1].solution.weights)


def test_what_is_wrong_with_the_request_stops_it():
    with pytest.raises(InputError, match="batch is 0; send one account"):
        rebalanced(batch=0)
    with pytest.raises(InputError, match="two accounts are called 'account 0001'"):
        rebalanced([ACCOUNTS[0], ACCOUNTS[0]])
