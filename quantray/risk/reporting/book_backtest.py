"""Today's book held through its past: what the default method forecast for each day, and whether it was right."""

import numpy as np

from quantray.errors import InputError
from quantray.risk.forecasting.coverage import TESTS, coverage
from quantray.risk.forecasting.var_forecasts import AveragedHistory, forecast, trailing
from quantray.risk.positions.market import Market
from quantray.risk.reporting.estimates import DEFAULT, LEVELS, Past
from quantray.risk.reporting.sections import Backtest, TestResult

__all__ = ["backtested"]

_LONGEST = 504
_SHORTEST = 100
"""Days that a forecast looks back."""


def backtested(market: Market, past: Past, days: int, level: float) -> Backtest:
    """Forecasts of the last days of the past, each from the two years before it, and every test of them.

    Parameters
    ----------
    days : to forecast.
    level : of the value-at-risk that is kept for each day; tests are at the report's levels.

    Raises
    ------
    InputError
        The past is shorter than the days and 100 before them.
    """
    window = min(_LONGEST, len(past.gains) - days)
    if window < _SHORTEST:
        raise InputError(
            f"{len(past.gains)} days of the past leave {max(window, 0)} before the {days} to be forecast; ask for at "
            f"most {max(len(past.gains) - _SHORTEST, 0)} days."
        )
    gains = past.gains[-window - days :]
    outcomes = gains[window:]
    levels = tuple(dict.fromkeys((*LEVELS, level)))
    made = forecast(trailing(gains, window), outcomes, AveragedHistory(), levels=levels)
    tests = tuple(
        TestResult(
            name=seen.tests[test].name,
            level=seen.level,
            statistic=seen.tests[test].statistic,
            p_value=seen.tests[test].p_value,
            n_days=seen.n_days,
            n_hits=seen.n_hits,
        )
        for seen in coverage(made, outcomes)
        for test in TESTS
        if test in seen.tests
    )
    return Backtest(
        method=DEFAULT,
        level=level,
        dates=tuple(np.datetime_as_string(market.dates[-days:]).tolist()),
        gains=tuple(outcomes.tolist()),
        var=tuple(made.var[:, levels.index(level)].tolist()),
        tests=tests,
    )
