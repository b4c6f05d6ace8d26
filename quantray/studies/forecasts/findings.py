"""What is kept of a study of forecasters: the forecasts in their store, skill by model, and the report."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quantray.analytics.bootstrap import estimated_mean
from quantray.analytics.forecasts import Decay, ic_decay, quantile_returns
from quantray.features.returns import DELIST_RETURN
from quantray.printable import masked_uri
from quantray.research.kind import Findings, Work
from quantray.studies.forecasts.report import ForecastReportInput, ForecastRow, forecast_page
from quantray.studies.forecasts.settings import FeatureSettings, GivenFeatureSettings
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import ForecastSource, ForecastStudy, ModelForecasts

__all__ = ["few_seeds", "find_forecasts"]

_ENOUGH_SEEDS = 5
_HORIZONS = (1, 2, 3, 5, 10, 21)
"""Trading days over which skill is shown beside the horizon that was asked for."""


def find_forecasts(source: ForecastSource, study: ForecastStudy) -> Findings:
    """Keep the forecasts in their store, and say how good they were.

    Forecasts that the store holds already as the model's latest keep their version.

    Raises
    ------
    DataError
        The forecast store cannot be written.
    """
    settings = source.settings
    store = ForecastStore(settings.forecasts or Path(settings.runs).resolve() / "forecasts")
    notes = {"study": source.folder.name, "digest": study.digest, "data": source.data.description}
    versions = _stored(store, study, notes)
    rows = [_row(source, study, model) for model in study.models]
    tested = source.data.sample(study.dates)
    folds = int(np.ceil(len(study.dates) / settings.folds.test_days))
    horizon, lag = settings.folds.horizon, settings.accounting.execution_lag
    page = forecast_page(
        ForecastReportInput(
            title=settings.name,
            meta=f"Forecasts out of sample, {tested.first} to {tested.last} · {source.data.description} · "
            f"{tested.names} · {folds} fold{'' if folds == 1 else 's'}",
            note="Daily correlation of scores and the returns that followed, over "
            f"{_days(horizon, 'trading day')} from the close {_days(lag, 'day')} after the forecast. A model is the "
            f"mean of its seeds; controls are marked. {source.data.delistings}",
            span=f"{tested.first} to {tested.last}, {settings.resampling.confidence:.0%} intervals",
            dates=study.dates,
            rows=rows,
            horizon=horizon,
            decays=_decays(source, study),
            warnings=source.data.survivors("skill on it is flattered")
            + few_seeds(settings.seeds)
            + _unchecked(settings.features),
        )
    )
    return Findings(
        digest=study.digest,
        page=page,
        work=Work(study.n_computed, study.n_reused, study.seconds, called="fits"),
        metrics={row.name: _numbers(row) for row in rows},
        files={"forecasts.json": json.dumps({"store": masked_uri(store.uri), "versions": versions}, indent=2)},
        facts=tested.facts | {"n_folds": folds},
        notes=(f"Forecasts are in {masked_uri(store.uri)}.",),
    )


def _unchecked(features: Sequence[FeatureSettings]) -> tuple[str, ...]:
    """A warning where features came as values, or none."""
    names = [each.name for each in features if isinstance(each, GivenFeatureSettings)]
    if not names:
        return ()
    return (
        f"Given as values, so not checked for look-ahead: {', '.join(names)}. Whether each was known at the close of "
        "its date only its maker can say.",
    )


def _decays(source: ForecastSource, study: ForecastStudy) -> dict[str, Decay]:
    """Model -> its skill over other horizons, where the test dates are long enough for them."""
    panel, lag = study.panel, source.settings.accounting.execution_lag
    rows = np.searchsorted(panel.dates, study.dates)
    # A horizon is asked for where at least twice as many days are tested, and known by the end of the data.
    horizons = [days for days in _HORIZONS if len(rows) >= 2 * days and rows[0] + 2 * days + lag < len(panel.dates)]
    if not horizons:
        return {}
    scores = np.full(panel.shape, np.nan)
    found = {}
    for model in study.models:
        if model.skill is not None:
            scores[rows] = model.scores
            found[model.name] = ic_decay(
                scores,
                panel.field("close"),
                panel.member,
                horizons=horizons,
                lag=lag,
                rank=False,
                delist=panel.fields.get(DELIST_RETURN),
                resampling=source.settings.resampling.build(),
            )
    return found


def few_seeds(seeds: int) -> tuple[str, ...]:
    """A warning where there are too few fits of a network to tell luck from skill, or none."""
    if seeds >= _ENOUGH_SEEDS:
        return ()
    return (f"Only {seeds} seed{'' if seeds == 1 else 's'}: differences between networks may be luck of the draw.",)


def _days(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _stored(store: ForecastStore, study: ForecastStudy, notes: dict[str, str]) -> dict[str, int]:
    """Model -> version of the store with its forecasts."""
    latest = {found.model: found for found in store.versions()} if store.exists() else {}
    versions = {}
    for model in study.models:
        # Zero is no forecast; everything else can be traded on, controls included.
        if model.skill is None:
            continue
        found = latest.get(model.name)
        if found is not None and found.notes == notes:
            versions[model.name] = found.number
        else:
            versions[model.name] = store.write(model.name, study.dates, study.panel.assets, model.scores, notes)
    return versions


def _row(source: ForecastSource, study: ForecastStudy, model: ModelForecasts) -> ForecastRow:
    horizon = source.settings.folds.horizon
    resampling = source.settings.resampling.build()
    skill, deciles = model.skill, None
    if skill is not None and np.nanmean((~np.isnan(model.scores)).sum(axis=1)) >= 40:
        deciles = quantile_returns(model.scores, study.forward, horizon=horizon, resampling=resampling).mean
    return ForecastRow(
        name=model.name,
        is_control=model.is_control,
        ic=estimated_mean(model.ic, overlap=horizon, resampling=resampling),
        rank_ic=None if skill is None else skill.mean_rank_ic,
        icir=None if skill is None else skill.icir,
        positive_days=None if skill is None else skill.positive_days,
        seed_ic=model.seed_ic,
        epochs=model.epochs,
        daily=model.ic,
        deciles=deciles,
        differences=model.differences,
    )


def _numbers(row: ForecastRow) -> dict[str, float | None]:
    out: dict[str, float | None] = {
        "ic": row.ic.mean,
        "ic_low": row.ic.interval.low,
        "ic_high": row.ic.interval.high,
        "rank_ic": None if row.rank_ic is None else row.rank_ic.mean,
        "icir": row.icir,
        "positive_days": row.positive_days,
        "seed_deviation": row.seed_deviation,
        "epochs": row.epochs,
        "spread": row.spread,
    }
    for control, found in row.differences.items():
        out |= {
            f"vs_{control}": found.mean,
            f"vs_{control}_low": found.interval.low,
            f"vs_{control}_high": found.interval.high,
        }
    return out
