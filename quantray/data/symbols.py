"""Permanent ids and the symbols that they had: a reused ticker is two assets, a renamed company is one."""

from collections import Counter
from collections.abc import Set
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Names
from quantray.data.panel import Panel
from quantray.errors import DataError

__all__ = ["NO_IDS", "SymbolSpell", "SymbolTable", "as_stored", "symbol_key"]


@dataclass(frozen=True)
class SymbolSpell:
    """The days on which an asset went by a symbol."""

    id: str
    symbol: str
    first: np.datetime64
    last: np.datetime64


@dataclass(frozen=True)
class SymbolTable:
    """Which symbol each permanent id had when, by id and date; without spells, symbols are ids."""

    spells: tuple[SymbolSpell, ...] = ()

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "SymbolTable":
        """The table from rows of date, symbol (the id) and ticker."""
        named = rows[rows["ticker"].notna() & (rows["ticker"] != "")].sort_values(["symbol", "date"])
        ids, tickers = named["symbol"].to_numpy(dtype=object), named["ticker"].to_numpy(dtype=object)
        days = named["date"].to_numpy().astype("datetime64[D]")
        begins = np.ones(len(named), dtype=np.bool_)
        begins[1:] = (ids[1:] != ids[:-1]) | (tickers[1:] != tickers[:-1])
        first = np.flatnonzero(begins)
        last = np.append(first[1:], len(named)) - 1
        ends = zip(first, last, strict=True)
        return cls(tuple(SymbolSpell(str(ids[i]), str(tickers[i]), days[i], days[j]) for i, j in ends))

    @cached_property
    def _shown(self) -> dict[str, str]:
        """Name of each id: its last symbol, with the id where another asset has that too."""
        last = {spell.id: spell.symbol for spell in self.spells}
        several = {symbol for symbol, count in Counter(last.values()).items() if count > 1}
        return {i: f"{symbol} ({i})" if symbol in several else symbol for i, symbol in last.items()}

    @cached_property
    def _had(self) -> dict[str, list[SymbolSpell]]:
        found: dict[str, list[SymbolSpell]] = {}
        for spell in self.spells:
            found.setdefault(spell.symbol, []).append(spell)
        return found

    @property
    def last_symbols(self) -> dict[str, str]:
        """Id -> what its asset is shown as."""
        return dict(self._shown)

    @property
    def n_ids(self) -> int:
        """Number of assets with a permanent id."""
        return len(self._shown)

    def shown(self, ids: Names) -> Names:
        """(N,) names of assets: the last symbol, with the id where another asset has it too; the id without one."""
        return np.array([self._shown.get(str(i), str(i)) for i in ids], dtype=np.str_) if self.spells else ids

    def mark(
        self,
        member: Bool,
        panel: Panel,
        name: str,
        start: np.datetime64 | None = None,
        end: np.datetime64 | None = None,
    ) -> bool:
        """Set the rows of an asset in a (T, N) membership, in place; False where no asset of the panel has that name.

        A name is an id, that of a column of the panel, or a symbol. A symbol that several assets had is, on each day,
        the one that had it then.
        """
        columns = {asset: column for column, asset in enumerate(panel.assets.tolist())}
        low = 0 if start is None else int(np.searchsorted(panel.dates, start))
        high = len(panel.dates) if end is None else int(np.searchsorted(panel.dates, end, side="right"))
        had = self._had.get(name, [])
        owners = {spell.id for spell in had}
        if len(owners) <= 1:
            asset = self._shown.get(name) or (self._shown[owners.pop()] if owners else name)
            if asset in columns:
                member[low:high, columns[asset]] = True
            return asset in columns
        found = False
        for spell in had:
            if (asset := self._shown[spell.id]) in columns:
                first, after = np.searchsorted(panel.dates, [spell.first, spell.last + 1])
                member[max(low, int(first)) : min(high, int(after)), columns[asset]] = True
                found = True
        return found


NO_IDS = SymbolTable()
"""Of data whose symbols are ids."""


def as_stored(
    frame: pd.DataFrame, table: SymbolTable, held: Set[str], where: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Bars of a file under the symbols, or ids, of a store; and which were changed.

    Parameters
    ----------
    frame : with a column symbol, and ticker where the file has permanent ids.
    held : symbols, or ids, in the store.
    where : the store, for messages.

    Raises
    ------
    DataError
        The store tells assets by permanent ids, and the file names one of which it has none.
    """
    if "ticker" in frame and not table.spells:
        # The store goes by symbols.
        named = frame["ticker"].where(frame["ticker"] != "", frame["symbol"])
        frame = frame.assign(symbol=named).drop(columns="ticker")
    codes, unique = pd.factorize(frame["symbol"])
    names = [str(name) for name in unique]
    if table.spells and "ticker" not in frame:
        identity = {shown: i for i, shown in table.last_symbols.items()} | {i: i for i in table.last_symbols}
        if unknown := [name for name in names if name not in identity]:
            raise DataError(
                f"{where} tells assets by permanent ids, and has none for {len(unknown)} symbols of the file, such as "
                f"{unknown[0]}; give a file with ids, or import the whole history again without them."
            )
        frame = frame.assign(ticker=frame["symbol"])
        chosen = {name: identity[name] for name in names}
    else:
        # What the file holds in both spellings is two assets.
        alike = {symbol_key(name): name for name in sorted(held, reverse=True) if name not in names}
        chosen = {name: name if name in held else alike.get(symbol_key(name), name) for name in names}
    renamed = pd.array([chosen[name] for name in names], dtype="str")
    changed = tuple(f"{name!r} is {other}" for name, other in chosen.items() if name != other)
    return frame.assign(symbol=pd.Series(renamed.take(codes), index=frame.index)), changed


def symbol_key(name: str) -> str:
    """A symbol as spellings of it are compared: in capitals and without blanks."""
    return "".join(name.split()).upper()
