"""One true history of a share, and how each vendor would write it down. Tests and benchmarks share it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from quantray.data.calendar import trading_days

__all__ = ["WRITERS", "History", "Writer", "random_history"]

RATIOS = (1.1, 1.25, 4 / 3, 1.5, 2.0, 3.0, 4.0, 7.0, 10.0, 20.0, 0.5, 0.2, 0.1, 0.05)
"""Shares for one, from 11:10 to 20:1, and the other way from 1:2 to 1:20."""


@dataclass(frozen=True, eq=False)
class History:
    """What happened to a share, as it was traded."""

    symbol: str
    days: pd.DatetimeIndex
    gross: np.ndarray
    """Total return of each day as a ratio; 1 on the first."""
    close: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    volume: np.ndarray
    split: np.ndarray
    dividend: np.ndarray
    """Cash per share, special ones included."""
    spin_off: np.ndarray
    """Value per share of what was spun off."""
    delisting: float | None
    """What holders got after the last bar, as a return on its close."""

    def adjusted(self, *, dividends: bool, spin_offs: bool = True) -> np.ndarray:
        """Factor by which a traded price is multiplied to account for what came after it."""
        factor = self.split * (1 + (self.spin_off / self.close if spin_offs else 0.0))
        factor = factor * (1 + (self.dividend / self.close / (1 + self.spin_off / self.close) if dividends else 0.0))
        if dividends and spin_offs:
            factor = self.split * (1 + (self.dividend + self.spin_off) / self.close)
        after = np.append(np.cumprod(factor[::-1])[::-1][1:], 1.0)
        return 1 / after


def random_history(seed: int, *, symbol: str = "AA", events: bool = True) -> History:
    """A history of one to five years: up to three splits, dividends, a spin-off, a listing and a delisting."""
    rng = np.random.default_rng(seed)
    every = pd.DatetimeIndex(trading_days("2012-01-03", "2017-12-29"))
    start = int(rng.integers(0, 200))
    days = every[start : start + int(rng.integers(250, 1250))]
    n = len(days)
    volatility = rng.uniform(0.008, 0.03)
    move = volatility * rng.standard_t(4, n) / np.sqrt(2)
    gross = np.exp(np.append(0.0, move[1:] + 2e-4))
    split, paid, spun = np.ones(n), np.zeros(n), np.zeros(n)
    if events:
        for day in rng.choice(np.arange(5, n - 5), int(rng.integers(0, 4)), replace=False):
            split[day] = rng.choice(RATIOS)
        if rng.random() < 0.7:
            paid[int(rng.integers(5, 60)) : n : 63] = rng.uniform(0.002, 0.012)
        if rng.random() < 0.2:
            paid[int(rng.integers(5, n))] += rng.uniform(0.03, 0.12)
        if rng.random() < 0.2:
            day = int(rng.integers(5, n))
            # Vendors multiply what takes place on one day in ways of their own.
            spun[day], paid[day] = rng.uniform(0.03, 0.3), 0.0
    growth = gross / split / (1 + paid + spun)
    close = rng.uniform(20, 150) * np.cumprod(np.append(1.0, growth[1:]))
    share = rng.uniform(0.2, 0.7)
    overnight = np.append(close[0], close[:-1] / (split * (1 + paid + spun))[1:] * gross[1:] ** share)
    reach = np.exp(np.abs(rng.normal(0, volatility / 2, (2, n))))
    high, low = np.maximum(close, overnight) * reach[0], np.minimum(close, overnight) / reach[1]
    shares = np.round(1e6 * np.exp(rng.normal(0, 0.3, n)) * np.cumprod(split)) + 1
    left = float(rng.uniform(-1, 0.2)) if rng.random() < 0.3 else None
    return History(symbol, days, gross, close, overnight, high, low, shares, split, paid * close, spun * close, left)


@dataclass(frozen=True)
class Writer:
    """How one vendor writes histories."""

    name: str
    write: Callable[[Path, list[History]], Path]
    """Writes into a folder; gives the file or folder to import."""
    tells: str = "all"
    """What the file tells of events: ``all``, ``splits`` where dividends are lost, ``nothing`` where splits are too."""
    several: bool = False
    """Whether one file holds several symbols."""


def _prices(h: History, factor: np.ndarray | float) -> dict[str, np.ndarray]:
    return {name: getattr(h, name) * factor for name in ("open", "high", "low", "close")}


def _named(values: dict[str, np.ndarray], names: dict[str, str]) -> dict[str, np.ndarray]:
    return {names.get(name, name): value for name, value in values.items()}


_TITLE = {"open": "Open", "high": "High", "low": "Low", "close": "Close"}


def _shares(h: History) -> np.ndarray:
    """Volumes in shares of today."""
    after = np.append(np.cumprod(h.split[::-1])[::-1][1:], 1.0)
    return h.volume * after


def _save(folder: Path, h: History, columns: dict[str, object], name: str | None = None, **options: object) -> Path:
    path = folder / (name or f"{h.symbol}.csv")
    pd.DataFrame(columns).to_csv(path, index=False, float_format="%.10g", **options)  # type: ignore[call-overload]
    return path


def _yahoo_events(h: History) -> dict[str, np.ndarray]:
    """Yahoo counts a spin-off as a split, and gives dividends per share of today."""
    ratio = h.split * (1 + h.spin_off / h.close)
    after = np.append(np.cumprod(ratio[::-1])[::-1][1:], 1.0)
    # A dividend on the day of a spin-off is paid on the share after it.
    return {"Dividends": h.dividend / after, "Stock Splits": np.where(ratio == 1, 0.0, ratio)}


def _yahoo_adjusted(h: History) -> np.ndarray:
    ratio = h.split * (1 + h.spin_off / h.close)
    factor = ratio * (1 + h.dividend / h.close)
    return h.close / np.append(np.cumprod(factor[::-1])[::-1][1:], 1.0)


def _yahoo_factor(h: History) -> np.ndarray:
    return h.adjusted(dividends=False)


def yfinance(folder: Path, histories: list[History]) -> Path:
    """``Ticker.history()``: all in the prices, events beside them."""
    (h,) = histories
    days = h.days.tz_localize("America/New_York").astype(str)
    prices = _named(_prices(h, _yahoo_adjusted(h) / h.close), _TITLE)
    return _save(folder, h, {"Date": days, **prices, "Volume": _shares(h), **_yahoo_events(h)})


def yfinance_unadjusted(folder: Path, histories: list[History]) -> Path:
    """``Ticker.history(auto_adjust=False)``."""
    (h,) = histories
    prices = _named(_prices(h, _yahoo_factor(h)), _TITLE)
    columns = {**prices, "Adj Close": _yahoo_adjusted(h), "Volume": _shares(h), **_yahoo_events(h)}
    return _save(folder, h, {"Date": h.days, **columns})


def yahoo(folder: Path, histories: list[History]) -> Path:
    """Yahoo's download."""
    (h,) = histories
    prices = _named(_prices(h, _yahoo_factor(h)), _TITLE)
    return _save(folder, h, {"Date": h.days, **prices, "Adj Close": _yahoo_adjusted(h), "Volume": _shares(h)})


