"""The slices of a schedule cut into clips, so that a slice trades over its time and not at its beginning.

Clips follow from the schedule and the settings alone, and their ids from their places: a worker that starts again cuts
the same ones.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from quantray.arrays import Float, Int
from quantray.errors import InputError
from quantray.execution.rounding import apportioned
from quantray.oms.messages import MONEY
from quantray.oms.works import Work

__all__ = ["Clips", "Cut", "clipped", "row_of"]

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Clips:
    """How slices are cut.

    A list of orders has at most a child more than its schedules have for each ``value`` of its money.

    Parameters
    ----------
    minutes : from one clip to the next, at least; a slice has as many places for clips as fit in it.
    value : money that a clip is worth at least, at the price on arrival; a child worth less than two is one clip.

    Raises
    ------
    InputError
        The minutes are less than a second, or the value is not positive.
    """

    minutes: float = 5.0
    value: float = 3_000.0

    def __post_init__(self) -> None:
        if not (self.minutes >= 1 / 60 and self.value > 0):
            raise InputError(
                f"clips of {self.minutes:g} minutes and {self.value:g} of money; give a second or more, and some money."
            )


@dataclass(frozen=True, eq=False)
class Cut:
    """(K,) clips of an order, in order of time.

    Parameters
    ----------
    rows : of the children of the schedule that they are parts of.
    most : shares that each may have at most.
    """

    ids: tuple[str, ...]
    rows: Int
    times: tuple[datetime, ...]
    planned: Int
    most: Int


def clipped(work: Work, clips: Clips) -> Cut:
    """The clips of an order: those of a child are equal parts of it in whole lots, and sum to it.

    The children of a slice take turns, so that small ones at several venues do not all come at its beginning. The first
    clip of a child has its id, the others that with their number.
    """
    children = work.schedule.children
    found: list[tuple[datetime, int, int, int, int]] = []
    for _, each in groupby(range(len(children)), key=lambda row: children[row].time):
        rows = list(each)
        for turn, row in enumerate(rows):
            found += _of_child(work, clips, row, turn / len(rows))
    found.sort()
    times, rows_, numbers, planned, most = zip(*found, strict=True)
    ids = tuple(
        f"{work.id}-{row}" + (f".{number}" if number else "") for row, number in zip(rows_, numbers, strict=True)
    )
    return Cut(ids, np.array(rows_), times, np.array(planned, dtype=np.int64), np.array(most, dtype=np.int64))


def row_of(child: str, parent: str) -> int:
    """The child of the schedule that an id is a clip of; -1 of a part that somebody else placed."""
    before, _, place = child.rpartition("-")
    row, _, number = place.partition(".")
    return int(row) if before == parent and row.isdecimal() and (number or "0").isdecimal() else -1


def _of_child(work: Work, clips: Clips, row: int, turn: float) -> list[tuple[datetime, int, int, int, int]]:
    """Time, row, number, shares and most shares of each clip."""
    child, lot = work.schedule.children[row], work.schedule.parent.lot
    minutes = 0.0 if work.minutes is None else work.minutes[row]
    slots = max(1, int(minutes / clips.minutes + _ROUNDING))
    worth = child.quantity * work.arrival / MONEY
    count = int(max(1, min(slots, worth // clips.value, child.quantity // lot)))
    even: Float = np.ones(count)
    shares = apportioned(child.quantity, even, lot=lot)
    bound = int(work.bounds[row])
    most = apportioned(bound, even) if work.bounded else np.full(count, bound)
    places = np.floor((np.arange(count) + turn) * slots / count)
    return [
        (child.time + timedelta(minutes=float(place) * minutes / slots), row, number, int(planned), int(cap))
        for number, (place, planned, cap) in enumerate(zip(places, shares, most, strict=True))
    ]
