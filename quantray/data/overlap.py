"""Bars that go on where stored ones end: on another basis of splits and dividends, or on the same.

A vendor that adjusts prices rewrites the past with every split, and with every dividend if it adjusts for those. So the
days that a new file shares with the store tell by a constant ratio what took place since: the new rows keep the prices
of the file, and what the ratio says is written as the event that it is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Float, Int
from quantray.errors import DataError

__all__ = ["Joined", "join"]

_PRICES = ("open", "high", "low", "close")
_AGREE = 1e-3
"""Log ratio within which a close is the stored one again."""
_ENOUGH = 3
"""Days in common from which one ratio is no accident."""
_STRANGE = 0.5
"""Share of common days with other returns from which a file holds another series."""
_WITH_SPLITS = ("splits and dividends", "splits")
_SPLIT = np.log(1.08)
"""Unlisted events beyond this are written as splits: no usual dividend is as large."""


@dataclass(frozen=True, eq=False)
class Joined:
    """New bars that fit the stored ones."""

    bars: pd.DataFrame
    rebased: tuple[str, ...]
    """What was understood of symbols whose basis differs."""
    corrected: tuple[str, ...]
    """Symbols of which the file gives some common days otherwise."""


def join(fresh: pd.DataFrame, stored: pd.DataFrame, *, source: str, refuse: bool = True) -> Joined:
    """New bars on the basis of the stored ones.

    Parameters
    ----------
    fresh : bars as ``adjustment.normalise_events`` leaves them, sorted by symbol and date; columns ``inside_split`` and
        ``inside_dividend`` hold events that their prices contain.
    stored : bars of the same symbols from before the first new day on.
    source : where the events of ``fresh`` came from; see ``Adjustment.source``.
    refuse : whether days in common with other returns are an error.

    Raises
    ------
    DataError
        The days in common tell of another series; or only an adjusted close tells events and there is no such day.
    """
    known = stored[stored["close"] > 0].drop_duplicates(["symbol", "date"], keep="last")
    last = known.groupby("symbol", observed=True)["date"].max()
    names = ["symbol", "date", *(c for c in (*_PRICES, "volume", "dividend", "split") if c in known)]
    common = fresh[["symbol", "date"]].merge(known[names], how="left", on=["symbol", "date"])
    theirs = common["close"].to_numpy(dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(fresh["close"].to_numpy(dtype=np.float64) / theirs)
    ratio = np.where(np.isfinite(ratio), ratio, np.nan)
    after = (fresh["date"] > fresh["symbol"].map(last)).to_numpy()
    if source in ("adj_close", "total_return"):
        _refuse_without_overlap(fresh, ratio, after)
    out = fresh.copy()
    kept = np.ones(len(out), dtype=np.bool_)
    told: list[str] = []
    corrected: list[str] = []
    if source != "dividend and split columns":
        _keep_stored_events(out, common, ratio)
    for rows in _unlike(fresh, ratio, after):
        mine = _Overlap.of(out, common, rows, ratio[rows], after[rows])
        if refuse and mine.strange:
            raise DataError(mine.refusal)
        if mine.changed.any():
            corrected.append(f"{mine.symbol} on {int(mine.changed.sum())} days")
        if mine.same_basis:
            continue
        told.append(mine.rebase(out, kept))
    return Joined(out[kept].reset_index(drop=True), tuple(told), tuple(corrected))


def _refuse_without_overlap(fresh: pd.DataFrame, ratio: Float, after: Bool) -> None:
    first = ~fresh["symbol"].duplicated().to_numpy()
    alone = first & after & np.isnan(ratio)
    if alone.any():
        names = fresh["symbol"][alone].tolist()
        raise DataError(
            f"an adjusted close does not say what was paid on the first new day of {len(names)} symbols, such as "
            f"{names[0]}; give a file that begins on a stored day, or one with dividend and split columns."
        )


def _keep_stored_events(out: pd.DataFrame, common: pd.DataFrame, ratio: Float) -> None:
    """Where a file lists no events, or cannot for its first day, those of the store stand."""
    same = np.abs(np.nan_to_num(ratio, nan=np.inf)) < _AGREE
    for name, none in (("dividend", 0.0), ("split", 1.0)):
        ours = out[name].to_numpy(dtype=np.float64)
        theirs = common[name].to_numpy(dtype=np.float64)
        out[name] = np.where(same & (ours == none) & ~np.isnan(theirs), theirs, ours)


def _unlike(fresh: pd.DataFrame, ratio: Float, after: Bool) -> Iterator[Int]:
    """Rows of each symbol whose closes differ from the stored ones or that has events in its prices."""
    inside = np.zeros(len(fresh), dtype=np.bool_)
    for name, none in (("inside_split", 1.0), ("inside_dividend", 0.0)):
        if name in fresh:
            inside |= fresh[name].to_numpy() != none
    with np.errstate(invalid="ignore"):
        differs = (np.abs(ratio) > 2e-5) | (inside & after)
    code, _ = pd.factorize(fresh["symbol"])
    overlapping = np.bincount(code, weights=~np.isnan(ratio)) > 0
    wanted = (np.bincount(code, weights=differs) > 0) & overlapping
    starts = np.flatnonzero(np.diff(code, prepend=-1))
    ends = np.append(starts[1:], len(code))
    for start, end in zip(starts, ends, strict=True):
        if wanted[code[start]]:
            yield np.arange(start, end)


@dataclass(frozen=True, eq=False)
class _Overlap:
    """One symbol's new rows beside its stored ones."""

    symbol: str
    rows: Int
    ratio: Float
    """(n,) log of new over stored close; NaN where there is none of either."""
    after: Bool
    """(n,) after the last stored day."""
    basis: float
    """Log ratio on the last common days."""
    tolerance: float
    changed: Bool
    """(n,) common days on which the returns differ and no event explains it."""
    common: int

    @classmethod
    def of(cls, fresh: pd.DataFrame, common: pd.DataFrame, rows: Int, ratio: Float, after: Bool) -> "_Overlap":
        price = fresh["close"].to_numpy(dtype=np.float64)[rows]
        shared = np.flatnonzero(~np.isnan(ratio))
        symbol = str(fresh["symbol"].iloc[rows[0]])
        # Prices are rounded to the cent, so ratios are no surer than that.
        tolerance = max(2e-5, 0.006 / float(np.nanmedian(price[shared])))
        step = np.zeros(len(rows))
        step[shared[1:]] = np.diff(ratio[shared])
        explained = cls._explained(fresh, common, rows, step, max(tolerance, _AGREE))
        jumps = np.flatnonzero((np.abs(step) > max(tolerance, _AGREE)) & explained)
        tail = shared[shared >= jumps[-1]] if len(jumps) else shared
        basis = float(np.median(ratio[tail]))
        level = np.full(len(rows), basis)
        for jump in jumps[::-1]:
            level[:jump] -= step[jump]
        with np.errstate(invalid="ignore"):
            changed = np.abs(ratio - level) > max(tolerance, _AGREE)
        if len(shared) < _ENOUGH and not cls._whole_bars(fresh, common, rows[shared], ratio[shared]):
            # One other close is a correction; a basis moves all prices of a bar alike.
            basis, level = 0.0, np.zeros(len(rows))
            with np.errstate(invalid="ignore"):
                changed = np.abs(ratio) > tolerance
        return cls(symbol, rows, ratio, after, basis, tolerance, changed, len(shared))

    @staticmethod
    def _whole_bars(fresh: pd.DataFrame, common: pd.DataFrame, rows: Int, ratio: Float) -> bool:
        """Whether all prices of few bars stand in one ratio to the stored ones."""
        others = [name for name in ("open", "high", "low") if name in fresh and name in common]
        if not others:
            return False
        new = fresh[others].to_numpy(dtype=np.float64)[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.log(new / common[others].to_numpy(dtype=np.float64)[rows]) - ratio[:, None]
        spread = np.log(np.nanmax(new, axis=1) / np.nanmin(new, axis=1)) if len(new) else np.zeros(0)
        return bool((spread > 1e-3).all() and (np.abs(apart) < np.maximum(1e-6, 0.05 * np.abs(ratio))[:, None]).all())

    @staticmethod
    def _explained(fresh: pd.DataFrame, common: pd.DataFrame, rows: Int, step: Float, tolerance: float) -> Bool:
        """Steps of the ratio that an event of that day makes: beside the prices of one, inside those of the other."""
        at, other = fresh.iloc[rows], common.iloc[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            theirs, ours = (
                np.log(frame["split"].to_numpy() * (1 + frame["dividend"].to_numpy() / frame["close"].to_numpy()))
                for frame in (other, at)
            )
        found = np.nan_to_num(theirs) - np.nan_to_num(ours)
        return np.asarray((np.abs(found) > tolerance) & (np.abs(step - found) < tolerance))

    @property
    def same_basis(self) -> bool:
        """Whether new and stored prices are of one kind on the last common days."""
        return abs(self.basis) <= self.tolerance

    @property
    def strange(self) -> bool:
        """Whether most common days tell of another series."""
        return self.common >= 3 and self.changed.sum() > _STRANGE * self.common

    @property
    def refusal(self) -> str:
        """What to say of another series."""
        return (
            f"{self.symbol}: {int(self.changed.sum())} of {self.common} days in common have other returns than the "
            "stored ones; give another asset another symbol, or import its whole history again."
        )

    def rebase(self, out: pd.DataFrame, kept: Bool) -> str:
        """Write the new rows so that they go on from the stored ones, in place; what was understood."""
        rows, since = self.rows, self.rows[self.after]
        split, paid = self._inside(out, since)
        total = -self.basis
        readings = {"splits": split, "dividends": paid, "splits and dividends": split + paid}
        fitting = next(
            (name for name, r in readings.items() if r.any() and abs(r.sum() - total) < max(self.tolerance, 2e-4)), None
        )
        is_split = abs(total) > _SPLIT or total < 0
        shares = total if fitting is None and is_split else split.sum() if fitting in _WITH_SPLITS else 0.0
        # Common days stand as they are stored; what was corrected, or was missing, comes in the old prices.
        kept[rows[~self.after & ~np.isnan(self.ratio) & ~self.changed]] = False
        _scale(out, rows[~self.after], np.exp(total), shares=np.exp(shares))
        text = f"{self.symbol}: {np.exp(self.basis):.6g} times the stored prices on {self.common} days in common"
        if len(since) == 0:
            return f"{text}; no new day"
        if fitting is None:
            _write(out, since[0], total if is_split else 0.0, 0.0 if is_split else total)
            what = "a split" if is_split else "dividends"
            return f"{text}; {what} since, written on {str(out['date'].iloc[since[0]])[:10]}"
        # What the file lists is taken out of its prices again and stands beside them on its day.
        apart = (
            split if fitting in _WITH_SPLITS else np.zeros(len(since)),
            paid if fitting != "splits" else np.zeros(len(since)),
        )
        for row in np.flatnonzero(readings[fitting]):
            _scale(out, since[:row], np.exp(readings[fitting][row]), shares=np.exp(apart[0][row]))
            _write(out, since[row], apart[0][row], apart[1][row])
        days = ", ".join(str(out["date"].iloc[since[row]])[:10] for row in np.flatnonzero(readings[fitting])[:3])
        return f"{text}; {fitting} since, on {days}"

    @staticmethod
    def _inside(out: pd.DataFrame, since: Int) -> tuple[Float, Float]:
        """Log ratios of splits and of dividends that the prices of new rows contain."""
        close = out["close"].to_numpy(dtype=np.float64)[since]
        split = np.log(out["inside_split"].to_numpy()[since]) if "inside_split" in out else np.zeros(len(since))
        cash = out["inside_dividend"].to_numpy()[since] if "inside_dividend" in out else np.zeros(len(since))
        return split, np.log1p(np.nan_to_num(cash / close))


def _write(out: pd.DataFrame, row: int, split: float, paid: float) -> None:
    """Add a split and a dividend, as log ratios, to those of a row, in place."""
    label = out.index[row]
    close, before, cash = (float(out[name].iloc[row]) for name in ("close", "split", "dividend"))
    out.loc[label, ["split", "dividend"]] = [before * np.exp(split), cash + np.expm1(paid) * close]


def _scale(out: pd.DataFrame, rows: Int, factor: float, *, shares: float = 1.0) -> None:
    """Multiply prices and cash of some rows, and divide their volumes by the shares that became more, in place."""
    if len(rows) == 0:
        return
    labels = out.index[rows]
    held = [name for name in (*_PRICES, "dividend") if name in out]
    out.loc[labels, held] = out.loc[labels, held].to_numpy(dtype=np.float64) * factor
    if shares != 1 and "volume" in out:
        out.loc[labels, "volume"] = out.loc[labels, "volume"].to_numpy(dtype=np.float64) / shares
