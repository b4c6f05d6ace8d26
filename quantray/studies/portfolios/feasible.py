"""Whether a study's portfolios can be made from the data at hand, asked before anything is computed."""

from collections.abc import Mapping, Sequence

import numpy as np

from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.features.returns import simple_returns
from quantray.studies.portfolios.allocators import weight_cap
from quantray.studies.portfolios.alpha import check_alpha
from quantray.studies.portfolios.door import try_own
from quantray.studies.portfolios.settings import AllocatorSettings
from quantray.studies.portfolios.trial import Trial, eligible

__all__ = ["check_portfolios"]


def check_portfolios(panel: Panel, trials: Mapping[str, Sequence[Trial]], runs: str) -> None:
    """See that each allocator can decide on the date with the fewest names, and that forecasts are there.

    What users bring of their own is tried before.

    Parameters
    ----------
    panel : with all fields of the study.
    trials : of each allocator, in order of time; all share one schedule.
    runs : the study's runs folder, which stores of forecasts lie in.

    Raises
    ------
    InputError
        A largest weight leaves part of the money without a name, a model has more factors than names or days, or as
        ``door.try_own``.
    DataError
        On that date no name may be held, there are no forecasts of a model on any decision date, or a mandate needs
        volumes that are not there.
    """
    shared = next(iter(trials.values()))
    trial, date = _thinnest(panel, shared)
    history = trial.history(panel)
    days, names = eligible(history, history.row(date), trial).returns.shape
    decisions = np.concatenate([each.decision_dates(panel.dates) for each in shared])
    for own in (group[0] for group in trials.values()):
        allocator = own.allocator
        try_own(own, names)
        _check_allocator(allocator, days, names, f" on {date}")
        check_alpha(panel, allocator, decisions, shared[0].split, runs)


def _check_allocator(allocator: AllocatorSettings, days: int, names: int, when: str) -> None:
    if allocator.invests_all:
        weight_cap(allocator, names, when)
    if allocator.n_factors is not None and allocator.n_factors > min(days, names):
        raise InputError(
            f"{allocator.name}: n_factors {allocator.n_factors} exceeds the {names} names or {days} days of returns"
            f"{when}; lower it, or leave it out."
        )


def _thinnest(panel: Panel, trials: Sequence[Trial]) -> tuple[Trial, np.datetime64]:
    """The decision date on which the fewest members have history enough, and its trial."""
    close = panel.field("close")
    known = np.cumsum(~np.isnan(simple_returns(close)), axis=0, dtype=np.int32)
    found: list[tuple[int, Trial, np.datetime64]] = []
    for trial in trials:
        first = trial.split.rows(panel.dates).train.start
        for date in trial.decision_dates(panel.dates):
            row = panel.row(date)
            start = first if trial.expanding else max(row - trial.schedule.lookback_days, 0)
            enough = known[row] - known[start] >= max(2, trial.schedule.min_history * (row - start))
            found.append((int((panel.member[row] & ~np.isnan(close[row]) & enough).sum()), trial, date))
    _, trial, date = min(found, key=lambda each: each[0])
    return trial, date
