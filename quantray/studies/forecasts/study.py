"""A study of forecasters: fit in parallel, gather the forecasts, evaluate them against the controls."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from quantray.analytics.bootstrap import Estimate
from quantray.analytics.forecasts import FEWEST_NAMES, Skill, daily_ic, ensemble_scores, forecast_skill, ic_difference
from quantray.arrays import Bool, Dates, Float, digest
from quantray.data.panel import Panel
from quantray.data.splits import Split, label_gap
from quantray.data.values import read_values
from quantray.errors import InputError
from quantray.features.labels import forward_returns
from quantray.features.returns import DELIST_RETURN
from quantray.models.devices import torch_device
from quantray.models.layers import GraphLayer, LayerSettings
from quantray.research.executor import Executor
from quantray.research.folds import walk_forward
from quantray.research.kind import Source
from quantray.research.market import MarketData, read_market
from quantray.research.progress import say
from quantray.research.units import Workplace, complete
from quantray.studies.forecasts.door import try_models
from quantray.studies.forecasts.feature_door import try_features
from quantray.studies.forecasts.settings import FeatureSettings, ForecastSettings, GivenFeatureSettings, ModelSettings
from quantray.studies.forecasts.trial import (
    ForecastData,
    ForecastTrial,
    attention_of,
    forecast_units,
    run_forecast,
    scores_from,
)

__all__ = [
    "ForecastSource",
    "ForecastStudy",
    "ModelForecasts",
    "daily_skill",
    "load_forecasts",
    "read_forecasts",
    "run_forecasts",
    "study_splits",
]

_FEWEST_DAYS = 2
"""Test dates with a known return, for a mean and its interval."""
_FIELDS = ("close", "high", "low", "volume", DELIST_RETURN)


ForecastSource = Source[ForecastSettings, None]


@dataclass(frozen=True, eq=False)
class ModelForecasts:
    """One model's forecasts on all test dates, and how good they were. D dates, N assets, S seeds."""

    name: str
    is_control: bool
    scores: Float
    """(D, N) mean of the seeds' standardised scores; NaN where there is none."""
    skill: Skill | None
    """Of that mean; none for a forecast that tells no names apart."""
    ic: Float
    """(D,) daily information coefficient of that mean; zero where it tells no names apart, NaN without returns."""
    seed_ic: Float
    """(S,) mean daily information coefficient of each seed alone."""
    epochs: float
    """Mean over fits; NaN for what is not trained."""
    differences: dict[str, Estimate]
    """Control's name -> mean daily information coefficient minus the control's, paired by day."""


@dataclass(frozen=True, eq=False)
class ForecastStudy:
    """What a study of forecasters found and what it took."""

    dates: Dates
    """(D,) test dates."""
    panel: Panel
    """Of the whole study."""
    forward: Float
    """(D, N) returns that were forecast; NaN where unknown."""
    models: tuple[ModelForecasts, ...]
    digest: str
    n_computed: int
    n_reused: int
    seconds: float


def load_forecasts(settings: ForecastSettings) -> ForecastSource:
    """The panel of a study and its sectors.

    Raises
    ------
    DataError, InputError
        As ``load_market``, ``read_values`` and ``door.try_models``; or there are too few days for one fold, too few
        names on most test dates for an information coefficient, no sectors for a graph that needs them, or a layer or a
        device that ``models.layers`` or ``models.devices`` refuse.
    """
    source = read_forecasts(settings)
    _check(source.settings, source.data)
    return source


def read_forecasts(settings: ForecastSettings) -> ForecastSource:
    """As ``load_forecasts``, without a look at whether its models can be fitted here; raises as ``load_market``."""
    settings, data = read_market(settings, _fields_of(settings))
    return Source(settings, _with_values(data, settings.features), None)


def run_forecasts(source: ForecastSource, executor: Executor) -> ForecastStudy:
    """Fit what is missing in parallel, then evaluate all forecasts.

    Fits are kept under ``runs/results`` by content, with a checkpoint after every epoch; so the same command computes
    only what is not there yet. Models with a warm start are fitted fold after fold, all seeds side by side.

    Raises
    ------
    InputError
        There are too few days for one fold.
    """
    start = time.monotonic()
    settings, panel = source.settings, source.data.panel
    data = ForecastData(panel, source.data.sectors, settings.results)
    splits = study_splits(settings, panel)
    plan = _Plan(settings, splits, data)
    n_computed = plan.carry_out(executor)
    rows = slice(splits[0].rows(panel.dates).test.start, splits[-1].rows(panel.dates).test.stop)
    folds = settings.folds
    forward = forward_returns(
        panel.field("close"),
        horizon=folds.horizon,
        lag=settings.accounting.execution_lag,
        delist_tn=panel.fields.get(DELIST_RETURN),
    )[rows]
    models = _judged(settings, plan, data, rows, forward)
    everything = digest([part for model in models for part in (model.name, model.scores)])
    return ForecastStudy(
        panel.dates[rows],
        panel,
        forward,
        models,
        everything,
        n_computed,
        plan.n_units - n_computed,
        time.monotonic() - start,
    )


