"""Bars of many files as one frame: what a folder holds, files that join and files that stack, spellings of symbols."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from quantray.data.symbols import symbol_key
from quantray.data.vendors.sheets import ENDINGS, holds_bars
from quantray.errors import DataError, reason
from quantray.inputs import ordinary_file

__all__ = ["TOLD", "files_of", "one_spelling", "united"]

TOLD = ("basis", "lists")
"""Columns of what a whole file says of its prices and events."""
_EVENT_FIELDS = ("dividend", "split", "delist_return")


def files_of(source: Path) -> tuple[list[Path], tuple[str, ...]]:
    """A file, or the files of bars in a folder, and what else is in it.

    Raises
    ------
    DataError
        There is none, it may not be read, or it is a pipe or a device, whose end may never come.
    """
    try:
        folder = source.is_dir()
    except (OSError, ValueError) as error:
        raise DataError(f"{source} cannot be read: {reason(error)}.") from error
    if not folder:
        remedy = "give a CSV or Parquet file, or a folder of them"
        return [ordinary_file(source, "file", remedy=remedy, error=DataError)], ()
    try:
        found = sorted(source.iterdir())
    except OSError as error:
        raise DataError(f"folder {source} cannot be read: {reason(error)}.") from error
    return _sorted_out(found)


def _sorted_out(found: Sequence[Path]) -> tuple[list[Path], tuple[str, ...]]:
    files, others = [], []
    for path in found:
        if path.is_dir():
            others.append(f"{path.name}/: a folder")
        elif path.name.startswith("."):
            others.append(f"{path.name}: a hidden file")
        elif not path.name.lower().endswith(ENDINGS):
            others.append(f"{path.name}: no CSV or Parquet file")
        elif not path.is_file():
            others.append(f"{path.name}: no ordinary file")
        elif not holds_bars(path):
            others.append(f"{path.name}: no bars in it")
        else:
            files.append(path)
    return files, tuple(others)


def united(source: Path, frames: Sequence[pd.DataFrame]) -> tuple[pd.DataFrame, int]:
    """One frame, and the number of events that belong to none of its bars."""
    wide = [f for f in frames if "close" not in f.columns]
    if not wide or len(wide) == len(frames):
        return (pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]), 0
    if all(set(f.columns) <= {"date", "symbol", "ticker", *_EVENT_FIELDS, *TOLD} for f in wide):
        bars = pd.concat([f for f in frames if "close" in f.columns], ignore_index=True)
        return _joined(source, bars, pd.concat(wide, ignore_index=True))
    # One wide file per field: they share their keys, so they join; long files stack.
    joined = [f.drop(columns=list(TOLD)).set_index(["date", "symbol"]) for f in frames]
    repeated = [str(f.columns[0]) for f in joined]
    if any(len(f.columns) != 1 for f in joined) or len(set(repeated)) != len(repeated):
        held = [column for column in wide[0].columns if column not in TOLD]
        raise DataError(f"{source} mixes files with and without a close column: {held}.")
    for name, part in zip(repeated, joined, strict=True):
        if part.index.has_duplicates:
            day, symbol = part.index[part.index.duplicated()][0]
            raise DataError(f"{source} has two values of {name} for {symbol} on {day.date()}; keep one.")
    lists = np.bitwise_or.reduce(np.array([f["lists"].iloc[0] for f in frames if len(f)], dtype=np.int8))
    return pd.concat(joined, axis=1).reset_index().assign(basis=np.int8(0), lists=lists), 0


def _joined(source: Path, bars: pd.DataFrame, events: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Bars of some files with the events that others list, by date and symbol; and how many have no bars near."""
    fields = [name for name in _EVENT_FIELDS if name in events]
    if twice := next((name for name in fields if name in bars), None):
        raise DataError(
            f"{source} has {twice} in the files of prices and in one beside them; leave out one of the two."
        )
    by_ticker = "ticker" in bars and "ticker" not in events
    key = "ticker" if by_ticker else "symbol"
    events = events.rename(columns={"symbol": key}) if by_ticker else events
    if not set(events[key].unique()) & set(bars[key].unique()):
        raise DataError(
            f"{source} has events of {events[key].iloc[0]} and prices of {bars[key].iloc[0]}, and no symbol in common; "
            "name symbols alike, in a column of both files."
        )
    day = events.groupby(["date", key], sort=False)
    several = {"dividend": "sum", "split": "prod", "delist_return": "last"}
    told = day.agg({name: several[name] for name in fields}).reset_index()
    lists = np.bitwise_or.reduce(np.unique(events["lists"].to_numpy()))
    out = bars.merge(told, on=["date", key], how="left")
    met = pd.MultiIndex.from_frame(told[["date", key]]).isin(pd.MultiIndex.from_frame(bars[["date", key]]))
    span = bars.groupby(key)["date"].agg(["min", "max"]).reindex(told[key])
    days = told["date"].to_numpy()
    inside = (days >= span["min"].to_numpy()) & (days <= span["max"].to_numpy())
    # An ex-date on which the symbol was not quoted stands in a row without a price.
    alone = told[~met & inside & (not by_ticker)]
    if len(alone):
        basis = alone[key].map(bars.drop_duplicates(key).set_index(key)["basis"])
        out = pd.concat([out, alone.assign(basis=basis, lists=np.int8(0))], ignore_index=True)
        out = out.assign(ticker=out["ticker"].fillna(out["symbol"])) if "ticker" in out else out
    filled = {name: out[name].fillna(1.0 if name == "split" else 0.0) for name in fields if name != "delist_return"}
    return out.assign(**filled, lists=out["lists"] | lists), int((~met).sum()) - len(alone)


def one_spelling(frame: pd.DataFrame) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Symbols that differ in case or blanks only become one: the spelling in capitals, or else the first.

    Those that share a day stay apart: case tells share classes where AAp is not AAP.
    """
    spelt: dict[str, list[str]] = {}
    for name in sorted(map(str, pd.Index(frame["symbol"].unique()).dropna())):
        spelt.setdefault(symbol_key(name), []).append(name)
    several = {key: names for key, names in spelt.items() if len(names) > 1}
    if several:
        some = frame.loc[frame["symbol"].isin([n for names in several.values() for n in names]), ["date", "symbol"]]
        some = some.drop_duplicates().assign(key=lambda rows: rows["symbol"].map(symbol_key))
        together = set(some["key"][some.duplicated(["date", "key"])])
        several = {key: names for key, names in several.items() if key not in together}
    if not several:
        return frame, ()
    chosen = {name: next((n for n in names if n == key), names[0]) for key, names in several.items() for name in names}
    codes, unique = pd.factorize(frame["symbol"])
    renamed = np.array([chosen.get(str(name), str(name)) for name in unique], dtype="O")
    texts = tuple(f"{', '.join(repr(n) for n in names)} are one" for names in several.values())
    return frame.assign(symbol=pd.Series(renamed[codes], index=frame.index, dtype="str")), texts
