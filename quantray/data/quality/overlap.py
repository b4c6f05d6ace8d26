"""Bars that go on where stored ones end: on another basis of splits and dividends, or on the same.

A vendor that adjusts prices rewrites the past with every split, and with every dividend if it adjusts for those. So the
days that a new file shares with the store tell by a constant ratio what took place since: the new rows keep the prices
of the file, and what the ratio says is written as the event that it is.
"""

from collections.abc import Iterator, Mapping
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


@dataclass(frozen=True, eq=False)
class _Sides:
    """New bars and what is stored of the same symbols and dates, as arrays; those of new bars are written to."""

    symbol: np.ndarray
    date: np.ndarray
    new: Mapping[str, Float]
    stored: Mapping[str, Float]
    """NaN where nothing is stored."""
    inside_split: Float
    """(n,) log ratios of splits that the new prices contain."""
    inside_paid: Float
    """(n,) log ratios of dividends that the new prices contain."""
    ratio: Float
    """(n,) log of new over stored close."""
    after: Bool
    """(n,) after the last stored day of the symbol."""
    context: Bool
    """(n,) of symbols of which there are stored bars."""
    kept: Bool
    """(n,) rows that are to be stored; written to."""


def join(fresh: pd.DataFrame, stored: pd.DataFrame, *, listing: bool = True, refuse: bool = True) -> Joined:
    """New bars on the basis of the stored ones.

    Parameters
    ----------
    fresh : bars as ``adjustment.normalise_events`` leaves them, sorted by symbol and date; columns ``inside_split`` and
        ``inside_dividend`` hold events that their prices contain, ``implied`` marks rows whose events an adjusted close
        told.
    stored : bars of the same symbols from before the first new day on.
    listing : whether the file has columns of events, so that a day without one had none.
    refuse : whether what cannot be told apart is an error.

    Raises
    ------
    DataError
        The days in common tell of another series, or are too few to tell a correction from another basis; or an
        adjusted close has no such day to tell from.
    """
    known = stored[stored["close"] > 0].drop_duplicates(["symbol", "date"], keep="last")
    sides = _sides(fresh, known)
    implied = fresh["implied"].to_numpy(dtype=np.bool_) if "implied" in fresh else np.zeros(len(fresh), dtype=np.bool_)
    if refuse:
        _refuse_without_overlap(sides, implied)
    _keep_stored_events(sides, implied if listing else np.ones(len(fresh), dtype=np.bool_))
    told: list[str] = []
    corrected: list[str] = []
    for rows in _unlike(sides):
        text, changed = _on_stored_basis(sides, rows, refuse=refuse)
        told += [text] if text else []
        corrected += [f"{sides.symbol[rows[0]]} on {changed} days"] if changed else []
    out = fresh.assign(**sides.new)
    return Joined(out[sides.kept].reset_index(drop=True), tuple(told), tuple(corrected))


def _sides(fresh: pd.DataFrame, known: pd.DataFrame) -> _Sides:
    names = [name for name in (*_PRICES, "volume", "dividend", "split") if name in known]
    common = fresh[["symbol", "date"]].merge(known[["symbol", "date", *names]], how="left", on=["symbol", "date"])
    held = [name for name in names if name in fresh]
    new = {name: fresh[name].to_numpy(dtype=np.float64, copy=True) for name in held}
    ends = known.groupby("symbol", observed=True)["date"].max()
    place = ends.index.get_indexer(pd.Index(fresh["symbol"]))
    last = np.append(ends.to_numpy().astype("datetime64[s]"), np.datetime64("NaT"))[place]
    date, close = fresh["date"].to_numpy().astype("datetime64[s]"), new["close"]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(close / common["close"].to_numpy(dtype=np.float64))
        inside = _inside(fresh, "inside_split", 1.0), _inside(fresh, "inside_dividend", 0.0) / close
    return _Sides(
        symbol=fresh["symbol"].to_numpy(),
        date=date,
        new=new,
        stored={name: common[name].to_numpy(dtype=np.float64) for name in names},
        inside_split=np.log(inside[0]),
        inside_paid=np.log1p(np.nan_to_num(inside[1])),
        ratio=np.where(np.isfinite(ratio), ratio, np.nan),
        after=np.isnat(last) | (date > last),
        context=~np.isnat(last),
        kept=np.ones(len(fresh), dtype=np.bool_),
    )


def _inside(fresh: pd.DataFrame, name: str, none: float) -> Float:
    return fresh[name].to_numpy(dtype=np.float64) if name in fresh else np.full(len(fresh), none)