def yfinance_download(folder: Path, histories: list[History]) -> Path:
    """``yf.download()`` of several symbols, with two levels of columns."""
    parts = {}
    for h in histories:
        frame = pd.DataFrame(_named(_prices(h, _yahoo_adjusted(h) / h.close), _TITLE), index=h.days)
        parts[h.symbol] = frame.assign(Volume=_shares(h))
    wide = pd.concat(parts, axis=1, names=["Ticker", "Price"], sort=True).swaplevel(axis=1).sort_index(axis=1)
    wide.rename_axis("Date").to_csv(folder / "download.csv", float_format="%.10g")
    return folder / "download.csv"


def stooq(folder: Path, histories: list[History]) -> Path:
    """Stooq's database: one text for each symbol, all in the prices."""
    for h in histories:
        factor = _yahoo_adjusted(h) / h.close
        prices = {f"<{name.upper()}>": value for name, value in _prices(h, factor).items()}
        head = {"<TICKER>": f"{h.symbol}.US", "<PER>": "D", "<DATE>": h.days.strftime("%Y%m%d"), "<TIME>": "000000"}
        frame = pd.DataFrame({**head, **prices, "<VOL>": _shares(h), "<OPENINT>": 0})
        frame.to_csv(folder / f"{h.symbol.lower()}.us.txt", index=False, float_format="%.10g")
    return folder


