"""What a strategy holds on some days, sparsely, so that the trades of many can be set against one another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from quantray.arrays import Float, Int
from quantray.backtest.drift import drifted
from quantray.errors import DataError, InputError
from quantray.features.returns import held_returns

__all__ = ["Held", "Positions", "execution_returns"]


@dataclass(frozen=True, eq=False)
class Held:
    """One strategy's positions around one decision, as (N,) fractions of its own NAV."""

    before: Float
    """What it holds when its decision is traded: the weights of the day before, drifted."""
    after: Float
    """The weights decided."""


@dataclass(frozen=True, eq=False)
class Positions:
    """A strategy's positions on K of T days, E of them in all; names that it neither holds nor held are left out."""

    offsets: Int
    """(T + 1,) where each day's entries begin; days that were not kept have none."""
    columns: Int
    """(E,) asset."""
    before: Float
    """(E,) weight when the day's decision is traded: that of the day before, drifted."""
    after: Float
    """(E,) weight decided."""

    @classmethod
    def of(cls, weights_tn: Float, moved_kn: Float, days: Sequence[int]) -> "Positions":
        """The positions of a strategy.

        Parameters
        ----------
        weights_tn : (T, N) decided at each close.
        moved_kn : returns on the day on which each kept day's decision is traded; see ``execution_returns``.
        days : K rows of decisions, rising, none the first.

        Raises
        ------
        InputError
            The days do not rise within the panel, or returns are of other days or assets.
        """
        rows = _checked(days, len(weights_tn))
        if moved_kn.shape != (len(rows), weights_tn.shape[1]):
            raise InputError(f"returns are {moved_kn.shape} for {len(rows)} days and {weights_tn.shape[1]} assets.")
        after, previous = weights_tn[rows], weights_tn[rows - 1]
        earned = np.einsum("kn,kn->k", previous, moved_kn)
        before = drifted(previous, 1 + moved_kn, 1 + earned)
        day, column = np.nonzero((before != 0) | (after != 0))
        offsets = np.zeros(len(weights_tn) + 1, dtype=np.int64)
        np.add.at(offsets, rows[day] + 1, 1)
        return cls(np.cumsum(offsets), column, before[day, column], after[day, column])

    def at(self, day: int, n_assets: int) -> Held:
        """The positions around the decision of a kept day; nothing on the others."""
        entries = slice(int(self.offsets[day]), int(self.offsets[day + 1]))
        before, after = np.zeros(n_assets), np.zeros(n_assets)
        before[self.columns[entries]] = self.before[entries]
        after[self.columns[entries]] = self.after[entries]
        return Held(before, after)

    def columns_of_table(self) -> dict[str, pa.Array]:
        """The positions as columns of a table with one row a day."""
        offsets = pa.array(self.offsets, type=pa.int32())
        return {
            "assets": pa.ListArray.from_arrays(offsets, pa.array(self.columns, type=pa.int32())),
            "before": pa.ListArray.from_arrays(offsets, pa.array(self.before)),
            "after": pa.ListArray.from_arrays(offsets, pa.array(self.after)),
        }

    @classmethod
    def from_table(cls, table: pa.Table, n_assets: int) -> "Positions":
        """The positions that a table holds in some of so many assets.

        Raises
        ------
        DataError
            It holds none, or some in other assets.
        """
        if "assets" not in table.column_names:
            raise DataError(f"the result holds no positions but {', '.join(table.column_names)}; name days to keep.")
        lists = [table[name].combine_chunks() for name in ("assets", "before", "after")]
        offsets = np.asarray(lists[0].offsets.to_numpy(), dtype=np.int64)
        columns, before, after = (part.flatten().to_numpy() for part in lists)
        if not len(columns) == len(before) == len(after) or not ((columns >= 0) & (columns < n_assets)).all():
            raise DataError(
                f"the result holds positions in others than {n_assets} assets; delete the folder of results, and run "
                "the study again."
            )
        return cls(offsets - offsets[0], columns.astype(np.int64), before, after)


def execution_returns(close_tn: Float, days: Sequence[int], lag: int, delist_tn: Float | None = None) -> Float:
    """(K, N) simple returns of the days on which decisions of K days are traded, ``lag`` days later; 0 where unknown.

    Parameters
    ----------
    delist_tn : (T, N) delisting returns; see ``features.returns.held_returns``.

    Raises
    ------
    InputError
        The days do not rise within the panel, or are traded after its end.
    """
    rows = _checked(days, len(close_tn) - lag)
    moved: Float = held_returns(np.asarray(close_tn, dtype=np.float64), delist_tn)[rows + lag]
    return moved


def _checked(days: Sequence[int], n_days: int) -> Int:
    rows = np.asarray(days, dtype=np.int64)
    if rows.ndim != 1 or (np.diff(rows) <= 0).any() or (len(rows) and not 1 <= rows[0] <= rows[-1] < n_days):
        raise InputError(
            f"the {len(rows)} days of decisions must rise from 1 to {n_days - 1}; take them from one panel."
        )
    return rows