def _refuse_without_overlap(sides: _Sides, implied: Bool) -> None:
    first = np.append(True, sides.symbol[1:] != sides.symbol[:-1])
    stored = np.isfinite(sides.stored["close"])
    alone = first & implied & sides.after & ~stored & sides.context
    if alone.any():
        names = sides.symbol[alone]
        raise DataError(
            f"an adjusted close does not say what was paid on the first new day of {len(names)} symbols, such as "
            f"{names[0]}; give a file that begins on a stored day, or one with dividend and split columns."
        )


def _keep_stored_events(sides: _Sides, unlisted: Bool) -> None:
    """Where a file lists no events, or cannot for its first day, those of the store stand."""
    free = unlisted & (np.abs(np.nan_to_num(sides.ratio, nan=np.inf)) < _AGREE)
    for name, none in (("dividend", 0.0), ("split", 1.0)):
        ours, theirs = sides.new[name], sides.stored[name]
        stands = free & (ours == none) & ~np.isnan(theirs)
        ours[stands] = theirs[stands]


def _unlike(sides: _Sides) -> Iterator[Int]:
    """Rows of each symbol whose closes differ from the stored ones or that has events in its new prices."""
    inside = (sides.inside_split != 0) | (sides.inside_paid != 0)
    with np.errstate(invalid="ignore"):
        differs = (np.abs(sides.ratio) > 2e-5) | (inside & sides.after & sides.context)
    starts = np.flatnonzero(np.append(True, sides.symbol[1:] != sides.symbol[:-1]))
    ends = np.append(starts[1:], len(sides.symbol))
    counts = np.add.reduceat(differs, starts) if len(starts) else starts
    for start, end, count in zip(starts, ends, counts, strict=True):
        if count:
            yield np.arange(start, end)


def _on_stored_basis(sides: _Sides, rows: Int, *, refuse: bool) -> tuple[str, int]:
    """Make one symbol's new rows go on from the stored ones; what was understood, and how many days are corrected."""
    ratio, after = sides.ratio[rows], sides.after[rows]
    shared = np.flatnonzero(~np.isnan(ratio))
    name = sides.symbol[rows[0]]
    if len(shared) == 0:
        since = rows[after]
        _take_out(sides, since, sides.inside_split[since], sides.inside_paid[since])
        return f"{name}: no day in common; the events that the new prices contain stand beside them now", 0
    # Prices are rounded to the cent, so ratios are no surer than that.
    tolerance = max(2e-5, 0.006 / float(np.nanmedian(sides.new["close"][rows[shared]])))
    basis, changed = _basis(sides, rows, shared, tolerance)
    days = int(changed.sum())
    if refuse and days and len(shared) < _ENOUGH and after.any():
        raise DataError(
            f"{name}: {days} of {len(shared)} days in common have other closes than the stored ones; give at least "
            f"{_ENOUGH} days in common, to tell a correction from another basis or another asset."
        )
    if refuse and len(shared) >= _ENOUGH and days > _STRANGE * len(shared):
        raise DataError(
            f"{name}: {days} of {len(shared)} days in common have other returns than the stored ones; give another "
            "asset another symbol, or import its whole history again."
        )
    since = rows[after]
    if abs(basis) <= tolerance:
        # The prices are the stored ones again, so they contain no event that took place since.
        _write(sides, since, *_listed(sides, since))
        return "", days
    return f"{name}: {_rebase(sides, rows, changed, basis, tolerance, len(shared))}", days


def _basis(sides: _Sides, rows: Int, shared: Int, tolerance: float) -> tuple[float, Bool]:
    """Log ratio on the last common days, and common days on which returns differ and no event explains it."""
    ratio, rough = sides.ratio[rows], max(tolerance, _AGREE)
    with np.errstate(invalid="ignore"):
        if len(shared) < _ENOUGH and not _whole_bars(sides, rows[shared]):
            # One other close is a correction; a basis moves all prices of a bar alike.
            return 0.0, np.abs(ratio) > tolerance
        step = np.zeros(len(rows))
        step[shared[1:]] = np.diff(ratio[shared])
        jumps = np.flatnonzero((np.abs(step) > rough) & _explained(sides, rows, step, rough))
        tail = shared[shared >= jumps[-1]] if len(jumps) else shared
        basis = float(np.quantile(ratio[tail], 0.5, method="nearest"))
        level = np.full(len(rows), basis)
        for jump in jumps[::-1]:
            level[:jump] -= step[jump]
        return basis, np.abs(ratio - level) > rough


