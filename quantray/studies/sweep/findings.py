"""What is kept of a sweep by regime: streams, choices, outcomes, a map learned from it, and the report."""

import json

import pyarrow as pa

from quantray.analytics.bootstrap import Estimate
from quantray.research.kind import Findings, Work
from quantray.strategies.catalogue import CATALOGUE, option_notes
from quantray.strategies.regime_map import LENSES, learn_map, map_yaml
from quantray.studies.evaluation.strategy_settings import catalogued
from quantray.studies.sweep.record import ALL, POLICIES, SweepRecord
from quantray.studies.sweep.report import SweepReportInput, sweep_page
from quantray.studies.sweep.study import SweepSource

__all__ = ["find_sweep"]


def find_sweep(source: SweepSource, record: SweepRecord) -> Findings:
    """Streams, choices, scores and outcomes as tables, and for regimes of a lens ``regime_map.yaml``."""
    settings, panel = source.settings, source.panel
    tested = source.data.sample(record.dates)
    page = sweep_page(
        SweepReportInput(
            title=settings.name,
            meta=f"Sweep by regime, tested out of sample from {tested.first} to {tested.last} in "
            f"{len(record.folds)} folds · {source.data.description} · {tested.names} · regimes: {_described(source)}",
            costs=settings.costs.build().described(panel.fields),
            record=record,
            data=source.data,
            regimes=source.prepared,
            options=tuple(option_notes(catalogued(settings.strategies), panel)),
        )
    )
    return Findings(
        digest=record.digest,
        page=page,
        work=Work(record.n_computed, record.n_reused, record.seconds, called="results"),
        metrics=_metrics(record),
        tables=_tables(record),
        files=_learned_map(source, record),
        facts=tested.facts
        | {
            "regimes": _described(source),
            "yearly_exits": source.data.yearly_exits,
            "sets": record.n_sets,
        },
    )


def _learned_map(source: SweepSource, record: SweepRecord) -> dict[str, str]:
    """Name of the file -> the map; the ensemble knows the lenses and the catalogue, so others have no place in it."""
    method = source.settings.regimes.method
    scores = {key: score for key, score in record.scores(method).items() if key[1] in CATALOGUE}
    if method not in LENSES or not scores:
        return {}
    learnt = f"# Learned from what strategies earned up to {record.dates[-1]}: it is tested on later days only.\n"
    return {"regime_map.yaml": learnt + map_yaml(learn_map(scores))}


def _described(source: SweepSource) -> str:
    """The regimes and the shares of days that they fill."""
    shares = zip(source.prepared.names.tolist(), source.prepared.shares.tolist(), strict=True)
    return f"{source.settings.regimes.method} ({', '.join(f'{name} {share:.0%}' for name, share in shares)})"


def _tables(record: SweepRecord) -> dict[str, pa.Table]:
    """Streams, choices, scores and outcomes as tables."""
    streams: dict[str, object] = {"date": record.dates, "regime": record.labels}
    for stream in record.streams:
        streams[f"{stream.strategy}, {stream.policy}"] = stream.returns
        streams[f"{stream.strategy}, {stream.policy}, turnover"] = stream.turnover
    choices = [
        {
            "strategy": c.strategy,
            "fold": record.folds[c.fold],
            "regime": c.scope,
            "parameters": json.dumps(dict(c.parameters)),
            "trials": c.n_trials,
            "trained_days": c.trained_days,
            "tested_days": c.tested_days,
            "train_sharpe": c.train_sharpe,
            "test_sharpe": c.test_sharpe,
            "deflated_sharpe": c.deflated.probability if c.deflated else None,
            "own": c.own,
        }
        for c in record.choices
    ]
    scores = [
        {
            "strategy": table.strategy,
            "regime": table.scope,
            "parameters": json.dumps(dict(parameters)),
            "fold": record.folds[fold],
            "train_sharpe": float(value),
        }
        for table in record.stability
        for parameters, row in zip(table.sets, table.sharpe, strict=True)
        for fold, value in enumerate(row)
        if value == value
    ]
    return {
        "streams": pa.table(streams),
        "choices": pa.Table.from_pylist(choices),
        "scores": pa.Table.from_pylist(scores),
        "outcomes": pa.Table.from_pylist(_outcomes(record)),
    }


def _outcomes(record: SweepRecord) -> list[dict[str, object]]:
    """Sharpe ratios and differences with their intervals, one row each."""
    rows: list[dict[str, object]] = []
    for outcome in record.outcomes:
        measures = {f"sharpe, {policy}": outcome.sharpe[policy] for policy in POLICIES}
        measures |= {"over unconditional": outcome.over_unconditional, "over default": outcome.over_default}
        overfitted = record.overfitting.get((outcome.strategy, outcome.scope))
        for name, estimate in measures.items():
            if estimate is not None:
                rows.append(
                    {
                        "strategy": outcome.strategy,
                        "regime": outcome.scope,
                        "measure": name,
                        "value": estimate.mean,
                        "low": estimate.interval.low,
                        "high": estimate.interval.high,
                        "p_value": estimate.p_value,
                        "days": outcome.n_days,
                        "overfitting": overfitted.probability if overfitted else None,
                    }
                )
    return rows


def _metrics(record: SweepRecord) -> dict[str, dict[str, float | None]]:
    """Sharpe ratios on all days, and what searching by regime added, by strategy."""
    found: dict[str, dict[str, float | None]] = {}
    for outcome in record.outcomes:
        if outcome.scope == ALL:
            measures: dict[str, Estimate | None] = {f"{policy}_sharpe": outcome.sharpe[policy] for policy in POLICIES}
            measures |= {"over_unconditional": outcome.over_unconditional, "over_default": outcome.over_default}
            row = found.setdefault(outcome.strategy, {})
            for name, one in measures.items():
                if one is not None:
                    row |= {name: one.mean, f"{name}_low": one.interval.low, f"{name}_high": one.interval.high}
    return found
