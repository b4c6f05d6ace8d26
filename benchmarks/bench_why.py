"""Why a portfolio of S&P 500 members earned what it earned, 2001 to 2021: by sector, factor, regime, month and cost.

Usage: OMP_NUM_THREADS=1 python benchmarks/bench_why.py [--data ../shared/data]

Hierarchical risk parity of all members with two years of prices, monthly, 5 bp of the money traded, against equal
weights of the same names and, until 2018, against the price index, which has no dividends. Members are those of April
2021: survivors, so returns are biased upward and only differences between portfolios of the same names mean something.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from _record import describe, machine, seconds, table, versions, write_line
from _sp500 import DATA, Prices, read

from quantray.analytics.against import market_model
from quantray.analytics.attribution.attribute import Attribution, Explanation, attribute, attribute_returns
from quantray.analytics.attribution.linking import compounded
from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.covariance.estimators import ledoit_wolf_covariance
from quantray.covariance.factor import fundamental_factors
from quantray.data.panel import Panel
from quantray.features.returns import simple_returns
from quantray.portfolio.hrp import hrp_weights
from quantray.regimes.indicators import volatility_lens

LOOKBACK = 504
MODEL_DAYS = 760


def records(panel: Panel) -> tuple[TrackRecord, TrackRecord]:
    """HRP and equal weights of the same names."""
    close = panel.field("close")
    months = panel.dates.astype("datetime64[M]")
    ends = np.flatnonzero(months[:-1] != months[1:])
    ends = ends[ends >= LOOKBACK]
    chosen, equal = np.zeros((2, len(ends), len(panel.assets)))
    for k, row in enumerate(ends.tolist()):
        returns = simple_returns(close[row - LOOKBACK : row + 1])[1:]
        known = np.isfinite(returns).all(axis=0)
        chosen[k, known] = hrp_weights(ledoit_wolf_covariance(returns[:, known]).matrix)
        equal[k, known] = 1 / known.sum()
    days = panel.dates[ends]
    made = (("HRP", chosen), ("Equal weight", equal))
    first, second = (
        backtest(panel, Decisions(days, panel.assets, w), costs=LinearCosts(5, 0), name=name) for name, w in made
    )
    return first, second


def models(panel: Panel, prices: Prices, record: TrackRecord) -> list[tuple[np.datetime64, object]]:
    """A factor model for each year, from the days before it."""
    years = record.dates.astype("datetime64[Y]")
    starts = [0, *(np.flatnonzero(years[1:] != years[:-1])).tolist()]
    found = []
    for day in record.dates[list(dict.fromkeys(starts))]:
        row = panel.row(day)
        past = slice(max(0, row + 1 - MODEL_DAYS), row + 1)
        close, volume = panel.field("close")[past], panel.field("volume")[past]
        found.append((day, fundamental_factors(close, volume, sectors=prices.sectors.tolist())))
    return found


def index_returns(folder: Path, dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Days of the price index among some dates, and its returns on them."""
    frame = pd.read_parquet(folder / "markets.parquet")
    index = frame[frame.series == "sp500 close"].set_index("date").value
    index.index = pd.DatetimeIndex(index.index)
    wide = index.reindex(pd.DatetimeIndex(dates))
    last = int(np.flatnonzero(wide.notna())[-1])
    return dates[1 : last + 1], wide.iloc[: last + 1].pct_change(fill_method=None).to_numpy()[1:]


def shown(found: Attribution, title: str, most: int = 30) -> list[list[str]]:
    parts = sorted(found.dimensions[title].by_row().items(), key=lambda item: -abs(item[1]))
    return [[f"{title}: {row}", f"{value:+.1%}"] for row, value in parts[:most]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    folder, about = parser.parse_args().data, machine()
    print(describe(about))
    prices = read(folder)
    panel = Panel(prices.dates, prices.names, {"close": prices.close, "volume": prices.volume}, ~np.isnan(prices.close))
    own, equal = records(panel)
    given = Explanation(
        panel=panel,
        benchmark=equal,
        sectors={n: s for n, s in zip(prices.names.tolist(), prices.sectors.tolist(), strict=True) if s},
        models=models(panel, prices, own),
        regimes=volatility_lens(panel).path,
    )
    kept: list[Attribution] = []
    took = seconds(lambda: kept.append(attribute(own, given)))
    found = kept[0]
    dates, index = index_returns(folder, own.dates)
    against = attribute_returns("HRP", dates, own.returns[: len(dates)], Explanation(benchmark=index))
    model = market_model(own.returns[: len(dates)], index)
    rows = [["HRP", f"{found.total:+.0%}"], ["Equal weight", f"{compounded(equal.returns):+.0%}"]]
    rows += [[f"Sectors: {e}", f"{v:+.1%}"] for e, v in found.dimensions["Sectors"].by_effect().items()]
    for title in (
        "Contributions",
        "Sectors",
        "Factors",
        "By regime",
        "Execution",
        "By year",
        "By week type, in hindsight",
    ):
        rows += shown(found, title)
    for label in ("2008", "2009", "2020"):
        days = own.dates[1:].astype("datetime64[Y]").astype(str) == label
        rows.append([f"{label}: HRP", f"{compounded(own.returns[days]):+.1%}"])
        rows.append([f"{label}: equal weight", f"{compounded(equal.returns[days]):+.1%}"])
    months = found.dimensions["By month"].by_row()
    rows += [[f"month {m}", f"{found.segments['By month'].segments[m].compounded:+.1%}"] for m in
             ("2008-09", "2008-10", "2008-11", "2020-02", "2020-03", "2020-04")]  # fmt: skip
    for label in ("2008", "2008-10", "2009"):
        unit = "datetime64[M]" if "-" in label else "datetime64[Y]"
        rows.append([f"{label}: index", f"{compounded(index[dates.astype(unit).astype(str) == label]):+.1%}"])
    known = found.dimensions["By regime"].by_row()
    calm = (known["low"] + known["medium"]) / found.total
    rows += [["of the return on days of low and medium volatility", f"{calm:.0%}"]]
    rows += [["index to 2018", f"{compounded(index):+.0%}"], ["HRP to 2018", f"{against.total:+.0%}"]]
    rows += [["alpha against it", f"{model.alpha:+.2%} ± {model.alpha_error:.2%}"], ["beta", f"{model.beta:.2f}"]]
    print(table(("", "return"), rows))
    print(
        f"{len(found.dimensions)} dimensions, {len(months)} months; largest gap {found.largest_gap:.0e}; {took:.2f} s"
    )
    line = {
        "machine": about,
        "versions": versions("numpy"),
        "seconds": round(took, 3),
        "largest_gap": found.largest_gap,
        "results": dict(rows),
    }
    write_line("bench_why", line)


if __name__ == "__main__":
    main()