def _with_values(data: MarketData, features: Iterable[FeatureSettings]) -> MarketData:
    """With a field for each feature that comes as values."""
    for each in features:
        if isinstance(each, GivenFeatureSettings):
            given = read_values(each.values, data.panel)
            said = f"{each.name}: {given.n_used:,} of {given.n_given:,} values are of the study's dates and names"
            say(said)
            data = replace(
                data,
                panel=data.panel.with_fields(**{each.name: given.values}),
                description=f"{data.description}; {said}, not checked for look-ahead",
            )
    return data


def _fields_of(settings: ForecastSettings) -> tuple[str, ...]:
    """What a study reads of the data, where it is there."""
    return (*_FIELDS, *sorted({name for each in settings.features for name in each.fields} - set(_FIELDS)))


def study_splits(settings: ForecastSettings, panel: Panel) -> list[Split]:
    """The folds of a study, in order of time; raises as ``walk_forward``."""
    folds = settings.folds
    splits = walk_forward(
        panel.dates[folds.warm_up_days :],
        train_days=folds.train_days,
        valid_days=folds.valid_days,
        test_days=folds.test_days,
        horizon=folds.horizon,
        lag=settings.accounting.execution_lag,
        embargo=folds.embargo,
        kind=folds.kind,
    )
    return list(splits[-folds.most :] if folds.most else splits)


def daily_skill(scores: Float, forward: Float, member: Bool) -> Float:
    """Daily coefficients, zero on a day with returns on which the scores tell no names apart.

    Parameters
    ----------
    scores, forward, member : (D, N); see ``analytics.forecasts.daily_ic``.

    Returns
    -------
    (D,); NaN on days on which fewer than ten members have a return, such as the last ones of the data.
    """
    daily = daily_ic(scores, forward, member)
    return np.where(np.isnan(daily) & ((member & ~np.isnan(forward)).sum(axis=1) >= FEWEST_NAMES), 0.0, daily)


def _check(settings: ForecastSettings, data: MarketData) -> None:
    """Refuse here what would show only after all fits, or in all of them."""
    try_features(settings.features, data.panel, threads=settings.threads)
    splits, panel = study_splits(settings, data.panel), data.panel
    tested = slice(splits[0].rows(panel.dates).test.start, splits[-1].rows(panel.dates).test.stop)
    gap = label_gap(settings.folds.horizon, settings.accounting.execution_lag)
    known = min(tested.stop, len(panel.dates) - gap) - tested.start
    if known < _FEWEST_DAYS:
        raise InputError(
            f"the returns of only {max(known, 0)} of {tested.stop - tested.start} test dates are known by the end of "
            "the data; raise folds.most, or end the data at the end of a fold."
        )
    names = np.median(panel.member[tested].sum(axis=1))
    if names < FEWEST_NAMES:
        raise InputError(
            f"{names:.0f} names are members on a typical test date, and an information coefficient takes "
            f"{FEWEST_NAMES}; widen data.universe, or raise data.n_assets of a simulated market."
        )
    try_models(settings, sectors=bool(data.sectors))
    for model in settings.models:
        # The machines of a cluster that is somewhere else try it themselves.
        if model.kind == "network" and settings.cluster.kind != "address":
            torch_device(model.device)
        if model.kind == "network" and model.graph.kind == "sector" and not data.sectors:
            raise InputError(f"{model.name}: a sector graph needs sectors; set data.sectors, or take correlation.")
        layer = attention_of(model)
        if isinstance(layer, LayerSettings):
            GraphLayer(layer, model.width, model.heads)


