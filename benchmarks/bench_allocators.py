"""All allocators in one walk-forward on real prices: what they return and risk after costs.

Runs ``workflows/configs/allocators.yaml`` on the 1,000 most traded US stocks (2010-2017) and on S&P 500 members
(1999-2021), both of survivors only. It fails when minimum variance or HRP is less than 10 % calmer than equal weight.

Usage: python benchmarks/bench_allocators.py [--data FOLDER]
"""

import argparse
import sys
import tempfile
from pathlib import Path

from _record import describe, machine, table, versions, write_line

from quantray.data.store import MarketStore
from quantray.distributed.cluster import connect
from quantray.settings import read_settings
from quantray.studies.portfolios.findings import summary
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

ROOT = Path(__file__).resolve().parents[1]
CALMER = 0.10
STUDIES = {
    "1,000 US stocks": ("us_equities_2010_2017.parquet", "us_equities_sectors.csv", ()),
    "S&P 500 members": ("sp500_1999_2021.parquet", "sp500_sectors.csv", ("data.universe={}",)),
}
SHOWN = (
    "annual_return",
    "annual_volatility",
    "sharpe",
    "sharpe_error",
    "max_drawdown",
    "annual_turnover",
    "annual_cost",
)


def study(folder: Path, prices: Path, sectors: Path, changes: tuple[str, ...]) -> dict[str, object]:
    """Metrics of every allocator, with the span, the digest and the seconds."""
    store = MarketStore(folder / "market" / prices.stem)
    store.import_bars(prices)
    places = (f"data.store={store.uri}", f"runs={folder / 'runs'}", f"data.sectors={sectors}")
    config = ROOT / "workflows" / "configs" / "allocators.yaml"
    settings = read_settings(PortfolioSettings, config, [*places, "data.only_with_sector=true", *changes])
    source = load_portfolios(settings)
    with connect(settings.cluster, shared_bytes=source.panel.field("close").nbytes) as executor:
        result = run_portfolios(source, executor)
    benchmark = next(record for record in result.records if record.name == settings.benchmark)
    metrics = {record.name: summary(record, benchmark, 0.0) for record in result.records}
    return {
        "first": str(benchmark.dates[0]),
        "last": str(benchmark.dates[-1]),
        "digest": result.digest,
        "seconds": round(result.seconds, 1),
        "metrics": {name: {key: round(values[key], 5) for key in SHOWN} for name, values in metrics.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    data = parser.parse_args().data
    if not data.is_dir():
        print(f"no real prices at {data}; nothing to measure")
        return 0
    about, found = machine(), {}
    print(describe(about))
    with tempfile.TemporaryDirectory() as folder:
        for name, (prices, sectors, changes) in STUDIES.items():
            found[name] = study(Path(folder), data / prices, data / sectors, changes)
            print(f"\n{name}, {found[name]['first']} to {found[name]['last']}, {found[name]['seconds']} s")
            rows = [[k, *(f"{v[key]:.3f}" for key in SHOWN)] for k, v in found[name]["metrics"].items()]
            print(table(["portfolio", *SHOWN], rows))
    passed = True
    for content in found.values():
        risk = {name: values["annual_volatility"] for name, values in content["metrics"].items()}
        passed &= max(risk["HRP"], risk["Min variance"]) <= (1 - CALMER) * risk["Equal weight"]
    write_line(
        "bench_allocators",
        {"machine": about, "versions": versions("numpy", "scipy", "scikit-learn"), "studies": found, "passed": passed},
    )
    print("at least 10 % calmer than equal weight: " + ("reached" if passed else "MISSED"))
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
