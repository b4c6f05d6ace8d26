"""When a method is fitted again: on past rows only, every so many rows, and used until the next fit."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError

__all__ = ["OneFit", "RefitSchedule", "Schedule", "Segment", "seed_of", "spread_out"]


@dataclass(frozen=True)
class Segment:
    """One fit: the rows it learns from and those it labels."""

    fit: slice
    use: slice


class Schedule(Protocol):
    """When to fit, and which rows each fit labels: neighbouring ones, from the row ``begins`` on."""

    @property
    def first(self) -> int:
        """Rows before the first fit."""
        ...

    @property
    def begins(self) -> int:
        """The first row that is labelled."""
        ...

    def segments(self, count: int) -> list[Segment]:
        """The fits of ``count`` rows; none where there are fewer than ``first``."""
        ...


@dataclass(frozen=True, kw_only=True)
class RefitSchedule:
    """Fits after ``first`` rows and every ``every`` rows from there; each labels from the last row it learns from on.

    The rows are counted from the first one, so cutting off the future leaves the fits before the cut as they are.

    Parameters
    ----------
    first : rows with complete observations before the first fit.
    every : rows from one fit to the next.
    window : most recent rows to learn from; None for all.

    Raises
    ------
    InputError
        ``first`` is below 20, ``every`` below 1, or ``window`` below ``first``.
    """

    first: int = 504
    every: int = 126
    window: int | None = None

    def __post_init__(self) -> None:
        if self.first < 20 or self.every < 1:
            raise InputError(f"first {self.first} must be 20 rows or more, and every {self.every} 1 or more.")
        if self.window is not None and self.window < self.first:
            raise InputError(f"window {self.window} must hold at least the {self.first} rows of the first fit.")

    @property
    def begins(self) -> int:
        """The first row that is labelled."""
        return self.first - 1

    def segments(self, count: int) -> list[Segment]:
        """The fits of ``count`` rows; none where there are fewer than ``first``."""
        out = []
        for last in range(self.first - 1, count, self.every):
            low = 0 if self.window is None else max(last + 1 - self.window, 0)
            out.append(Segment(slice(low, last + 1), slice(last, min(last + self.every, count))))
        return out


@dataclass(frozen=True, kw_only=True)
class OneFit:
    """One fit on the rows up to the last, which labels all of them: the past as it looks from its end.

    So early labels know what came later. It measures how much a fit would change what was said, and decides nothing.

    Parameters
    ----------
    first : rows below which there is no fit.
    window : most recent rows to learn from; None for all.

    Raises
    ------
    InputError
        ``first`` is below 20, or ``window`` below ``first``.
    """

    first: int = 504
    window: int | None = None

    def __post_init__(self) -> None:
        RefitSchedule(first=self.first, window=self.window)

    @property
    def begins(self) -> int:
        """The first row that is labelled."""
        return 0

    def segments(self, count: int) -> list[Segment]:
        """The fit of ``count`` rows; none where there are fewer than ``first``."""
        low = 0 if self.window is None else max(count - self.window, 0)
        return [Segment(slice(low, count), slice(0, count))] if count >= self.first else []


def seed_of(*identity: int) -> int:
    """A seed from what a piece of work is, never from when or where it runs."""
    return int(np.random.SeedSequence(identity).generate_state(1)[0])


def spread_out(probabilities: Float, rows: Int, count: int) -> Float:
    """(count, R) the probabilities of some increasing ``rows``, held until the next of them; NaN before the first."""
    at = np.searchsorted(rows, np.arange(count), side="right") - 1
    out = probabilities[np.maximum(at, 0)]
    out[at < 0] = np.nan
    return out