def stooq_web(folder: Path, histories: list[History]) -> Path:
    """Stooq's download of one symbol."""
    (h,) = histories
    prices = _named(_prices(h, _yahoo_adjusted(h) / h.close), _TITLE)
    return _save(folder, h, {"Date": h.days, **prices, "Volume": _shares(h)}, f"{h.symbol.lower()}_us_d.csv")


def investing(folder: Path, histories: list[History]) -> Path:
    """investing.com: newest first, volumes in thousands, month first."""
    (h,) = histories
    prices = _named(_prices(h, _yahoo_factor(h)), {**_TITLE, "close": "Price"})
    volume = [f"{shares / 1e3:.2f}K" for shares in _shares(h)]
    frame = pd.DataFrame({"Date": h.days.strftime("%m/%d/%Y"), "Price": prices.pop("Price"), **prices, "Vol.": volume})
    frame = frame.assign(**{"Change %": "0.10%"})[::-1]
    frame.to_csv(folder / f"{h.symbol} Historical Data.csv", index=False, float_format="%.10g", quoting=1)
    return folder / f"{h.symbol} Historical Data.csv"


def kaggle(folder: Path, histories: list[History]) -> Path:
    """Kaggle's S&P 500 set: all symbols in one file."""
    parts = [
        pd.DataFrame({"date": h.days, **_prices(h, _yahoo_factor(h)), "volume": _shares(h), "Name": h.symbol})
        for h in histories
    ]
    pd.concat(parts).to_csv(folder / "all_stocks_5yr.csv", index=False, float_format="%.10g")
    return folder / "all_stocks_5yr.csv"


def tiingo(folder: Path, histories: list[History]) -> Path:
    """Tiingo: as traded, adjusted columns beside, spin-offs paid as cash."""
    (h,) = histories
    cash = h.dividend + h.spin_off
    total = h.close * h.adjusted(dividends=True)
    columns = {"date": h.days.strftime("%Y-%m-%dT00:00:00.000Z"), **_prices(h, 1.0), "volume": h.volume}
    columns |= {"adjClose": total, "adjHigh": total, "adjLow": total, "adjOpen": total, "adjVolume": _shares(h)}
    return _save(folder, h, {**columns, "divCash": cash, "splitFactor": h.split})


def alpha_vantage(folder: Path, histories: list[History]) -> Path:
    """Alpha Vantage daily: as traded and no more."""
    (h,) = histories
    return _save(folder, h, {"timestamp": h.days, **_prices(h, 1.0), "volume": h.volume})


def alpha_vantage_adjusted(folder: Path, histories: list[History]) -> Path:
    """Alpha Vantage daily adjusted."""
    (h,) = histories
    total = h.close * h.adjusted(dividends=True)
    columns = {"timestamp": h.days, **_prices(h, 1.0), "adjusted_close": total, "volume": h.volume}
    events = {"dividend_amount": h.dividend + h.spin_off, "split_coefficient": h.split}
    return _save(folder, h, {**columns, **events})


def eodhd(folder: Path, histories: list[History]) -> Path:
    """EODHD: as traded, and an adjusted close."""
    (h,) = histories
    total = h.close * h.adjusted(dividends=True)
    columns = {"Date": h.days, **_named(_prices(h, 1.0), _TITLE), "Adjusted_close": total, "Volume": h.volume}
    return _save(folder, h, columns)


def sharadar(folder: Path, histories: list[History]) -> Path:
    """Sharadar SEP: adjusted for splits, closeadj for the rest, several symbols in a file."""
    parts = []
    for h in histories:
        factor = h.adjusted(dividends=False, spin_offs=False)
        total = {"closeadj": h.close * h.adjusted(dividends=True), "closeunadj": h.close, "lastupdated": "2020-01-01"}
        head = {"ticker": h.symbol, "date": h.days}
        parts.append(pd.DataFrame({**head, **_prices(h, factor), "volume": _shares(h), **total}))
    pd.concat(parts).to_csv(folder / "SHARADAR_SEP.csv", index=False, float_format="%.10g")
    return folder / "SHARADAR_SEP.csv"


def wiki(folder: Path, histories: list[History]) -> Path:
    """Nasdaq Data Link WIKI: as traded, ex-dividend and split_ratio."""
    parts = []
    for h in histories:
        total = h.close * h.adjusted(dividends=True)
        events = {"ex-dividend": h.dividend + h.spin_off, "split_ratio": h.split, "adj_close": total}
        head = {"ticker": h.symbol, "date": h.days}
        parts.append(pd.DataFrame({**head, **_prices(h, 1.0), "volume": h.volume, **events, "adj_volume": _shares(h)}))
    pd.concat(parts).to_csv(folder / "WIKI_PRICES.csv", index=False, float_format="%.10g")
    return folder / "WIKI_PRICES.csv"


