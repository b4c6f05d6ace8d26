"""The five lenses at the falls that everybody remembers, and their false alarms between them.

Usage: python benchmarks/bench_episodes.py [--data ../shared/data]

S&P 500 members of April 2021, from 2000: survivors only, so falls are milder than they were. An alarm is a market
that is not bull, high or extreme volatility, stressed liquidity, a crisis of correlation or concentrated sectors. A
fall runs from the index's peak to its trough. Detected is the number of trading days from the peak to the first
alarm, 0 where it was on already; held the share of the days from then to the trough. A false alarm begins outside all
falls and the 63 days after them. ``by trend`` is the market lens with ``market_by: trend``. No look-ahead is tried by
cutting days, and weeks made of them, after several dates. Nothing was chosen on these data.

VIX is that of markets.parquet, 2014 to January 2019: its rank correlation with the range that the volatility lens
sees and its mean in each of the lens's regimes.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line
from scipy.stats import spearmanr

from quantray.arrays import TRADING_DAYS, Bool, Dates
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.universe import Everything, read_sectors
from quantray.regimes.bars import daily_bars, resampled
from quantray.regimes.indicators import five_lenses, lenses_of, market_lens
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.path import RegimePath

FALLS = {
    "2000-02, from 2001": ("2001-02-01", "2002-10-09"),
    "2008-09": ("2007-10-09", "2009-03-09"),
    "2008-09, from Lehman": ("2008-09-12", "2009-03-09"),
    "2011": ("2011-07-22", "2011-10-03"),
    "2015-16": ("2015-08-10", "2016-02-11"),
    "2018 Q4": ("2018-10-03", "2018-12-24"),
    "2020": ("2020-02-19", "2020-03-23"),
}
ALARMS = {
    "market": ("bear", "neutral"),
    "by trend": ("bear", "neutral"),
    "volatility": ("high", "extreme"),
    "liquidity": ("stressed",),
    "correlation": ("crisis",),
    "sector": ("concentrated",),
}
AFTER = 63
CUTS = (0.3, 0.55, 0.8)
WEEKLY = LensSettings(warmup=104, every=26, memory=520)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1] / "../shared/data", help="folder")
    data = parser.parse_args().data
    about = machine()
    print(describe(about))
    panel, sectors = read(data)
    start = time.process_time()
    lenses = five_lenses(panel, sectors)
    spent = time.process_time() - start
    print(f"{panel.shape[0]} days, {panel.shape[1]} names, five lenses in {spent:.1f} s of one core")
    paths = {name: getattr(lenses, name).path for name in lenses.labels}
    paths["by trend"] = market_lens(panel, settings=LensSettings(market_by="trend")).path
    found = {name: {**detected(paths[name], words), **false(paths[name], words)} for name, words in ALARMS.items()}
    lines = []
    for name, row in found.items():
        cells = [shown(row[fall]) for fall in FALLS]
        lines.append([name, *cells, f"{row['false alarms a year']:.2f}", f"{row['days of false alarm']:.0%}"])
    print("\n" + table(["days to alarm, then held", *FALLS, "false a year", "of other days"], lines))
    vix = beside_vix(data, paths["volatility"], lenses.volatility.indicators["range"])
    print("\nVIX: " + ", ".join(f"{key} {value:.2f}" for key, value in vix.items()))
    same = {"1day": unchanged(panel, sectors), "1week": unchanged_weeks(panel)}
    print("labels that a cut changed: " + ", ".join(f"{key} {value}" for key, value in same.items()))
    content = {"found": found, "vix": vix, "changed_by_cuts": same, "cpu_seconds": round(spent, 2)}
    size = {"days": panel.shape[0], "names": panel.shape[1], "seed": None}
    print(f"\n{write_line('bench_episodes', {'machine': about, 'versions': versions('hmmlearn'), **size, **content})}")
    return 0


def read(data: Path) -> tuple[Panel, dict[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        store = MarketStore(Path(folder) / "market")
        store.import_bars(data / "sp500_1999_2021.parquet")
        panel = store.load(Everything(), "2000-01-01", "2021-12-31")
    return panel, dict(read_sectors(data / "sp500_sectors.csv"))


def detected(path: RegimePath, words: tuple[str, ...]) -> dict[str, float | tuple[float, float]]:
    alarm, found = np.isin(path.named, words), {}
    for fall, (peak, trough) in FALLS.items():
        rows = np.flatnonzero(between(path.dates, peak, trough))
        on = np.flatnonzero(alarm[rows])
        found[fall] = (float(on[0]), float(alarm[rows[on[0] :]].mean())) if len(on) else (np.nan, 0.0)
    return found


def false(path: RegimePath, words: tuple[str, ...]) -> dict[str, float]:
    alarm, quiet = np.isin(path.named, words), path.known.copy()
    for peak, trough in FALLS.values():
        inside = np.flatnonzero(between(path.dates, peak, trough))
        quiet[inside[0] : inside[-1] + 1 + AFTER] = False
    begun = alarm & ~np.append(False, alarm[:-1])
    years = quiet.sum() / TRADING_DAYS
    return {
        "false alarms a year": float((begun & quiet).sum() / years),
        "days of false alarm": float(alarm[quiet].mean()),
    }


def between(dates: Dates, start: str, end: str) -> Bool:
    return np.asarray((dates >= np.datetime64(start)) & (dates <= np.datetime64(end)))


def shown(found: tuple[float, float]) -> str:
    return "never" if np.isnan(found[0]) else f"{found[0]:.0f}, {found[1]:.0%}"


def beside_vix(data: Path, path: RegimePath, seen: np.ndarray) -> dict[str, float]:
    markets = pd.read_parquet(data / "markets.parquet")
    name = next(s for s in markets["series"].unique() if "vix" in s.lower() and "open" not in s.lower())
    own = markets[markets["series"] == name].set_index("date")["value"]
    both = pd.DataFrame({"range": seen, "label": path.named}, index=pd.to_datetime(path.dates))
    both["vix"] = own.groupby(pd.to_datetime(own.index)).last()
    both = both.dropna()
    means = {f"mean when {label}": float(part.mean()) for label, part in both.groupby("label")["vix"]}
    return {"days": len(both), "rank correlation": float(spearmanr(both["range"], both["vix"])[0]), **means}


def unchanged(panel: Panel, sectors: Mapping[str, str]) -> int:
    whole = five_lenses(panel, sectors).labels
    changed = 0
    for cut in CUTS:
        row = int(cut * len(panel.dates))
        early = five_lenses(panel.until(row), sectors).labels
        changed += sum(int((early[name] != whole[name][: row + 1]).sum()) for name in whole)
    return changed


def unchanged_weeks(panel: Panel) -> int:
    days = daily_bars(panel)
    weeks = resampled(days, "1week")
    whole = lenses_of(MarketMeasures.of_bars(weeks, "1week"), WEEKLY).labels
    changed = 0
    for cut in CUTS:
        part = resampled(daily_bars(panel.until(int(cut * len(panel.dates)))), "1week")
        early = lenses_of(MarketMeasures.of_bars(part, "1week"), WEEKLY).labels
        changed += sum(int((early[name] != whole[name][: len(part.closes)]).sum()) for name in whole)
    return changed


if __name__ == "__main__":
    sys.exit(main())
