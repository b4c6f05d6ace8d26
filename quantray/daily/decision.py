"""The decision of a day: who may be held, what is expected, and the weights, from what is held already."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quantray.arrays import Float
from quantray.covariance.factor import statistical_factors
from quantray.daily.settings import RebalanceSettings
from quantray.data.calendar import DEFAULT_EXCHANGE, rebalance_dates
from quantray.data.panel import Panel
from quantray.errors import DataError
from quantray.models.controls import ControlRule
from quantray.models.forecaster import FitContext, Fitted
from quantray.research.folds import walk_forward
from quantray.studies.forecasts.store import Forecasts
from quantray.studies.portfolios.alpha import Start, alpha_decisions, forecast_store
from quantray.studies.portfolios.trial import DayModel, Schedule, Trial, decide, eligible

__all__ = ["Decision", "day_model", "decide_day", "is_due", "scores_of"]


@dataclass(frozen=True, eq=False)
class Decision:
    """Weights of N assets, and what they came from."""

    weights: Float
    """(N,) fractions of NAV."""
    model: DayModel
    scores: Float | None
    """(N,) of the day, NaN where there is none; None for rules that need none."""
    notes: tuple[str, ...]


def is_due(panel: Panel, settings: RebalanceSettings) -> bool:
    """Whether the last day of a panel is one of trading."""
    due = rebalance_dates(panel.dates, settings.frequency, exchange=settings.exchange or DEFAULT_EXCHANGE)
    return bool(len(due) and due[-1] == panel.dates[-1])


def day_model(panel: Panel, settings: RebalanceSettings) -> DayModel:
    """The names that may be held from the last day of a panel on, and the model of their risk.

    Raises
    ------
    DataError
        Nobody may be held, or the history is too short.
    """
    among = eligible(panel, len(panel.dates) - 1, _trial(panel, settings))
    model = statistical_factors(among.returns, settings.allocator.n_factors)
    return DayModel(panel.dates[-1], panel.assets[among.columns], model)


def scores_of(
    panel: Panel, settings: RebalanceSettings, sectors: Mapping[str, str], checkpoint: Path | None
) -> Forecasts | None:
    """Scores of the last day of a panel: of a checkpoint, a store of forecasts, or a control; None for other rules.

    Parameters
    ----------
    sectors : symbol -> sector.
    checkpoint : of the network of the day; None where the settings name none.

    Raises
    ------
    DataError
        There is no such checkpoint or store, or it has no scores of the day.
    """
    if settings.allocator.alpha is None:
        return None
    choice, day = settings.allocator.alpha.forecasts, panel.dates[-1:]
    if checkpoint is not None:
        return _predicted(_network(checkpoint, sectors), panel, checkpoint.stem)
    if choice.model is not None:
        found = forecast_store(choice, settings.runs).load(choice.model, version=choice.version)
        if day[0] not in found.dates:
            raise DataError(
                f"the store has no forecasts of {choice.model} on {day[0]}, but up to {found.dates[-1]}; forecast the "
                "day first, or name a checkpoint in the settings."
            )
        return found
    assert choice.control is not None, "checked by the settings"
    fitted = ControlRule(choice.control).fit(panel, _trial(panel, settings).split, context=FitContext())
    return _predicted(fitted, panel, choice.control)


def decide_day(
    panel: Panel, settings: RebalanceSettings, model: DayModel, scores: Forecasts | None, start: Start
) -> Decision:
    """Weights decided at the close of the last day of a panel.

    Raises
    ------
    DataError, InputError, SolverError
        As ``studies.portfolios.trial.decide`` and ``alpha.alpha_decisions``.
    """
    if settings.allocator.alpha is None:
        trial = _trial(panel, settings)
        return Decision(decide(panel, len(panel.dates) - 1, trial), model, None, ())
    assert scores is not None, "made by scores_of"
    made = alpha_decisions(
        panel,
        [model],
        scores,
        settings.allocator,
        costs=settings.costs.build(),
        accounting=settings.accounting.build(),
        start=start,
    )
    return Decision(made.decisions.weights[0], model, scores.on(panel.dates[-1], panel.assets), (made.summary,))


def _predicted(fitted: Fitted, panel: Panel, name: str) -> Forecasts:
    found = fitted.predict(panel, panel.dates[-1:])
    return Forecasts(name, found.dates, found.assets, found.values)


def _network(path: Path, sectors: Mapping[str, str]) -> Fitted:
    # torch takes seconds to import, and most rebalances need none.
    from quantray.models.fitted import FittedNetwork  # noqa: PLC0415

    return FittedNetwork.load(path, FitContext(sectors=sectors))


def _trial(panel: Panel, settings: RebalanceSettings) -> Trial:
    """The fold whose only test day is the panel's last."""
    days = settings.lookback_days
    if len(panel.dates) <= days:
        raise DataError(
            f"{len(panel.dates)} trading days up to {panel.dates[-1]} are too few for a look-back of {days}; start the "
            "data earlier, or shorten lookback_days."
        )
    split = walk_forward(panel.dates[-days - 1 :], train_days=days, test_days=1)[-1]
    schedule = Schedule(
        settings.frequency,
        settings.exchange or DEFAULT_EXCHANGE,
        days,
        settings.min_history,
        settings.min_volatility,
    )
    return Trial(settings.allocator, split, schedule, threads=settings.threads, numerics=settings.numerics)