def polygon(folder: Path, histories: list[History]) -> Path:
    """Polygon's flat file: nanoseconds of New York midnights, as traded."""
    parts = []
    for h in histories:
        stamps = h.days.tz_localize("America/New_York").tz_convert("UTC").as_unit("ns").asi8
        columns = {
            "ticker": h.symbol,
            "volume": h.volume,
            "open": h.open,
            "close": h.close,
            "high": h.high,
            "low": h.low,
        }
        parts.append(pd.DataFrame({**columns, "window_start": stamps, "transactions": 10}))
    pd.concat(parts).to_csv(folder / "day_aggs.csv.gz", index=False, float_format="%.10g")
    return folder / "day_aggs.csv.gz"


def crsp(folder: Path, histories: list[History]) -> Path:
    """CRSP's daily file: negative prices for midpoints, letters in RET, DLRET on the last day."""
    parts = []
    for number, h in enumerate(histories):
        after = np.append(np.cumprod((h.split * (1 + h.spin_off / h.close))[::-1])[::-1][1:], 1.0)
        ret = [f"{value - 1:.8f}" for value in h.gross]
        ret[0] = "C"
        left = ["" if h.delisting is None or day != h.days[-1] else f"{h.delisting:.6f}" for day in h.days]
        sign = np.where(np.arange(len(h.days)) % 37 == 5, -1, 1)
        head = {"PERMNO": 10001 + number, "date": h.days.strftime("%Y%m%d"), "TICKER": h.symbol}
        prices = {"PRC": h.close * sign, "VOL": h.volume, "OPENPRC": h.open, "ASKHI": h.high, "BIDLO": h.low}
        parts.append(pd.DataFrame({**head, **prices, "RET": ret, "CFACPR": after, "DLRET": left}))
    pd.concat(parts).to_csv(folder / "crsp.csv", index=False, float_format="%.10g")
    return folder / "crsp.csv"


def norgate(folder: Path, histories: list[History]) -> Path:
    """Norgate: adjusted for splits and spin-offs, Dividend beside."""
    (h,) = histories
    factor = _yahoo_factor(h)
    prices = _named(_prices(h, factor), _TITLE)
    extra = {"Turnover": h.close * h.volume, "Unadjusted Close": h.close, "Dividend": h.dividend * factor}
    return _save(folder, h, {"Date": h.days.strftime("%Y%m%d"), **prices, "Volume": _shares(h), **extra})


def bloomberg(folder: Path, histories: list[History]) -> Path:
    """A Bloomberg sheet: securities in merged cells over the names of fields."""
    days = histories[0].days
    for h in histories[1:]:
        days = days.union(h.days)
    rows = [["Dates"], [""]]
    columns = []
    for h in histories:
        rows[0] += [f"{h.symbol} US Equity", ""]
        rows[1] += ["PX_LAST", "PX_VOLUME"]
        for values in (h.close * _yahoo_factor(h), _shares(h)):
            columns.append(pd.Series(values, index=h.days).reindex(days))
    lines = [",".join(row) for row in rows]
    for i, day in enumerate(days):
        cells = ["#N/A N/A" if np.isnan(column.iloc[i]) else f"{column.iloc[i]:.10g}" for column in columns]
        lines.append(",".join([f"{day:%m/%d/%Y}", *cells]))
    (folder / "sheet.csv").write_text("\n".join(lines))
    return folder / "sheet.csv"


def lseg(folder: Path, histories: list[History]) -> Path:
    """LSEG Workspace: newest first, written months, lines before the header."""
    (h,) = histories
    prices = _prices(h, _yahoo_factor(h))
    columns = {"Exchange Date": h.days.strftime("%d-%b-%Y"), "Close": prices["close"], "Net": 0.1, "%Chg": "0.10%"}
    columns |= {"Open": prices["open"], "Low": prices["low"], "High": prices["high"]}
    frame = pd.DataFrame({**columns, "Volume": [f"{shares:,.0f}" for shares in _shares(h)]})[::-1]
    path = folder / f"{h.symbol}.csv"
    path.write_text("History\n\n" + frame.to_csv(index=False, float_format="%.10g"))
    return path


