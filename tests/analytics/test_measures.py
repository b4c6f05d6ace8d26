import inspect
import math

import numpy as np
from bacon_months import BENCHMARK, MONTHS, PORTFOLIO
from numpy.testing import assert_allclose

from quantray.analytics import against, drawdowns, metrics, periods, ratios
from quantray.analytics.measures import Basis, measures
from quantray.analytics.metrics import performance


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
            if inspect.isfunction(member) and name not in {"over_cash", "underwater", "drawdowns"}:
                assert "Source:" in (member.__doc__ or ""), name
    assert metrics.__doc__
    assert periods.__doc__
