"""Boosted trees, linear models, an LSTM and a graph network on real prices: the same features, folds and horizon.

Five-day returns of the most traded US stocks of 2010 to 2017 (survivors only), out of sample in the last folds. Fits
are kept in the folder of runs, so the same command goes on where it was interrupted.

Usage: python benchmarks/bench_forecasters.py [--data FOLDER] [--runs FOLDER] [--sizes 400 2000] [--seeds 5] [--folds 4]
"""

import argparse
import time
from pathlib import Path

from _record import describe, machine, table, versions, write_line

from quantray.analytics.bootstrap import estimated_mean
from quantray.data.store import MarketStore
from quantray.distributed.cluster import connect
from quantray.research.market import StoreData, UniverseSettings
from quantray.research.terms import ClusterSettings
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, ModelSettings, TrainingChoice
from quantray.studies.forecasts.study import ForecastStudy, load_forecasts, run_forecasts

ROOT = Path(__file__).resolve().parents[1]
TRAINING = TrainingChoice(epochs=5, patience=2)
MODELS = (
    ModelSettings(name="GAT", attention="neighbours", width=16, layers=1, training=TRAINING),
    ModelSettings(name="LSTM", attention="none", width=16, layers=1, training=TRAINING),
    ModelSettings(name="LightGBM", kind="lightgbm"),
    ModelSettings(name="Boosting", kind="hist_gradient_boosting"),
    ModelSettings(name="Elastic-net", kind="elastic_net"),
)


def settings_of(size: int, store: str, options: argparse.Namespace) -> ForecastSettings:
    data = StoreData(
        store=store,
        universe=UniverseSettings(band=(1, size), review="quarterly"),
        sectors=str(options.data / "us_equities_sectors.csv"),
        only_with_sector=True,
    )
    folds = ForecastFolds(train_days=378, valid_days=60, test_days=126, horizon=5, most=options.folds)
    return ForecastSettings(
        name=f"forecasters-{size}",
        data=data,
        models=MODELS,
        seeds=options.seeds,
        folds=folds,
        cluster=ClusterSettings(kind=options.cluster),
        runs=str(options.runs),
    )


def measured(settings: ForecastSettings) -> dict[str, object]:
    """Skill of every model with its interval, and its difference from ridge on the same days."""
    source, start = load_forecasts(settings), time.perf_counter()
    with connect(settings.cluster, shared_bytes=source.panel.field("close").nbytes) as executor:
        study = run_forecasts(source, executor)
    return {
        "first": str(study.dates[0]),
        "last": str(study.dates[-1]),
        "digest": study.digest,
        "computed": study.n_computed,
        "seconds": round(time.perf_counter() - start, 1),
        "models": skills(settings, study),
    }


def skills(settings: ForecastSettings, study: ForecastStudy) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for model in study.models:
        ic = estimated_mean(model.ic, overlap=settings.folds.horizon, resampling=settings.resampling.build())
        apart = model.differences.get("ridge")
        found[model.name] = {
            "ic": [round(v, 5) for v in (ic.mean, ic.interval.low, ic.interval.high)],
            "seeds": len(model.seed_ic),
            "from_ridge": None
            if apart is None
            else [round(v, 5) for v in (apart.mean, apart.interval.low, apart.interval.high)],
        }
    return found


def shown(content: dict[str, object]) -> str:
    def told(values: list[float] | None) -> str:
        return "" if values is None else f"{values[0]:.3f} ({values[1]:.3f} to {values[2]:.3f})"

    models = content["models"]
    rows = [[name, told(found["ic"]), told(found["from_ridge"]), str(found["seeds"])] for name, found in models.items()]
    return table(["forecaster", "information coefficient", "less ridge's", "fits"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "bench_forecasters")
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 2000])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=4)
    parser.add_argument("--cluster", choices=["serial", "local"], default="local")
    options = parser.parse_args()
    prices = options.data / "us_equities_2010_2017.parquet"
    if not prices.is_file():
        print(f"no real prices at {prices}; nothing to measure")
        return
    about, found = machine(), {}
    print(describe(about))
    market = options.runs / "market"
    store = MarketStore(market)
    if not market.exists():
        store.import_bars(prices)
    for size in options.sizes:
        found[str(size)] = measured(settings_of(size, store.uri, options))
        print(f"\n{size} names, {found[str(size)]['first']} to {found[str(size)]['last']}")
        print(shown(found[str(size)]))
    content = {"train_days": 378, "test_days": 126, "horizon": 5, "folds": options.folds, "sizes": found}
    names = ("numpy", "torch", "scikit-learn", "lightgbm")
    write_line("bench_forecasters", {"machine": about, "versions": versions(*names), **content})


if __name__ == "__main__":
    main()
