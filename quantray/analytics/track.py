"""The track record: what a portfolio held, traded, paid and earned, day by day."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from quantray.arrays import TRADING_DAYS, WEEKS, Dates, Float, Names, digest
from quantray.errors import DataError, first_line, reason
from quantray.storage.files import read_file, write_atomically
from quantray.storage.seals import from_parquet, to_parquet

__all__ = ["Delistings", "TrackRecord"]


@dataclass(frozen=True)
class Delistings:
    """Holdings that ended because their asset stopped trading, by what was booked on them."""

    recorded: int = 0
    """The delisting return that the data hold."""
    assumed: int = 0
    """``Accounting.delisting_return``, for want of one."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.recorded + self.assumed

    def plus(self, *, recorded: int, assumed: int) -> "Delistings":
        """These and some more."""
        return Delistings(self.recorded + recorded, self.assumed + assumed)


@dataclass(frozen=True, eq=False)
class TrackRecord:
    """A portfolio's accounts. A day's change of ``nav`` is its ``pnl + dividends + interest - cost_series``.

    T days of accounts, D days of trades, H days of holdings: every day as a backtest returns it, days of trades as read
    back.
    """

    name: str
    dates: Dates
    """(T,) trading days; the first is the day of the first decision (without a lag, the one before): no trade yet."""
    nav: Float
    """(T,) money at the close, after trades and costs."""
    cash: Float
    """(T,) money; negative where borrowed."""
    pnl: Float
    """(T,) money earned by prices; with reinvested dividends, by total returns."""
    dividends: Float
    """(T,) money paid out by holdings."""
    interest: Float
    """(T,) money earned on cash."""
    unfilled: Float
    """(T,) fraction of NAV that should have been traded but had no price that day."""
    assets: Names
    """(N,)."""
    holding_dates: Dates
    """(H,)."""
    weights: Float
    """(H, N) fractions of NAV at the close, after trades."""
    trade_dates: Dates
    """(D,) days on which anything was traded."""
    trades: Float
    """(D, N) money bought; sales negative."""
    costs: Float
    """(D, N) money paid for trading, not negative."""
    periods_per_year: int = TRADING_DAYS
    """Days of accounts in a year, from the calendar of the panel."""
    delistings: Delistings = Delistings()

    @property
    def returns(self) -> Float:
        """(T - 1,) simple daily returns after costs."""
        return np.asarray(self.nav[1:] / self.nav[:-1] - 1)

    @property
    def years(self) -> float:
        """Length of the accounts, at least one day."""
        return max((len(self.dates) - 1) / self.periods_per_year, 1 / self.periods_per_year)

    @property
    def is_weekly(self) -> bool:
        """Whether a row is a week, so that what is called daily of it is weekly."""
        return self.periods_per_year == WEEKS

    @property
    def cost_series(self) -> Float:
        """(T,) money paid for trading on each day."""
        return self._daily(self.costs.sum(axis=1))

    @property
    def turnover(self) -> Float:
        """(T,) half the money traded over the day's NAV before costs: buying the whole portfolio once counts 0.5."""
        return self._daily(np.abs(self.trades).sum(axis=1)) / (2 * (self.nav + self.cost_series))

    @property
    def turnover_by_asset(self) -> Float:
        """(N,) yearly half-sum of money traded in each asset over the mean NAV."""
        return np.asarray(np.abs(self.trades).sum(axis=0) / (2 * self.nav.mean() * self.years))

    def on_trade_dates(self) -> "TrackRecord":
        """The same accounts with holdings on the days of trades only, which is what is kept on disk."""
        traded = np.searchsorted(self.holding_dates, self.trade_dates)
        return replace(self, holding_dates=self.trade_dates, weights=self.weights[traded])

    def digest(self) -> str:
        """Hash of the accounts and the holdings on trade dates; equal numbers give equal digests."""
        kept = self.on_trade_dates()
        parts = [getattr(kept, f.name) for f in fields(kept) if f.name not in _APART]
        return digest([*parts, "\n".join(self.assets.tolist())])

    def tables(self) -> dict[str, pa.Table]:
        """``accounts`` and ``holdings`` (trade dates, one row per asset held or traded), which ``write`` keeps."""
        series = {name: getattr(self, name) for name in _SERIES}
        accounts = pa.table({"date": pa.array(self.dates), **series})
        of = {"record": self.digest()}
        terms = of | {"periods_per_year": self.periods_per_year, "delistings": asdict(self.delistings)}
        kept = self.on_trade_dates()
        row, column = np.nonzero((kept.weights != 0) | (kept.trades != 0))
        held = {name: getattr(kept, name)[row, column] for name in ("weights", "trades", "costs")}
        symbols = pa.array(kept.assets[column].tolist(), pa.string())
        holdings = pa.table({"date": pa.array(kept.holding_dates[row]), "symbol": symbols, **held})
        return {
            "accounts": accounts.replace_schema_metadata({"quantray": json.dumps(terms)}),
            "holdings": holdings.replace_schema_metadata({"quantray": json.dumps(of)}),
        }

    def write(self, folder: Path) -> None:
        """Keep the record in a folder, as ``read`` reads it back: sealed Parquet files.

        Raises
        ------
        DataError
            The folder cannot be written.
        """
        for name, table in self.tables().items():
            write_atomically(folder / f"{name}.parquet", to_parquet(table, name))

    @classmethod
    def read(cls, folder: Path) -> "TrackRecord":
        """A record from a folder with its tables; its name is the folder's.

        Raises
        ------
        DataError
            The folder holds none, a file of it is damaged, or its two files are of different records.
        """
        try:
            return cls._of(folder.name, _read(folder, "accounts"), _read(folder, "holdings"))
        except (LookupError, ValueError, TypeError, AttributeError, pa.ArrowException) as error:
            raise DataError(f"{folder} holds no track record: {first_line(error)}") from error

    @classmethod
    def _of(cls, name: str, accounts: pa.Table, held: pa.Table) -> "TrackRecord":
        terms, of = (json.loads(table.schema.metadata[b"quantray"]) for table in (accounts, held))
        if terms["record"] != of["record"]:
            raise ValueError("accounts.parquet and holdings.parquet are of different records; put back a copy of both")
        days, row = np.unique(held["date"].to_numpy().astype("datetime64[D]"), return_inverse=True)
        assets, column = np.unique(np.array(held["symbol"].to_pylist(), dtype=np.str_), return_inverse=True)
        grids = {}
        for part in ("weights", "trades", "costs"):
            grids[part] = np.zeros((len(days), len(assets)))
            grids[part][row, column] = held[part].to_numpy()
        series = {part: accounts[part].to_numpy() for part in _SERIES}
        dates = accounts["date"].to_numpy().astype("datetime64[D]")
        return cls(
            name=name,
            dates=dates,
            assets=assets,
            holding_dates=days,
            trade_dates=days,
            periods_per_year=int(terms["periods_per_year"]),
            delistings=Delistings(**terms["delistings"]),
            **series,
            **grids,
        )

    def _daily(self, values: Float) -> Float:
        out = np.zeros(len(self.dates))
        out[np.searchsorted(self.dates, self.trade_dates)] = values
        return out


_SERIES = ("nav", "cash", "pnl", "dividends", "interest", "unfilled")
_APART = ("name", "assets", "trade_dates", "periods_per_year", "delistings")
"""How the accounts are read rather than what is in them."""


def _read(folder: Path, name: str) -> pa.Table:
    path = folder / f"{name}.parquet"
    try:
        return from_parquet(read_file(path), name)
    except OSError as error:
        raise DataError(f"{folder} holds no track record: {path.name}: {reason(error)}") from error
    except DataError as error:
        raise DataError(f"{path} {error}; put back a copy, or run the study again.") from error
