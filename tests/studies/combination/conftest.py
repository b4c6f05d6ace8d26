"""Records that several tests of the room share."""

import numpy as np
import pytest

from quantray.analytics.bootstrap import Resampling
from quantray.portfolio.strategy_mix import MixResult
from quantray.studies.combination.record import BEST, EQUAL, MIX, Account, CombinationRecord, Member, Netting, evaluate

DAYS, CHECKS = 300, 4


def account_of(name, returns):
    ones = np.ones(CHECKS)
    netting = Netting(
        exposure_gross=0.8 * ones,
        exposure_net=0.4 * ones,
        moved_gross=0.3 * ones,
        moved_net=0.1 * ones,
        moving_cost_gross=5e-4 * 0.3 * ones,
        moving_cost_net=5e-4 * 0.1 * ones,
        traded_gross=0.2 * ones,
        traded_net=0.05 * ones,
        effective_names=25 * ones,
    )
    shares = np.full((CHECKS, 3), 0.3)
    turnover = np.full(len(returns), 0.01)
    return Account(name, returns, turnover, 5e-4 * 2 * turnover, shares, netting)


def combination(gain=0.0, *, flat=False):
    generator = np.random.default_rng(0)
    own = generator.normal(0.0004, 0.008, (DAYS, 3)) + generator.normal(0, 0.004, (DAYS, 1))
    equal = own.mean(axis=1)
    noise = generator.normal(0, 0.0005, DAYS)
    mix = np.zeros(DAYS) if flat else equal + gain + noise
    accounts = (account_of(MIX, mix), account_of(EQUAL, equal), account_of(BEST, own[:, 1]))
    members = (
        Member("trend: fast 5", "trend", "trend following", (("fast", 5),)),
        Member("trend: fast 9", "trend", "trend following", (("fast", 9),)),
        Member("revert <1>", "revert", "mean reversion", ()),
    )
    dropped = {"trend: fast 9": "correlation 0.812 with trend: fast 5, not below 0.7"}
    decision = MixResult(np.array([0.5, 0.0, 0.4]), "risk_parity", dropped, {"revert <1>": "reduced to 80.0%"}, 0.1, 0)
    dates = np.datetime64("2020-01-01") + np.arange(DAYS)
    return CombinationRecord(
        dates=dates,
        decided=dates[:: DAYS // CHECKS],
        members=members,
        member_returns=own,
        member_turnover=np.full((DAYS, 3), 0.02),
        decisions=(decision,) * CHECKS,
        accounts=accounts,
        best=1,
        outcomes=evaluate(accounts, own, resampling=Resampling(n_samples=200)),
        n_effective=2.6,
        n_computed=3,
        n_reused=1,
        seconds=1.5,
        peak_driver=2**30,
        peak_workers=(2**29,),
    )


@pytest.fixture(scope="session")
def record_of():
    """Three strategies and a mix that earns some gain a day over equal shares, or nothing at all."""
    return combination
