"""One fold's train, validation and test dates, and the rule that none of them leaks into the next."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Dates, as_day
from quantray.errors import InputError

__all__ = ["DateRange", "FoldRows", "Split", "label_gap"]


def label_gap(horizon: int, lag: int) -> int:
    """Trading days that a label reaches beyond its decision: 0 without labels, else ``horizon + lag``."""
    return horizon + lag if horizon > 0 else 0


@dataclass(frozen=True)
class DateRange:
    """From the first to the last date, both included."""

    first: np.datetime64
    last: np.datetime64

    def __post_init__(self) -> None:
        object.__setattr__(self, "first", as_day(self.first))
        object.__setattr__(self, "last", as_day(self.last))
        if self.first > self.last:
            raise InputError(f"a range of dates starts on {self.first}, after its end {self.last}.")

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    def rows(self, dates: Dates) -> slice:
        """The rows of increasing ``dates`` inside the range."""
        low, high = np.searchsorted(dates, self.first), np.searchsorted(dates, self.last, side="right")
        return slice(int(low), int(high))


@dataclass(frozen=True)
class FoldRows:
    """A split as rows of one array of dates."""

    train: slice
    valid: slice | None
    test: slice


@dataclass(frozen=True, kw_only=True)
class Split:
    """What fitting needs to know of a fold; a split that leaks cannot be made.

    A label decided on day t covers the returns up to ``t + lag + horizon``. So ``purge`` trading days stay unused
    between train and validation and between validation and test; they must cover the label and may hold an embargo.

    Parameters
    ----------
    train, valid, test : ranges in this order; ``valid`` may be absent.
    horizon : trading days that a label covers; 0 where nothing is predicted.
    lag : trading days from a decision to the first return it earns.
    purge : trading days left out at each border.

    Raises
    ------
    InputError
        The ranges overlap or the purge is shorter than the label.

    Source: Lopez de Prado (2018), *Advances in Financial Machine Learning*, ch. 7.
    """

    train: DateRange
    valid: DateRange | None
    test: DateRange
    horizon: int
    lag: int
    purge: int

    def __post_init__(self) -> None:
        if self.horizon < 0 or self.lag < 0 or self.purge < 0:
            raise InputError(f"horizon {self.horizon}, lag {self.lag} and purge {self.purge} must not be negative.")
        needed = label_gap(self.horizon, self.lag)
        if self.purge < needed:
            raise InputError(
                f"purge {self.purge} leaks: labels reach {needed} days ahead "
                f"(horizon {self.horizon} + lag {self.lag}); set purge to at least {needed}."
            )
        for before, after in self.borders():
            # Days bound trading days from above, also of a market that never closes; ``rows`` counts them exactly.
            between = int((after.first - before.last).astype(np.int64)) - 1
            if between < self.purge:
                raise InputError(f"{before} runs into {after}: {self.purge} trading days must lie between them.")

    def borders(self) -> list[tuple[DateRange, DateRange]]:
        """The neighbouring ranges that must not touch."""
        if self.valid is None:
            return [(self.train, self.test)]
        return [(self.train, self.valid), (self.valid, self.test)]

    def rows(self, dates: Dates) -> FoldRows:
        """The rows of the split in ``dates`` (T,).

        Raises
        ------
        InputError
            A range has no dates, or fewer than ``purge`` trading days lie between two ranges.
        """
        for name, part in (("train", self.train), ("valid", self.valid), ("test", self.test)):
            if part is not None and part.rows(dates).start == part.rows(dates).stop:
                raise InputError(f"the {name} range {part} has no trading day in these dates.")
        for before, after in self.borders():
            between = after.rows(dates).start - before.rows(dates).stop
            if between < self.purge:
                raise InputError(f"only {between} trading days lie between {before} and {after}; {self.purge} needed.")
        valid = None if self.valid is None else self.valid.rows(dates)
        return FoldRows(self.train.rows(dates), valid, self.test.rows(dates))
