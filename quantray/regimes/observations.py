"""What the methods learn from: columns that describe the market, each known at its row."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd

from quantray.arrays import Dates, Float, Int, Names, frozen
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.regimes.market import (
    average_correlation,
    day_dispersion,
    day_volatility,
    illiquidity,
    index_returns,
    member_returns,
    realised_volatility,
)

__all__ = [
    "Observations",
    "daily_observations",
    "indicator_observations",
    "log_or_nan",
    "refuse_without_dispersion",
    "smoothed",
    "state_names",
]

_NAMES = {2: ("low", "high"), 3: ("low", "medium", "high"), 4: ("low", "medium", "high", "extreme")}


@dataclass(frozen=True, eq=False)
class Observations:
    """F columns over T rows.

    Parameters
    ----------
    dates : (T,) strictly increasing days, or closing times of bars.
    names : (F,) unique; ``return`` and ``volatility`` (in logs) must be among them, for they give states a meaning.
    values : (T, F), each known at its row; NaN where unknown.
    returns : (T,) simple returns of the index, for labels that look ahead.

    Raises
    ------
    InputError
        Shapes disagree, dates do not increase, names repeat or lack ``return`` or ``volatility``, or values are
        infinite.
    """

    dates: Dates
    names: tuple[str, ...]
    values: Float
    returns: Float

    def __post_init__(self) -> None:
        values = np.asarray(self.values, dtype=np.float64)
        if values.shape != (len(self.dates), len(self.names)) or np.shape(self.returns) != np.shape(self.dates):
            raise InputError(
                f"observations are {values.shape} and returns {np.shape(self.returns)} for {len(self.dates)} rows and "
                f"{len(self.names)} names."
            )
        if len(set(self.names)) != len(self.names) or not {"return", "volatility"} <= set(self.names):
            raise InputError(f"columns {list(self.names)} must be unique and hold 'return' and 'volatility'.")
        if not (np.diff(np.asarray(self.dates)).astype(np.int64) > 0).all():
            raise InputError("the rows of observations are not strictly increasing in time; sort them first.")
        if np.isinf(values).any():
            row, column = np.argwhere(np.isinf(values))[0]
            raise InputError(f"{self.names[column]} is infinite on {self.dates[row]}; make it NaN where unknown.")
        object.__setattr__(self, "dates", frozen(np.asarray(self.dates)))
        object.__setattr__(self, "values", frozen(values))
        object.__setattr__(self, "returns", frozen(np.asarray(self.returns, dtype=np.float64)))

    @property
    def complete(self) -> Int:
        """Rows where every column is known."""
        return np.flatnonzero(~np.isnan(self.values).any(axis=1))

    def column(self, name: str) -> int:
        """The position of a column."""
        return self.names.index(name)

    def until(self, row: int) -> Self:
        """Rows 0 to ``row``."""
        return replace(
            self, dates=self.dates[: row + 1], values=self.values[: row + 1], returns=self.returns[: row + 1]
        )

    def order(self, centres: Float) -> Int:
        """The order of states that gives them the same meaning at every fit: by volatility, then by return.

        Parameters
        ----------
        centres : (R, F) mean of each state in the units of ``values``.
        """
        return np.lexsort((centres[:, self.column("return")], centres[:, self.column("volatility")]))


def daily_observations(panel: Panel) -> Observations:
    """Today's return of the index, log volatility and log dispersion, with no memory of their own.

    For methods that bring the memory themselves, as a hidden Markov model does.

    Raises
    ------
    DataError
        The panel has no closes, no day with returns, or no day with two of them.
    """
    returns = index_returns(panel)
    _some(returns)
    volatility = log_or_nan(day_volatility(panel))
    dispersion = log_or_nan(day_dispersion(member_returns(panel)))
    refuse_without_dispersion(dispersion)
    values = np.column_stack([returns, volatility, dispersion])
    return Observations(panel.dates, ("return", "volatility", "dispersion"), values, returns)


def indicator_observations(panel: Panel, *, fast: int = 10, slow: int = 42) -> Observations:
    """Trailing indicators of trend, volatility, correlation, drawdown and price impact.

    For methods that look at one row at a time.

    Parameters
    ----------
    fast, slow : windows in trading days.

    Raises
    ------
    InputError
        Not ``2 <= fast < slow``.
    DataError
        The panel has no closes or volumes, no day with returns, or no day with two of them.
    """
    _check_windows(fast, slow)
    returns, own = index_returns(panel), member_returns(panel)
    _some(returns)
    width = pd.Series(log_or_nan(day_volatility(panel)))
    dispersion = log_or_nan(day_dispersion(own))
    refuse_without_dispersion(dispersion)
    apart = pd.Series(dispersion)
    impact = pd.Series(log_or_nan(illiquidity(panel)))
    wealth = pd.Series(np.cumprod(1 + np.nan_to_num(returns)))
    trailing = pd.Series(returns).rolling
    width_of_index = realised_volatility(returns, 2 * fast, periods_per_year=panel.periods_per_year)
    columns = {
        "return": trailing(slow, min_periods=slow // 2).mean(),
        "volatility": width.rolling(fast, min_periods=fast // 2).mean(),
        "volatility_change": width.rolling(fast, min_periods=fast // 2).mean()
        - width.rolling(slow, min_periods=slow // 2).mean(),
        "dispersion": apart.rolling(fast, min_periods=fast // 2).mean(),
        "index_volatility": pd.Series(log_or_nan(width_of_index)),
        "correlation": pd.Series(average_correlation(own, slow)),
        "drawdown": wealth / wealth.rolling(252, min_periods=1).max() - 1,
        "impact": impact.rolling(fast, min_periods=fast // 2).mean() - impact.rolling(252, min_periods=slow).median(),
    }
    return Observations(panel.dates, tuple(columns), np.column_stack(list(columns.values())), returns)


def smoothed(observations: Observations, *, fast: int = 10, slow: int = 42) -> Observations:
    """Trailing means of columns without memory, for methods that look at one row at a time, on bars of any length.

    Parameters
    ----------
    observations : with columns return and volatility; others are smoothed like the volatility.
    fast, slow : windows in rows, of volatility and of the return.

    Raises
    ------
    InputError
        Not ``2 <= fast < slow``.
    """
    _check_windows(fast, slow)
    columns = {}
    for name in observations.names:
        values = pd.Series(observations.values[:, observations.column(name)])
        days = slow if name == "return" else fast
        columns[name] = values.rolling(days, min_periods=max(days // 2, 1)).mean()
        if name == "volatility":
            columns["volatility_change"] = columns[name] - values.rolling(slow, min_periods=slow // 2).mean()
    return replace(observations, names=tuple(columns), values=np.column_stack(list(columns.values())))


def state_names(count: int) -> Names:
    """(count,) names of states in order of volatility, those of the volatility lens.

    Raises
    ------
    InputError
        Not 2 to 4 states.
    """
    if count not in _NAMES:
        raise InputError(f"{count} states have no names; use 2, 3 or 4.")
    return np.asarray(_NAMES[count], dtype=np.str_)


def log_or_nan(values: Float) -> Float:
    """Logarithms; NaN where a value is not positive."""
    return np.log(values, out=np.full(len(values), np.nan), where=values > 0)


def _some(returns: Float) -> None:
    if np.isnan(returns).all():
        raise DataError("no day of the panel has the return of a member; check its closes and its membership.")


def refuse_without_dispersion(dispersion: Float) -> None:
    """Raise where no row has a cross-section: methods would wait for one and know nothing for ever.

    Raises
    ------
    DataError
        All values are unknown.
    """
    if np.isnan(dispersion).all():
        raise DataError("the dispersion of returns is never known: it needs two assets or more that do not move alike.")


def _check_windows(fast: int, slow: int) -> None:
    if not 2 <= fast < slow:
        raise InputError(f"fast {fast} must be 2 rows or more and below slow {slow}.")