class _Plan:
    """The trials of a study and their keys; a warm start's key is known once its parent's is."""

    def __init__(self, settings: ForecastSettings, splits: list[Split], data: ForecastData) -> None:
        self._settings, self._splits, self._data = settings, splits, data
        self.keys: dict[tuple[str, int], list[str]] = {
            (model.name, seed): [] for model in settings.all_models for seed in range(_seeds(model, settings))
        }

    @property
    def n_units(self) -> int:
        """All units of work."""
        return len(self.keys) * len(self._splits)

    def carry_out(self, executor: Executor) -> int:
        """Compute what is missing; returns how much that was."""
        cold = [model for model in self._settings.all_models if not model.warm_start]
        warm = [model for model in self._settings.all_models if model.warm_start]
        # Cold fits need nothing of one another; warm ones run fold by fold.
        batches = [self._trials(cold, range(len(self._splits)))] if cold else []
        done = 0
        place = Workplace(executor, self._data)
        for batch in batches:
            done += self._run(place, batch)
        for fold in range(len(self._splits)) if warm else ():
            done += self._run(place, self._trials(warm, range(fold, fold + 1)))
        return done

    def epochs(self, model: ModelSettings) -> float:
        """Mean number of epochs of a model's fits; NaN for what is not trained."""
        keys = [key for (name, _), of_seed in self.keys.items() if name == model.name for key in of_seed]
        return float(np.mean([float(self._data.results.notes(key).get("epochs", "nan")) for key in keys]))

    def _trials(self, models: list[ModelSettings], folds: range) -> list[ForecastTrial]:
        settings = self._settings
        return [
            ForecastTrial(
                model,
                self._splits[fold],
                seed,
                before=settings.folds.warm_up_days,
                threads=settings.threads,
                parent=self._parent(model, seed, fold),
                numerics=settings.numerics,
                features=settings.features,
            )
            for fold in folds
            for model in models
            for seed in range(_seeds(model, self._settings))
        ]

    def _parent(self, model: ModelSettings, seed: int, fold: int) -> str | None:
        """The newest earlier fold whose validation labels end with this fold's training range."""
        if not model.warm_start:
            return None
        child = self._splits[fold].rows(self._data.panel.dates)
        for earlier in range(fold - 1, -1, -1):
            split = self._splits[earlier]
            rows = split.rows(self._data.panel.dates)
            last = rows.train.stop if rows.valid is None else rows.valid.stop
            if last - 1 + split.horizon + split.lag < child.train.stop:
                return self.keys[model.name, seed][earlier]
        return None

    def _run(self, place: Workplace[ForecastData], trials: list[ForecastTrial]) -> int:
        units = forecast_units(self._data, trials)
        for unit in units:
            self.keys[unit.item.item.model.name, unit.item.item.seed].append(unit.key)
        return complete(place, run_forecast, units, label="fits", announce="fits").n_computed


def _seeds(model: ModelSettings, settings: ForecastSettings) -> int:
    return settings.seeds if model.kind == "network" else 1


def _judged(
    settings: ForecastSettings, plan: _Plan, data: ForecastData, rows: slice, forward: Float
) -> tuple[ModelForecasts, ...]:
    member, horizon = data.panel.member[rows], settings.folds.horizon
    resampling = settings.resampling.build()
    fits = {model.name: _fits(model, settings, plan, data, rows) for model in settings.all_models}
    scores = {n: fit[0] if len(fit) == 1 else ensemble_scores(np.stack(fit), member) for n, fit in fits.items()}
    ic = {name: daily_skill(values, forward, member) for name, values in scores.items()}
    controls = [model.name for model in settings.all_models if model.is_control]
    return tuple(
        ModelForecasts(
            name=model.name,
            is_control=model.is_control,
            scores=scores[model.name],
            skill=None
            if not np.nan_to_num(ic[model.name]).any()
            else forecast_skill(scores[model.name], forward, member, horizon=horizon, resampling=resampling),
            ic=ic[model.name],
            seed_ic=np.array([np.nanmean(daily_skill(fit, forward, member)) for fit in fits[model.name]]),
            epochs=plan.epochs(model),
            differences={
                control: ic_difference(ic[model.name], ic[control], horizon=horizon, resampling=resampling)
                for control in controls
                if control != model.name
            },
        )
        for model in settings.all_models
    )


def _fits(
    model: ModelSettings, settings: ForecastSettings, plan: _Plan, data: ForecastData, rows: slice
) -> list[Float]:
    """(D, N) scores of each seed."""
    keys = [plan.keys[model.name, seed] for seed in range(_seeds(model, settings))]
    return [scores_from(data.results, of_seed, data.panel)[rows] for of_seed in keys]
