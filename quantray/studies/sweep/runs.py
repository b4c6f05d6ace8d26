"""The run folder of a regime sweep: settings, tables, the report, and a map learned from it."""

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from quantray import __version__
from quantray.backtest.costs import described
from quantray.data.files import write_atomically
from quantray.errors import DataError
from quantray.regimes.path import RegimePath
from quantray.research.executor import Executor
from quantray.research.market import MarketData, load_market
from quantray.research.results import ResultStore
from quantray.research.tracking import track_run
from quantray.settings import as_mapping, config_hash, to_yaml
from quantray.strategies.catalogue import CATALOGUE, option_notes
from quantray.strategies.regime_map import LENSES, learn_map, map_yaml
from quantray.studies.sweep.record import ALL, POLICIES, SweepRecord
from quantray.studies.sweep.regime_search import Regimes
from quantray.studies.sweep.report import SweepReportInput, render_sweep, verdict
from quantray.studies.sweep.settings import FIELDS, SweepSettings
from quantray.studies.sweep.study import run_sweep

__all__ = ["SweepSource", "load_sweep", "sweep", "write_sweep"]


@dataclass(frozen=True, eq=False)
class SweepSource:
    """The data of a sweep and its regimes."""

    settings: SweepSettings
    """With the store's version filled in."""
    data: MarketData
    regimes: RegimePath


def load_sweep(settings: SweepSettings) -> SweepSource:
    """The panel of a sweep and its regimes.

    Raises
    ------
    DataError, InputError
        As ``MarketStore.load``; or a regime method misses a field.
    """
    data = load_market(settings.data, settings.exchange, FIELDS)
    regimes = settings.regimes.build(data.panel, data.sectors)
    return SweepSource(settings.model_copy(update={"data": data.settings, "exchange": data.exchange}), data, regimes)


def sweep(source: SweepSource, executor: Executor) -> SweepRecord:
    """Run the sweep; what it computes is kept under ``runs/results`` by content.

    Raises
    ------
    InputError
        As ``studies.sweep.study.run_sweep``.
    """
    settings, path = source.settings, source.regimes
    return run_sweep(
        source.data.panel,
        Regimes(tuple(path.names.tolist()), path.labels),
        settings.families(),
        executor,
        ResultStore(Path(settings.runs).resolve() / "results"),
        design=settings.design(),
    )


def write_sweep(source: SweepSource, record: SweepRecord) -> Path:
    """Write settings, tables, the report and, for regimes of a lens, the learned map. Returns the folder.

    Raises
    ------
    DataError
        The folder cannot be written.
    """
    settings = source.settings
    identity = config_hash(settings, exclude={"cluster", "tracking", "runs"})
    folder = Path(settings.runs).resolve() / f"{settings.name}-{identity}"
    options = option_notes(settings.strategies, source.data.panel)
    about = _about(source, record, identity) | {"options": options}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sweep.json").unlink(missing_ok=True)
        for name, table in _tables(record).items():
            pq.write_table(table, folder / f"{name}.parquet")
    except OSError as error:
        raise DataError(f"cannot write {folder}: {error.strerror or error}; free space or set runs=.") from error
    write_atomically(folder / "settings.yaml", to_yaml(settings))
    # The ensemble knows the lenses and the catalogue; other regimes and the screen have no place in its map.
    scores = {key: score for key, score in record.scores(settings.regimes.method).items() if key[1] in CATALOGUE}
    if settings.regimes.method in LENSES and scores:
        learnt = f"# Learned from what strategies earned up to {record.dates[-1]}: it is tested on later days only.\n"
        write_atomically(folder / "regime_map.yaml", learnt + map_yaml(learn_map(scores)))
    flat = {key: str(value) for key, value in as_mapping(settings).items()}
    report = folder / "report.html"
    write_atomically(report, render_sweep(SweepReportInput(settings.name, about, flat, record, options)))
    # Written last, it says that the rest is whole and belongs together.
    write_atomically(folder / "sweep.json", json.dumps(about, indent=2))
    if settings.tracking.mlflow:
        track_run(
            experiment=settings.tracking.experiment,
            name=settings.name,
            key=f"{identity}-{record.digest}",
            settings=as_mapping(settings),
            metrics=_metrics(record),
            artifacts=(report, folder / "settings.yaml"),
            uri=settings.tracking.uri,
            folder=Path(settings.runs),
        )
    return folder


def _about(source: SweepSource, record: SweepRecord, identity: str) -> dict[str, object]:
    """Facts of the run."""
    settings, panel = source.settings, source.data.panel
    return {
        "name": settings.name,
        "config_hash": identity,
        "digest": record.digest,
        "data": source.data.description,
        "delistings": source.data.delistings,
        "regimes": _described(source),
        "costs_bps": settings.costs_bps,
        "costs": described(panel.fields, settings.costs_bps),
        "n_assets": len(panel.assets),
        "mean_members": float(panel.member[panel.dates >= record.dates[0]].sum(axis=1).mean()),
        "first": str(record.dates[0]),
        "last": str(record.dates[-1]),
        "confidence": f"{settings.confidence:.0%}",
        "yearly_exits": source.data.yearly_exits,
        "verdict": verdict(record.outcome(record.strategies[-1])),
        "sets": record.n_sets,
        "results_computed": record.n_computed,
        "results_reused": record.n_reused,
        "seconds": round(record.seconds, 3),
        "versions": {"quantray": __version__} | {n: version(n) for n in ("numpy", "scipy", "scikit-learn", "optuna")},
    }


def _described(source: SweepSource) -> str:
    """The regimes and the shares of days that they fill."""
    shares = zip(source.regimes.names.tolist(), source.regimes.shares.tolist(), strict=True)
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


def _metrics(record: SweepRecord) -> dict[str, float]:
    """What a tracker shows: Sharpe ratios on all days."""
    found = {}
    for outcome in record.outcomes:
        if outcome.scope == ALL:
            for policy in POLICIES:
                estimate = outcome.sharpe[policy]
                if estimate is not None:
                    found[f"{outcome.strategy}.{policy}.sharpe".replace(" ", "_")] = estimate.mean
    return found
