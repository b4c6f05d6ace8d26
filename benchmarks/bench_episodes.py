"""The five lenses at the falls that everybody remembers, and their false alarms between them.

Usage: python benchmarks/bench_episodes.py [--data ../shared/data]

S&P 500 members of April 2021, from 2000: survivors only, so falls are milder than they were. An alarm is a market
that is not bull, high or extreme volatility, stressed liquidity, a crisis of correlation or concentrated sectors. A
fall runs from the index's peak to its trough. Detected is the number of trading days from the peak to the first
alarm, 0 where it was on already; held the share of the days from then to the trough. A false alarm begins outside all
falls and the 63 days after them. ``by trend`` is the market lens with ``market_by: trend``; ``market, wary`` the filter
to which missing a market that is not bull costs three times a false alarm. No look-ahead is tried by cutting days, and
weeks made of them, after several dates. Nothing was chosen on these data.

VIX is that of markets.parquet, 2014 to January 2019: its rank correlation with the range that the volatility lens
sees, its mean in each of the lens's regimes, and how often days of high or extreme volatility are those of a VIX
above 20.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, table, versions, write_line
from scipy.stats import spearmanr

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.universe import Everything, read_sectors
from quantray.regimes.bars import daily_bars, resampled
from quantray.regimes.episodes import KNOWN_EPISODES, Episode, detection, false_alarms
from quantray.regimes.indicators import five_lenses, lenses_of, market_lens
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.path import RegimePath

FALLS = tuple(
    Episode(name=name, peak=date.fromisoformat(peak), trough=date.fromisoformat(trough))
    for name, peak, trough in (
        # The lenses know nothing of 2000 here.
        ("2000-02, from 2001", "2001-02-01", "2002-10-09"),
        ("2008-09, from Lehman", "2008-09-12", "2009-03-09"),
    )
)
FALLS += tuple(each for each in KNOWN_EPISODES if each.peak.year in (2007, 2011, 2015, 2018, 2020))
WARY = (3.0, 3.0, 1.0)
HIGH_VIX = 20.0
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
    paths["market, wary"] = market_lens(panel, settings=LensSettings(market_costs=WARY)).path
    found = {name: {**detected(path), **false(path)} for name, path in paths.items()}
    lines = []
    for name, row in found.items():
        cells = [shown(row[fall.name]) for fall in FALLS]
        lines.append([name, *cells, f"{row['false alarms a year']:.2f}", f"{row['days of false alarm']:.0%}"])
    columns = ["days to alarm, then held", *(fall.name for fall in FALLS), "false a year", "of other days"]
    print("\n" + table(columns, lines))
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


def detected(path: RegimePath) -> dict[str, float | tuple[float, float]]:
    found = {fall.name: detection(path, fall) for fall in FALLS}
    days = {name: one.days if one and one.days is not None else np.nan for name, one in found.items()}
    return {name: (float(days[name]), one.held if one else 0.0) for name, one in found.items()}


def false(path: RegimePath) -> dict[str, float]:
    found = false_alarms(path, FALLS)
    return {"false alarms a year": found.a_year, "days of false alarm": found.share}


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
    high, wild = both["vix"] > HIGH_VIX, both["label"].isin(["high", "extreme"])
    same = {"above 20": high.mean(), "high or extreme": wild.mean(), "agree": (high == wild).mean()}
    same |= {"above 20 when high or extreme": high[wild].mean(), "high or extreme when above 20": wild[high].mean()}
    rank = float(spearmanr(both["range"], both["vix"])[0])
    return {"days": len(both), "rank correlation": rank, **means, **{key: float(each) for key, each in same.items()}}


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