def nasdaq(folder: Path, histories: list[History]) -> Path:
    """nasdaq.com: dollar signs, month first, newest first."""
    (h,) = histories
    dollars = {k: [f"${v:.10g}" for v in values] for k, values in _prices(h, _yahoo_factor(h)).items()}
    columns = {
        "Date": h.days.strftime("%m/%d/%Y"),
        "Close/Last": dollars["close"],
        "Volume": _shares(h).astype(np.int64),
    }
    frame = pd.DataFrame({**columns, "Open": dollars["open"], "High": dollars["high"], "Low": dollars["low"]})[::-1]
    frame.to_csv(folder / f"{h.symbol}.csv", index=False)
    return folder / f"{h.symbol}.csv"


def _plain(folder: Path, histories: list[History], adjust: Callable[[History], np.ndarray]) -> Path:
    parts = []
    for h in histories:
        factor = adjust(h)
        ratio = h.split * (1 + h.spin_off / h.close)
        scale = 1.0 if np.all(factor == 1) else _yahoo_factor(h)
        events = {"dividend": h.dividend * scale, "split": ratio}
        parts.append(pd.DataFrame({"date": h.days, "symbol": h.symbol, **_prices(h, factor), **events}))
    pd.concat(parts).to_csv(folder / "bars.csv", index=False, float_format="%.10g")
    return folder / "bars.csv"


def plain_traded(folder: Path, histories: list[History]) -> Path:
    """A colleague's file: as traded, events beside."""
    return _plain(folder, histories, lambda h: np.ones(len(h.days)))


def plain_split_adjusted(folder: Path, histories: list[History]) -> Path:
    """A colleague's file: splits in the prices, and listed too."""
    return _plain(folder, histories, _yahoo_factor)


def plain_fully_adjusted(folder: Path, histories: list[History]) -> Path:
    """A colleague's file whose prices contain what it lists, without a word about it."""
    return _plain(folder, histories, lambda h: _yahoo_adjusted(h) / h.close)


def yfinance_mislabelled(folder: Path, histories: list[History]) -> Path:
    """The header of yfinance's history over prices that contain splits only: its Adj Close was left out."""
    (h,) = histories
    prices = _named(_prices(h, _yahoo_factor(h)), _TITLE)
    return _save(folder, h, {"Date": h.days, **prices, "Volume": _shares(h), **_yahoo_events(h)})


def wide(folder: Path, histories: list[History]) -> Path:
    """Closes with everything in them, dates by symbols, without a name for the dates."""
    frame = pd.concat({h.symbol: pd.Series(_yahoo_adjusted(h), index=h.days) for h in histories}, axis=1, sort=True)
    frame.to_csv(folder / "prices.csv", float_format="%.10g")
    return folder / "prices.csv"


WRITERS = (
    Writer("yfinance", yfinance),
    Writer("yfinance-unadjusted", yfinance_unadjusted),
    Writer("yahoo", yahoo),
    Writer("yfinance-download", yfinance_download, several=True),
    Writer("stooq", stooq, several=True),
    Writer("stooq-web", stooq_web),
    Writer("investing.com-named", investing, "splits"),
    Writer("kaggle-sp500", kaggle, "splits", several=True),
    Writer("tiingo", tiingo),
    Writer("alpha-vantage", alpha_vantage, "nothing"),
    Writer("alpha-vantage-adjusted", alpha_vantage_adjusted),
    Writer("eodhd", eodhd),
    Writer("sharadar-sep", sharadar, several=True),
    Writer("nasdaq-wiki", wiki, several=True),
    Writer("polygon", polygon, "nothing", several=True),
    Writer("crsp", crsp, several=True),
    Writer("norgate", norgate),
    Writer("bloomberg", bloomberg, "splits", several=True),
    Writer("lseg", lseg, "splits"),
    Writer("nasdaq.com", nasdaq, "splits"),
    Writer("plain: as traded", plain_traded, several=True),
    Writer("plain: splits inside", plain_split_adjusted, several=True),
    Writer("plain: all inside", plain_fully_adjusted, several=True),
    Writer("yfinance: dividends outside", yfinance_mislabelled),
    Writer("plain: wide", wide, several=True),
)
