"""Rules and estimators of users' own, tried on made-up prices before any work is handed out."""

from dataclasses import replace

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.arrays import Float
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError, SolverError
from quantray.own import own_thing
from quantray.portfolio.own import takes_covariance
from quantray.research.background import within
from quantray.research.progress import say
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Trial, decide

__all__ = ["try_own"]

_MOST_NAMES = 20
_LATER = 3
"""Days after the one that is decided about."""
_ORDER = 1e-3
"""That a weight may change when the assets come in another order; iterations end within a tolerance."""


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
    with threadpool_limits(limits=trial.threads):
        _Door(tried).pass_through(panel)


class _Door:
    """Decisions of one allocator about made-up prices."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self._told = f"{trial.allocator.name}: tried on made-up prices before the study"

    def pass_through(self, panel: Panel) -> None:
        row = len(panel.dates) - 1 - _LATER
        past = panel.until(panel.dates[row])
        first = self._weights(past, row)
        self._weights(panel, row + _LATER)
        if not np.array_equal(self._weights(past, row), first):
            same = np.array_equal(self._weights(past, row), self._weights(past, row))
            raise self._refused(
                "it gave other weights for the same returns after it had seen a later date: it keeps something between "
                "dates; decide from what is given alone"
                if same
                else "it gave other weights for the same returns when asked again: it draws random numbers without a "
                "seed, or keeps something between calls; take a seed among its parameters"
            )
        if not np.array_equal(self._weights(panel, row), first):
            raise self._refused(
                "it gave other weights when prices of later dates were there: it looks ahead; decide from what is "
                "given alone"
            )
        self._say_order(past, row, first)

    def _say_order(self, past: Panel, row: int, first: Float) -> None:
        """Law of all of quantray's own rules; some of users' have no other way."""
        turned = Panel(past.dates, past.assets, {"close": past.field("close")[:, ::-1]}, past.member)
        apart = float(np.abs(self._weights(turned, row) - first[::-1]).max())
        if apart > _ORDER:
            say(f"{self._told}, weights depend on the order of the assets: they differ by up to {apart:.2g} in another")

    def _weights(self, panel: Panel, row: int) -> Float:
        seconds = self._trial.allocator.trial_seconds
        try:
            return within(seconds, lambda: decide(panel, row, self._trial), name="trial")
        except TimeoutError as error:
            raise self._refused(
                f"one decision about {len(panel.assets)} names took more than {seconds:g} s; make it faster, or raise "
                "trial_seconds"
            ) from error
        except (DataError, SolverError) as error:
            raise self._refused(str(error).rstrip(".")) from error

    def _refused(self, what: str) -> InputError:
        return InputError(f"{self._told}, {what}.")


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
    n_days, random = lookback_days + 1 + _LATER, np.random.default_rng(20)
    factors = random.normal(0.0, 0.008, (n_days, 2)) @ random.normal(0.8, 0.4, (2, n_assets))
    returns = 3e-4 + factors + random.normal(0.0, 1.0, (n_days, n_assets)) * np.linspace(0.006, 0.02, n_assets)
    dates = np.busday_offset("2001-01-01", np.arange(n_days), roll="forward")
    close = 100 * np.cumprod(1 + np.maximum(returns, -0.5), axis=0)
    names = np.array([f"MADE{i:02d}" for i in range(n_assets)])
    return Panel(dates, names, {"close": close}, np.ones(close.shape, dtype=np.bool_))
