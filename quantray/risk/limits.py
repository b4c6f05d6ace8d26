"""Limits of a book: what they are about, how much of each is used, and which are broken.

A limit caps one metric within one scope at two levels: the soft one warns, the hard one must not be passed.
"""

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from quantray.arrays import Float, Names
from quantray.errors import InputError
from quantray.regimes.lens_settings import VOLATILITY
from quantray.regimes.path import UNKNOWN
from quantray.regimes.week import WEEK
from quantray.risk.factor import GROUPS
from quantray.risk.limiting.metrics import KINDS, MEASURES, METRICS, OF_POSITIONS, below_high, grouped
from quantray.risk.positions.book import Book
from quantray.settings import SettingsModel, nearest, read_settings

__all__ = [
    "METRICS",
    "Action",
    "Limit",
    "LimitUse",
    "Moves",
    "State",
    "below_high",
    "breaches",
    "check",
    "read_limits",
    "usage",
]

Action = Literal["report", "reduce", "stop"]
State = Literal["met", "unknown", "soft", "hard"]
_SAME = 1e-9
"""Relative excess over a level that is rounding."""


@dataclass(frozen=True, kw_only=True)
class Moves:
    """How the levels of a limit move, never above those declared and never below a floor.

    Parameters
    ----------
    floor : the lowest hard level.
    volatility : regime of volatility -> share of the level that holds in it, at most 1; others leave it whole.
    week : class of the week, such as bear or wild -> the same.
    trust : whether doubt about the forecasts of risk lowers the level; without any trust it is the floor.

    Raises
    ------
    InputError
        There is no such regime or class, a share is not between 0 and 1, or the floor not positive.
    """

    floor: float
    volatility: Mapping[str, float] = field(default_factory=dict)
    week: Mapping[str, float] = field(default_factory=dict)
    trust: bool = False

    def __post_init__(self) -> None:
        for what, shares, known in (
            ("volatility", self.volatility, (*VOLATILITY, UNKNOWN)),
            ("week", self.week, (*WEEK, UNKNOWN)),
        ):
            for name in shares:
                if name not in known:
                    raise InputError(
                        f"moves of a limit: no {what} is {name!r};{nearest(name, list(known))} it may be "
                        f"{', '.join(known)}."
                    )
        for name, share in [*self.volatility.items(), *self.week.items()]:
            if not 0 < share <= 1:
                raise InputError(f"the share of the level for {name} is {share}; it must be above 0 and at most 1.")
        if not self.floor > 0:
            raise InputError(f"a floor of {self.floor} must be positive.")


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit.

    Parameters
    ----------
    name : unique among the limits.
    metric : one of ``METRICS``.
    scope : ``book``, one of a kind such as ``sector Energy`` or ``factor market``, or ``every sector``.
    soft, hard : levels that the metric should, and must, not exceed.
    action : what a breach asks for: to be reported, the book to be reduced, or trading to stop.
    level : confidence of var and es.
    participation : in the day's volume, for liquidity days.
    moves : by default levels stay as they are.

    Raises
    ------
    InputError
        A metric or scope is unknown, a metric has no such scope, or the levels are out of order.
    """

    name: str
    metric: str
    scope: str
    soft: float
    hard: float
    action: Action = "report"
    level: float = 0.99
    participation: float = 0.10
    moves: Moves | None = None

    def __post_init__(self) -> None:
        where = f"limit {self.name!r}"
        if self.metric not in METRICS:
            hint = nearest(self.metric, list(METRICS)) or f" metrics are {', '.join(METRICS)}."
            raise InputError(f"{where}: unknown metric {self.metric!r};{hint}")
        if not self.scope.strip():
            raise InputError(f"{where} has no scope; say book, every name, or one such as sector Energy.")
        kind, item = self.kind, self.item
        if kind not in METRICS[self.metric] or not (item or kind == "book"):
            allowed = ", ".join(k if k == "book" else f"every {k}" for k in METRICS[self.metric])
            hint = nearest(self.scope, allowed.split(", "))
            raise InputError(f"{where}: {self.metric} has no scope {self.scope!r};{hint} it may be {allowed}, or one.")
        if not 0 <= self.soft <= self.hard < np.inf or not self.hard > 0:
            raise InputError(
                f"{where}: the soft level {self.soft:g} must not be above the hard one, {self.hard:g}; neither may be "
                "negative, nor the hard one 0."
            )
        if not 0.5 < self.level < 1 or not 0 < self.participation <= 1 or self.action not in get_args(Action):
            raise InputError(
                f"{where}: level {self.level} must be above 0.5 and below 1, participation {self.participation} "
                f"above 0 and at most 1, and action {self.action!r} one of {', '.join(get_args(Action))}."
            )
        if self.moves is not None and self.moves.floor > self.hard:
            raise InputError(f"{where}: the floor {self.moves.floor:g} is above the hard level {self.hard:g}.")

    @cached_property
    def kind(self) -> str:
        """What the scope is a kind of; ``book`` for the whole."""
        scope = self.scope.removeprefix("every ").strip()
        return next((kind for kind in KINDS if scope == kind or scope.startswith(f"{kind} ")), scope)

    @cached_property
    def item(self) -> str:
        """Which one of the kind, ``*`` for every; empty where nobody said."""
        if self.scope.startswith("every "):
            return "*" if self.scope.removeprefix("every ").strip() == self.kind else ""
        return self.scope.removeprefix(self.kind).strip()


class _LimitFile(SettingsModel):
    limits: tuple[Limit, ...]


def read_limits(path: str | Path, changes: Sequence[str] = ()) -> tuple[Limit, ...]:
    """The limits of a YAML file, a list under ``limits``.

    Parameters
    ----------
    changes : such as ``limits.single name.hard=0.04``.

    Raises
    ------
    InputError
        As ``settings.read_settings`` and ``Limit``, or two limits have one name.
    """
    return _distinct(read_settings(_LimitFile, path, changes).limits)


@dataclass(frozen=True)
class LimitUse:
    """How much of a limit is used."""

    name: str
    metric: str
    scope: str
    """The one that was measured: of ``every sector``, such as ``sector Energy``."""
    value: float | None
    usage: float | None
    """Of the hard level; above 1 it is broken. Both are None where the state is unknown."""
    soft: float
    hard: float
    state: State
    """Which level is passed; unknown where something could not be counted, as ``note`` tells."""
    action: Action
    note: str = ""


def check(limits: Iterable[Limit], book: Book) -> tuple[LimitUse, ...]:
    """How much of each limit is used, the worst first.

    Of a limit on every one of a kind, each that breaks a level is returned, or else the largest; and what could not be
    counted as one more, whose state is unknown.

    Parameters
    ----------
    book : with what the limits ask for: a model for var, es and factors, scenarios for stress losses, and so on.

    Raises
    ------
    InputError
        The book lacks what a limit needs, two limits have one name, or a scope names what there is not.
    """
    found = [use for limit in _distinct(tuple(limits)) for use in _uses(limit, book)]
    return worst_first(found)


def worst_first(uses: Iterable[LimitUse]) -> tuple[LimitUse, ...]:
    """Hard levels that are passed, soft ones, what is unknown, and what is met; the most used of each first."""
    return tuple(sorted(uses, key=lambda use: (-_RANK[use.state], -(use.usage or 0.0))))


def breaches(uses: Iterable[LimitUse], state: Literal["soft", "hard"] = "soft") -> tuple[LimitUse, ...]:
    """The limits that passed a level, in the order given: ``soft`` for either level, ``hard`` for that alone."""
    return tuple(use for use in uses if _RANK[use.state] >= _RANK[state])


def usage(limit: Limit, book: Book) -> tuple[Names, Float]:
    """What a limit is about and the metric of each, NaN where unknown; raises as ``check``.

    Returns
    -------
    (I,) such as ``sector Energy``, and (I,) values; one of each unless the limit is on every one of a kind.
    """
    labels, values = _measured(limit, book)
    return scopes(limit, labels), values


def scopes(limit: Limit, labels: Names) -> Names:
    """Names of a kind as a limit's scope has them."""
    return labels if limit.kind == "book" else np.array([f"{limit.kind} {name}" for name in labels.tolist()], np.str_)


