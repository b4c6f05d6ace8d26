"""Levels of limits that move with the market and with trust in the forecasts of risk, where a limit asks for it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quantray.errors import InputError
from quantray.regimes.path import UNKNOWN
from quantray.risk.limiting.trust import Trust
from quantray.risk.limits import Limit

__all__ = ["Conditions", "LevelChange", "Levels", "moved_levels"]


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What the levels of a day follow, all known at the close before.

    Parameters
    ----------
    day : on which the levels hold.
    volatility : its regime, such as ``extreme`` of the volatility lens.
    week : its class, see ``regimes.week.week_classes``.
    trust : in the forecasts of risk.
    """

    day: np.datetime64
    volatility: str = UNKNOWN
    week: str = UNKNOWN
    trust: Trust | None = None


@dataclass(frozen=True)
class LevelChange:
    """A record of a hard level that moved, for the audit; the soft level moves in proportion."""

    day: str
    name: str
    before: float
    after: float
    why: str


@dataclass(frozen=True)
class Levels:
    """The limits of a day, and how they differ from those before."""

    limits: tuple[Limit, ...]
    changes: tuple[LevelChange, ...]


def moved_levels(declared: Iterable[Limit], conditions: Conditions, before: Sequence[Limit] | None = None) -> Levels:
    """The limits as they hold under some conditions.

    A level is the declared one, times the shares for the regime of volatility and the class of the week, but not below
    the floor; what is above the floor is then multiplied by the trust. So it never exceeds what was declared, and comes
    back to it as conditions and trust do. Limits without ``moves`` stay as they are.

    Parameters
    ----------
    declared : with the levels that are the caps.
    before : the limits that held so far, from the ``Levels`` of the day before; by default those declared.

    Raises
    ------
    InputError
        The limits before are others than those declared.
    """
    declared = tuple(declared)
    held = {limit.name: limit.hard for limit in (declared if before is None else before)}
    if lost := {limit.name for limit in declared} ^ set(held):
        raise InputError(f"limit {min(lost)!r} is not both declared and among those before; give all limits of both.")
    limits, changes = [], []
    for limit in declared:
        hard, why = _level(limit, conditions)
        # A level that stays is the same to the bit, and rounding lifts no soft level above its hard one.
        soft = limit.soft if hard == limit.hard else min(limit.soft * hard / limit.hard, hard)
        limits.append(replace(limit, soft=soft, hard=hard, moves=None))
        if abs(hard - held[limit.name]) > 1e-12 * limit.hard:
            changes.append(LevelChange(str(conditions.day), limit.name, held[limit.name], hard, why))
    return Levels(tuple(limits), tuple(changes))


def _level(limit: Limit, conditions: Conditions) -> tuple[float, str]:
    moves = limit.moves
    if moves is None:
        return limit.hard, "it stays as declared"
    why, level = [], limit.hard
    for what, regime, shares in (
        ("volatility is", conditions.volatility, moves.volatility),
        ("the week is", conditions.week, moves.week),
    ):
        if (share := shares.get(regime, 1.0)) < 1:
            level *= share
            why.append(f"{what} {regime}: {share:.0%}")
    if level < moves.floor:
        level = moves.floor
        why.append(f"not below the floor {moves.floor:g}")
    found = conditions.trust
    if moves.trust and found is not None and found.score < 1:
        level = moves.floor + (level - moves.floor) * found.score
        why.append(f"trust {found.score:.2f}, {found.why}")
    return min(level, limit.hard), "; ".join(why) or "conditions and trust are back"
