"""Full attribution of ten years of daily holdings, and the report of it, on one core.

Usage: OMP_NUM_THREADS=1 python benchmarks/bench_attribution.py [--assets 500 2000] [--days 2520]

A portfolio and its benchmark are rebalanced monthly in a simulated market with costs. Attribution is every dimension:
sectors, yearly factor models (estimated before the clock runs), regimes, the calendar, week types, execution; the
report is measures, outlook with its coverage, page and files, written to a folder.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _record import describe, machine, seconds, table, versions, write_line

from quantray.analytics.attribution.attribute import Attribution, Explanation, attribute
from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Decisions, backtest
from quantray.covariance.factor import fundamental_factors
from quantray.data.synthetic import simulate_market
from quantray.regimes.indicators import market_lens
from quantray.studies.reports.inputs import Explained
from quantray.studies.reports.written import ReportTerms, write_files

SEED = 0
PAST = 760
"""Days behind the first factor model."""


@dataclass(frozen=True, eq=False)
class Case:
    """Two portfolios and what explains one of them."""

    record: TrackRecord
    given: Explanation


def case(n_assets: int, n_days: int) -> Case:
    """Two portfolios and what explains them."""
    market = simulate_market(n_assets, n_days + PAST, seed=SEED)
    panel, rng = market.panel, np.random.default_rng(SEED)
    days = panel.dates[PAST - 1 :: 21]
    listed = ~np.isnan(panel.field("close")[PAST - 1 :: 21])
    records = []
    for name, weights in (("Tilted", rng.random((len(days), n_assets))), ("Equal", np.ones((len(days), n_assets)))):
        invested = np.where(listed, weights, 0.0)
        decided = Decisions(days, panel.assets, invested / invested.sum(axis=1, keepdims=True))
        records.append(backtest(panel, decisions=decided, name=name))
    labels = market.truth.sectors.tolist()
    starts = range(PAST - 1, len(panel.dates), 252)
    models = []
    for row in starts:
        past = slice(max(0, row + 1 - PAST), row + 1)
        close, volume = panel.field("close")[past], panel.field("volume")[past]
        models.append((panel.dates[row], fundamental_factors(close, volume, sectors=labels)))
    sectors = dict(zip(panel.assets.tolist(), labels, strict=True))
    regimes = market_lens(panel).path
    given = Explanation(panel=panel, benchmark=records[1], sectors=sectors, models=models, regimes=regimes)
    return Case(records[0], given)


def measure(n_assets: int, n_days: int) -> dict[str, object]:
    """Seconds of the attribution and of the report, and the size of its page."""
    made = case(n_assets, n_days)
    found: list[Attribution] = []
    explaining = seconds(lambda: found.append(attribute(made.record, made.given)), repeats=3)
    whole = found[-1]
    explained = Explained(whole, whole, "Equal", 0.0, 252, "simulated market")
    with tempfile.TemporaryDirectory() as folder:
        terms = ReportTerms(reader="manager")
        writing = seconds(lambda: write_files(Path(folder), "bench", explained, terms), repeats=3)
        size = sum(path.stat().st_size for path in Path(folder).glob("*.html"))
    return {
        "assets": n_assets,
        "days": len(made.record.dates) - 1,
        "dimensions": len(whole.dimensions),
        "largest_gap": whole.largest_gap,
        "attribution_s": round(explaining, 3),
        "report_s": round(writing, 3),
        "page_bytes": size,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--days", type=int, default=2520)
    arguments = parser.parse_args()
    about = machine()
    print(describe(about))
    print(f"seed {SEED}, shortest of three, one thread with OMP_NUM_THREADS=1")
    results = [measure(n_assets, arguments.days) for n_assets in arguments.assets]
    titles = ("names x days", "dimensions", "largest gap", "attribution", "report", "page")
    rows = [
        [
            f"{each['assets']} x {each['days']}",
            str(each["dimensions"]),
            f"{each['largest_gap']:.0e}",
            f"{each['attribution_s']:.2f} s",
            f"{each['report_s']:.2f} s",
            f"{int(str(each['page_bytes'])) / 1000:.0f} KB",
        ]
        for each in results
    ]
    print(table(titles, rows))
    line = {"machine": about, "versions": versions("numpy"), "seed": SEED, "results": results}
    print(write_line("bench_attribution", line))


if __name__ == "__main__":
    main()