def _measured(limit: Limit, book: Book) -> tuple[Names, Float]:
    """As ``usage``, but with names alone, which are many."""
    labels, values = MEASURES[limit.metric](limit, book)
    if limit.kind == "book":
        return np.array(["book"]), values
    if limit.item == "*":
        return labels, values
    place = place_of(limit, labels, book)
    return np.array([limit.item]), np.zeros(1) if place is None else values[[place]]


def place_of(limit: Limit, labels: Names, book: Book) -> int | None:
    """The place of a limit's item among labels; None where the book has nothing of it, though there is such a one.

    Raises
    ------
    InputError
        Neither the book nor its ``universe`` has one of that name.
    """
    at = np.flatnonzero(labels == limit.item)
    if len(at):
        return int(at[0])
    there = dict.fromkeys([*labels.tolist(), *np.asarray(book.universe.get(limit.kind, ()), dtype=np.str_).tolist()])
    if limit.item in there:
        return None
    known = [name for name in there if name]
    close = difflib.get_close_matches(limit.item, known, n=1, cutoff=0.5)
    some = ", ".join(known[:8]) + (f" and {len(known) - 8:,} more" if len(known) > 8 else "")
    hint = f"did you mean {close[0]!r}?" if close else f"there are {some}." if known else "it has none."
    raise InputError(f"limit {limit.name!r}: the book has no {limit.kind} {limit.item!r}; {hint}")


