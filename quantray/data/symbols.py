"""Permanent ids and the symbols that they had: a reused ticker is two assets, a renamed company is one."""

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd

from quantray.arrays import Bool, Names
from quantray.data.panel import Panel

__all__ = ["SymbolTable"]


@dataclass(frozen=True, eq=False)
class SymbolTable:
    """Which symbol each permanent id had when; without rows, symbols are ids."""

    frame: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["id", "symbol", "first", "last"]))
    """Columns id, symbol, first and last date, by id and date."""

    @classmethod
    def of(cls, rows: pd.DataFrame) -> "SymbolTable":
        """The table from rows of date, symbol (the id) and ticker."""
        named = rows[rows["ticker"].notna() & (rows["ticker"] != "")].sort_values(["symbol", "date"])
        spell = ((named["symbol"] != named["symbol"].shift()) | (named["ticker"] != named["ticker"].shift())).cumsum()
        groups = named.groupby(spell.to_numpy())
        frame = groups.agg(
            id=("symbol", "first"), symbol=("ticker", "first"), first=("date", "min"), last=("date", "max")
        )
        return cls(frame.reset_index(drop=True))

    @cached_property
    def _shown(self) -> dict[str, str]:
        """Name of each id: its last symbol, with the id where another asset has that too."""
        last = dict(zip(self.frame["id"], self.frame["symbol"], strict=True))
        several = {symbol for symbol, count in Counter(last.values()).items() if count > 1}
        return {i: f"{symbol} ({i})" if symbol in several else symbol for i, symbol in last.items()}

    def shown(self, ids: Names) -> Names:
        """(N,) names of assets: the last symbol, with the id where another asset has it too; the id without one."""
        return ids if self.frame.empty else np.array([self._shown.get(str(i), str(i)) for i in ids], dtype=np.str_)

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
        had = self.frame[self.frame["symbol"] == name]
        owners = had["id"].unique().tolist()
        if len(owners) <= 1:
            asset = self._shown.get(name) or (self._shown[owners[0]] if owners else name)
            if asset in columns:
                member[low:high, columns[asset]] = True
            return asset in columns
        found = False
        for identity, first, last in zip(had["id"], had["first"], had["last"], strict=True):
            if (asset := self._shown[identity]) in columns:
                rows = np.searchsorted(panel.dates, [np.datetime64(first, "D"), np.datetime64(last, "D") + 1])
                member[max(low, int(rows[0])) : min(high, int(rows[1])), columns[asset]] = True
                found = True
        return found
