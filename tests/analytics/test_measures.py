import inspect
import math

import numpy as np
import pytest
from bacon_months import BENCHMARK, MONTHS, PORTFOLIO
from numpy.testing import assert_allclose

from quantray.analytics import against, drawdowns, metrics, periods, ratios
from quantray.analytics.measures import Basis, measures
from quantray.analytics.metrics import performance

FOUND = measures(PORTFOLIO, Basis(benchmark=BENCHMARK, dates=MONTHS, periods_per_year=12, risk_free=0.06))
EMPYRICAL = {
    "total_return": 0.218105767220917,
    "annual_return": 0.10367828972980941,
    "annual_volatility": 0.13700015867969229,
    "sharpe": 0.35036455769532704,
    "sortino": 0.5426067467845607,
    "calmar": 0.7166390511623746,
    "max_drawdown": 0.144672955739218,
    "omega": 1.2917933130699086,
    "tail_ratio": 1.1748310810810811,
    "stability": 0.5879117296650365,
    "downside_deviation": 0.0884618561867204,
    "daily_var_95": 0.0592,
    "daily_es_95": 0.063,
    "vs_beta": 0.9988502086225743,
    "vs_batting_average": 0.7083333333333334,
}
"""empyrical-reloaded 0.7.1 on Bacon's months, 6 % of cash as 0.5 % a month."""
QUANTSTATS = {
    "bernardo_ledoit": 1.779783393501805,
    "payoff_ratio": 1.2712738525012894,
    "hit_rate": 0.5833333333333334,
    "best_month": 0.081,
    "worst_month": -0.065,
    "vs_r_squared": 0.9397088580814588,
}
"""quantstats 0.0.86, where it adds to that."""
TOTAL, MONTHLY = FOUND["total_return"], 1.06 ** (1 / 12) - 1
DIFFERENT = {
    # A yearly rate of 6 % is one that compounds there; here rates are simple.
    ("quantstats", "sharpe"): (0.36196595459297165, FOUND["sharpe"] * (PORTFOLIO.mean() - MONTHLY)
                               / (PORTFOLIO.mean() - 0.005)),
    # It compounds the alpha of a month, which is a difference of means and no return that was reinvested.
    ("empyrical", "alpha"): (-0.012359861853824872, (1 + FOUND["vs_alpha"] / 12) ** 12 - 1),
    # Ratios of a month, which are said to be yearly.
    ("both", "information ratio"): (-0.10726723360428557, FOUND["vs_information_ratio"] / 12**0.5),
    # The return of all months, however many, less the rate of one year.
    ("quantstats", "treynor"): (0.15828776512841364, (TOTAL - 0.06) / FOUND["vs_beta"]),
    ("quantstats", "martin"): (2.5296830094551574, (TOTAL - 0.06) / FOUND["ulcer_index"] * (23 / 24) ** 0.5),
    # Divided by one period less, though nothing is estimated.
    ("quantstats", "ulcer"): (0.06250022893381009, FOUND["ulcer_index"] * (24 / 23) ** 0.5),
    # Returns added up, where the drawdown below it is compounded.
    ("quantstats", "recovery"): (1.493022651651311, PORTFOLIO.sum() / FOUND["max_drawdown"]),
    # Of a normal distribution, while its expected shortfall is historical.
    ("quantstats", "value at risk"): (0.05605155822002581, 1.6448536269514722 * PORTFOLIO.std(ddof=1)
                                      - PORTFOLIO.mean()),
    # The same as its payoff ratio; here it counts winners over losers.
    ("quantstats", "win to loss"): (1.2712738525012894, FOUND["payoff_ratio"]),
}  # fmt: skip
"""Library and measure -> what it says, and the formula that it takes instead of ours."""


@pytest.mark.parametrize("oracle", [EMPYRICAL, QUANTSTATS])
def test_other_libraries_say_the_same(oracle):
    for name, theirs in oracle.items():
        assert_allclose(FOUND[name], theirs, rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", DIFFERENT)
def test_where_other_libraries_differ_it_is_known_why(case):
    theirs, formula = DIFFERENT[case]
    assert_allclose(theirs, formula, rtol=1e-9)


def test_at_least_forty_five_measures_each_a_number():
    found = measures(PORTFOLIO, Basis(benchmark=BENCHMARK, dates=MONTHS, periods_per_year=12))
    assert len(found) >= 75
    assert len(measures(PORTFOLIO, Basis(periods_per_year=12))) >= 45
    assert [name for name, value in found.items() if not math.isfinite(value)] == []
    own = performance(PORTFOLIO, periods_per_year=12)
    assert_allclose([found["sharpe"], found["calmar"]], [own.sharpe, own.calmar])
    assert_allclose(found["best_month"], 0.081)


def test_a_series_of_cash_is_the_rate_where_it_is_flat():
    flat, rate = (measures(PORTFOLIO, Basis(risk_free=r, benchmark=BENCHMARK, periods_per_year=12))
                  for r in (np.full(24, 0.06 / 12), 0.06))  # fmt: skip
    assert_allclose(list(flat.values()), list(rate.values()))


def test_every_measure_says_where_it_is_from():
    for module in (ratios, drawdowns, against):
        for name in module.__all__:
            member = getattr(module, name)
            if inspect.isfunction(member) and name not in {"underwater", "drawdowns"}:
                assert "Source:" in (member.__doc__ or ""), name
    assert metrics.__doc__
    assert periods.__doc__
