"""Orders to be worked, each with its schedule: made of a plan, and kept in a file between the two."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

import numpy as np
from pydantic import ConfigDict

from quantray.arrays import Dates, Float, Int
from quantray.data.calendar import DEFAULT_EXCHANGE, session_hours
from quantray.errors import InputError
from quantray.execution.orders import ChildOrder, ExecutionSchedule
from quantray.execution.plan import ExecutionPlan
from quantray.execution.sessions import in_utc
from quantray.oms.messages import MONEY

__all__ = ["CATCH_UP", "Work", "Works", "works_of"]

CATCH_UP = 1.5
"""Times its slice of the plan that a POV order may trade to make up for what it missed."""

_MINUTE = np.timedelta64(60, "s")

_LONGEST = 48
"""Letters of an id, which leaves room for the numbers of children."""


@dataclass(frozen=True, slots=True)
class Work:
    """An order to be worked.

    Parameters
    ----------
    arrival : price on arrival in units of money, against which the cost is reckoned.
    most : (C,) shares that each child may have at most, such as by participation; None bounds POV only.
    minutes : (C,) that the slice of each child lasts, over which it is spread; zero or None is a moment.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    account: str
    schedule: ExecutionSchedule
    arrival: int
    most: tuple[int, ...] | None = None
    minutes: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        children = self.schedule.children
        if self.arrival <= 0 or (self.most is not None and len(self.most) != len(children)):
            raise InputError(
                f"order {self.schedule.parent.id}: give a positive arrival price, and one bound for each of its "
                f"{len(children)} children."
            )
        lasting = self.minutes if self.minutes is not None else (0.0,) * len(children)
        if len(lasting) != len(children) or not all(0 <= each < math.inf for each in lasting):
            raise InputError(
                f"order {self.schedule.parent.id}: give the minutes of the slice of each of its {len(children)} "
                "children, zero or more."
            )
        if any(before.time > after.time for before, after in pairwise(children)):
            raise InputError(f"order {self.schedule.parent.id}: children must stand in the order of their times.")

    @property
    def id(self) -> str:
        """Of the order."""
        return self.schedule.parent.id

    @property
    def bounded(self) -> bool:
        """Whether its children have bounds of their own."""
        return self.most is not None or self.schedule.algorithm == "POV"

    @property
    def bounds(self) -> Int:
        """(C,) shares that each child may have at most."""
        planned = np.array([child.quantity for child in self.schedule.children], dtype=np.int64)
        if self.most is not None:
            return np.array(self.most, dtype=np.int64)
        if self.bounded:
            return np.asarray(CATCH_UP * planned, dtype=np.int64)
        return np.full(len(planned), self.schedule.parent.quantity, dtype=np.int64)


@dataclass(frozen=True, kw_only=True)
class Works:
    """Orders to be worked, as a file has them: JSON both ways by ``execution.orders``."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    works: tuple[Work, ...]


def works_of(plan: ExecutionPlan, account: str, *, prefix: str, exchange: str = DEFAULT_EXCHANGE) -> Works:
    """The orders of a plan, for an account.

    Parameters
    ----------
    prefix : of the ids, after the account, such as the day and the portfolio; an id is never used twice.
    exchange : at whose close the last slice of a day ends.

    Raises
    ------
    InputError
        An id would be longer than 48 letters.
    """
    works = []
    lasting = _slice_minutes(plan.children.time, exchange)
    for row, symbol in enumerate(plan.trades.symbols.tolist()):
        name, schedule = f"{account}/{prefix}-{symbol}", plan.schedule(row)
        if len(name) > _LONGEST:
            raise InputError(f"the id {name!r} is longer than {_LONGEST} letters; choose a shorter prefix.")
        children = tuple(_renamed(child, name, k) for k, child in enumerate(schedule.children))
        schedule = replace(schedule, parent=replace(schedule.parent, id=name), children=children)
        arrival = round(float(plan.trades.price[row]) * MONEY)
        minutes = tuple(lasting[plan.children.rows(row)].tolist())
        works.append(Work(account, schedule, arrival, minutes=minutes))
    return Works(works=tuple(works))


def _slice_minutes(times: Dates, exchange: str) -> Float:
    """(C,) minutes that the slices of children last: all are as long as the shortest, and end by the day's close."""
    distinct, place = np.unique(times, return_inverse=True)
    shortest = float(np.diff(distinct).min() / _MINUTE) if len(distinct) > 1 else 0.0
    _, closes = session_hours(distinct.astype("datetime64[D]"), exchange=exchange)
    left = (in_utc(closes, exchange) - distinct) / _MINUTE
    return np.asarray(np.clip(left, 0.0, shortest)[place], dtype=np.float64)


def _renamed(child: ChildOrder, parent: str, number: int) -> ChildOrder:
    return replace(child, id=f"{parent}-{number}", parent=parent)
