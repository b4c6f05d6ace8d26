"""Rules, estimators and costs of users' own, tried before any work is handed out."""

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Float
from quantray.backtest.costs import MarketDay
from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import DELIST_RETURN
from quantray.own import own_thing
from quantray.portfolio.own import takes_covariance
from quantray.research.door import LATER, Door, best_known
from quantray.research.terms import TradingCostSettings
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Trial, decide

__all__ = ["try_costs", "try_own"]

_MOST_NAMES = 20
_TOLERANCE = 1e-9


def try_own(trial: Trial, n_assets: int) -> None:
    """See that what a user brings to an allocator keeps to what every rule keeps to.

    It is asked about made-up prices of a few names, several times and in another order of dates: it must give weights
    as ``portfolio.own`` and ``covariance.own`` want them, within ``trial_seconds``, the same again about the same past,
    whatever it was asked in between and whatever prices follow. Where weights depend on the order of the assets, that
    is said.

    Parameters
    ----------
    trial : of the allocator, with its schedule.
    n_assets : that it will have; so many are tried, up to 20.

    Raises
    ------
    InputError
        It does not; the message says what it did and what was expected.
    """
    allocator = trial.allocator
    if allocator.own_rule is None and allocator.own_estimator is None:
        return
    _check_asked(allocator)
    tried = replace(trial, schedule=replace(trial.schedule, min_volatility=0.0, min_history=0.1), expanding=False)
    panel = _made_up(min(n_assets, _MOST_NAMES), trial.schedule.lookback_days)
    told = f"{allocator.name}: tried on made-up prices before the study"
    door = Door(told, lambda known, row: decide(known, row, tried), allocator.trial_seconds)
    with threadpool_limits(limits=trial.threads):
        door.pass_through(panel, len(panel.dates) - 1 - LATER)


def try_costs(settings: TradingCostSettings, panel: Panel, nav: float) -> None:
    """See that a cost model of a user's own gives the same for the same trades and day, whatever it was asked before.

    It is asked about the 20 names of which most is known, on the last days. What it gives is checked on every later
    day, too.

    Parameters
    ----------
    panel : of the study.
    nav : of the accounts.

    Raises
    ------
    InputError
        It does not; the message says what it did and what was expected.
    """
    if settings.model is None:
        return
    costs, few = settings.build(), settings.prepared(best_known(panel))

    def decide(known: Panel, row: int) -> Float:
        fields = {name: values[row] for name, values in known.fields.items() if name != DELIST_RETURN}
        day = MarketDay(known.dates[row], nav, fields)
        # Purchases and sales of many sizes, each by its own price, so that the order of names is no part of it.
        return costs(nav * 0.02 * np.sin(np.nan_to_num(day.fields["close"])), day)

    told = f"cost model {settings.model!r}: tried on {len(few.assets)} names before the study"
    Door(told, decide, settings.trial_seconds, gives="costs", tolerance=_TOLERANCE).pass_through(
        few, len(few.dates) - 1 - LATER
    )


def _check_asked(allocator: AllocatorSettings) -> None:
    """What is imported is found before anything is decided, and no estimator is named that nobody asks."""
    if allocator.own_estimator is not None:
        own_thing(allocator.estimator, "estimators")
    if allocator.own_rule is None:
        return
    asks = takes_covariance(own_thing(allocator.rule, "allocators"), allocator.rule)
    if not asks and allocator.estimator != "sample":
        raise InputError(
            f"{allocator.name}: {allocator.rule} takes returns, so nobody asks estimator {allocator.estimator}; leave "
            "it out, or take covariance as the first argument."
        )


def _made_up(n_assets: int, lookback_days: int) -> Panel:
    """Prices of names that move with two factors, no two alike, all there all the time."""
    n_days, random = lookback_days + 1 + LATER, np.random.default_rng(20)
    factors = random.normal(0.0, 0.008, (n_days, 2)) @ random.normal(0.8, 0.4, (2, n_assets))
    returns = 3e-4 + factors + random.normal(0.0, 1.0, (n_days, n_assets)) * np.linspace(0.006, 0.02, n_assets)
    dates = np.busday_offset("2001-01-01", np.arange(n_days), roll="forward")
    close = 100 * np.cumprod(1 + np.maximum(returns, -0.5), axis=0)
    names = np.array([f"MADE{i:02d}" for i in range(n_assets)])
    return Panel(dates, names, {"close": close}, np.ones(close.shape, dtype=np.bool_))