def unlabelled(limit: Limit, book: Book) -> Names:
    """Positions that a limit on groups cannot count, as nobody says which they are in."""
    if limit.metric not in OF_POSITIONS or limit.kind not in GROUPS:
        return book.names[:0]
    place = grouped(book, limit.kind, f"limit {limit.name!r}")[1]
    return np.asarray(book.names[(place < 0) & (book.weights != 0)])


def uses_of(limit: Limit, labels: Names, values: Float, lost: Names) -> list[LimitUse]:
    """The uses of a limit, see ``check``.

    Parameters
    ----------
    labels : (I,) that it is about, without their kind.
    values : (I,) the metric of each; NaN where unknown.
    lost : positions that could not be counted at all.
    """
    known = ~np.isnan(values)
    over = np.flatnonzero(values > limit.soft * (1 + _SAME)).tolist()
    chosen = over or ([int(np.where(known, values, -np.inf).argmax())] if known.any() else [])
    found = [_use(limit, str(scopes(limit, labels[i : i + 1])[0]), float(values[i])) for i in chosen]
    unknown = [] if known.all() else scopes(limit, labels[~known]).tolist()
    said = [f"unknown of {_listed(unknown)}"] if unknown else []
    said += [f"without a {limit.kind}: {_listed(lost.tolist())}; label them"] if len(lost) else []
    if not said:
        return found or [_use(limit, limit.scope, 0.0, f"the book has no {limit.kind}")]
    # Of a single one, what is counted is only the least that it may be.
    least = [use for use in found if use.state == "met" and limit.item != "*"]
    said += [f"at least {use.value:.4g}" for use in least]
    unknown_use = LimitUse(
        limit.name,
        limit.metric,
        limit.scope,
        None,
        None,
        limit.soft,
        limit.hard,
        "unknown",
        limit.action,
        "; ".join(said),
    )
    return [*(use for use in found if use not in least), unknown_use]


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"


def _use(limit: Limit, scope: str, value: float, note: str = "") -> LimitUse:
    passed = value > limit.hard * (1 + _SAME), value > limit.soft * (1 + _SAME)
    state: State = "hard" if passed[0] else "soft" if passed[1] else "met"
    return LimitUse(
        limit.name, limit.metric, scope, value, value / limit.hard, limit.soft, limit.hard, state, limit.action, note
    )


_RANK = {"met": 0, "unknown": 1, "soft": 2, "hard": 3}


def _distinct(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    names = [limit.name for limit in limits]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two limits are called {twice[0]!r}; give each a name of its own.")
    return limits


def _uses(limit: Limit, book: Book) -> list[LimitUse]:
    labels, values = _measured(limit, book)
    return uses_of(limit, labels, values, unlabelled(limit, book))