def _whole_bars(sides: _Sides, rows: Int) -> bool:
    """Whether all prices of few bars stand in one ratio to the stored ones."""
    others = [name for name in ("open", "high", "low") if name in sides.new]
    if not others:
        return False
    new = np.column_stack([sides.new[name][rows] for name in others])
    old = np.column_stack([sides.stored[name][rows] for name in others])
    ratio = sides.ratio[rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = np.abs(np.log(new / old) - ratio[:, None])
        spread = np.log(new.max(axis=1) / new.min(axis=1))
    return bool((spread > 1e-3).all() and (apart < np.maximum(1e-6, 0.05 * np.abs(ratio))[:, None]).all())


def _explained(sides: _Sides, rows: Int, step: Float, tolerance: float) -> Bool:
    """Steps of the ratio that an event of that day makes: beside the prices of one, inside those of the other."""
    with np.errstate(divide="ignore", invalid="ignore"):
        theirs, ours = (
            np.log(side["split"][rows] * (1 + side["dividend"][rows] / side["close"][rows]))
            for side in (sides.stored, sides.new)
        )
    found = np.nan_to_num(theirs) - np.nan_to_num(ours)
    return np.asarray((np.abs(found) > tolerance) & (np.abs(step - found) < tolerance))


def _listed(sides: _Sides, since: Int) -> tuple[Float, Float]:
    """Log ratios of all splits and dividends that the file lists, wherever they were thought to be."""
    with np.errstate(divide="ignore", invalid="ignore"):
        paid = np.log1p(np.nan_to_num(sides.new["dividend"][since] / sides.new["close"][since]))
    return sides.inside_split[since] + np.log(sides.new["split"][since]), sides.inside_paid[since] + paid


def _rebase(sides: _Sides, rows: Int, changed: Bool, basis: float, tolerance: float, common: int) -> str:
    """Write the new rows so that they go on from the stored ones; what was understood."""
    total, after = -basis, sides.after[rows]
    old, since = rows[~after], rows[after]
    # Common days stand as they are stored; what was corrected, or was missing, comes in the old prices.
    sides.kept[rows[~after & ~np.isnan(sides.ratio[rows]) & ~changed]] = False
    is_split = abs(total) > _SPLIT or total < 0
    text = f"{np.exp(basis):.5g} times the stored prices on {common} days in common"
    split, paid = _listed(sides, since)
    none = np.zeros(len(since))
    readings = {
        "splits": (sides.inside_split[since], none),
        "dividends": (none, sides.inside_paid[since]),
        "splits and dividends": (sides.inside_split[since], sides.inside_paid[since]),
        "listed splits": (split, none),
        "listed dividends": (none, paid),
        "listed splits and dividends": (split, paid),
    }
    for name, (splits, dividends) in readings.items():
        sizes = splits + dividends
        if sizes.any() and abs(sizes.sum() - total) < max(tolerance, 2e-4):
            _scale(sides, old, total, shares=splits.sum())
            # What took place is told by the days in common; the rest of what is listed is beside the prices.
            _take_out(sides, since, splits, dividends, listed=(split, paid))
            days = ", ".join(str(sides.date[since[i]])[:10] for i in np.flatnonzero(sizes)[:3])
            return f"{text}; {name.removeprefix('listed ')} since, on {days}"
    _scale(sides, old, total, shares=total if is_split else 0.0)
    if len(since) == 0:
        return f"{text}; no new day"
    first = since[:1]
    close, split_before = sides.new["close"][first], sides.new["split"][first]
    if is_split:
        sides.new["split"][first] = split_before * np.exp(total)
    else:
        sides.new["dividend"][first] += np.expm1(total) * close
    return f"{text}; {'a split' if is_split else 'dividends'} since, written on {str(sides.date[first[0]])[:10]}"


def _take_out(
    sides: _Sides, since: Int, splits: Float, dividends: Float, *, listed: tuple[Float, Float] | None = None
) -> None:
    """Undo events in the prices of the rows before them, and write all that are listed beside the prices."""
    written = _listed(sides, since) if listed is None else listed
    sizes = splits + dividends
    later = np.append(np.cumsum(sizes[::-1])[::-1][1:], 0.0)
    shares = np.append(np.cumsum(splits[::-1])[::-1][1:], 0.0)
    _scale(sides, since, later, shares=shares)
    _write(sides, since, *written)


def _write(sides: _Sides, rows: Int, split: Float, paid: Float) -> None:
    # Cash paid on a day without a close stays as it is.
    known = sides.new["close"][rows] > 0
    sides.new["split"][rows] = np.exp(split)
    sides.new["dividend"][rows[known]] = np.expm1(paid[known]) * sides.new["close"][rows[known]]


def _scale(sides: _Sides, rows: Int, factor: Float | float, *, shares: Float | float) -> None:
    """Multiply prices and cash of some rows by a log ratio, and divide their volumes by the shares that became more."""
    for name in (*_PRICES, "dividend"):
        if name in sides.new:
            sides.new[name][rows] *= np.exp(factor)
    if "volume" in sides.new:
        sides.new["volume"][rows] /= np.exp(shares)
