"""Limits of a book: what they are about, how much of each is used, and which are broken.

A limit caps one metric within one scope at two levels: the soft one warns, the hard one must not be passed.
"""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from quantray.arrays import Float, Int, Names
from quantray.errors import InputError
from quantray.risk.concentration import highest_correlation
from quantray.risk.factor import GROUPS
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall
from quantray.risk.liquidity import liquidation_days
from quantray.risk.positions.book import Book
from quantray.settings import SettingsModel, nearest, read_settings

__all__ = [
    "METRICS",
    "Action",
    "Limit",
    "LimitUse",
    "Moves",
    "breaches",
    "check",
    "read_limits",
    "usage",
]

Action = Literal["report", "reduce", "stop"]
KINDS = ("name", *GROUPS, "factor", "scenario")
METRICS: Mapping[str, tuple[str, ...]] = {
    "gross": ("book", "name", *GROUPS),
    "net": ("book", "name", *GROUPS, "factor"),
    "var": ("book", *GROUPS),
    "es": ("book", *GROUPS),
    "stress loss": ("scenario",),
    "liquidity days": ("name",),
    "turnover": ("book",),
    "drawdown": ("book", "strategy"),
    "correlation": ("book",),
}
"""Metric -> what it may be limited for. Gross is the sum of absolute exposures, net the absolute sum, both as fractions
of NAV; var and es are Gaussian losses of a day; correlation is the highest of two strategies."""
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
        A share is not between 0 and 1, or the floor not positive.
    """

    floor: float
    volatility: Mapping[str, float] = field(default_factory=dict)
    week: Mapping[str, float] = field(default_factory=dict)
    trust: bool = False

    def __post_init__(self) -> None:
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

    @property
    def kind(self) -> str:
        """What the scope is a kind of; ``book`` for the whole."""
        scope = self.scope.removeprefix("every ").strip()
        return next((kind for kind in KINDS if scope == kind or scope.startswith(f"{kind} ")), scope)

    @property
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
    value: float
    usage: float
    """Of the hard level; above 1 it is broken."""
    soft: float
    hard: float
    state: Literal["met", "soft", "hard"]
    """Which level is passed."""
    action: Action
    note: str = ""
    """What could not be counted."""


def check(limits: Iterable[Limit], book: Book) -> tuple[LimitUse, ...]:
    """How much of each limit is used, the worst first.

    Of a limit on every one of a kind, each that breaks a level is returned, or else the largest.

    Parameters
    ----------
    book : with what the limits ask for: a model for var, es and factors, scenarios for stress losses, and so on.

    Raises
    ------
    InputError
        The book lacks what a limit needs, two limits have one name, or a scope names what there is not.
    """
    found = [use for limit in _distinct(tuple(limits)) for use in _uses(limit, book)]
    return tuple(sorted(found, key=lambda use: (-_RANK[use.state], -use.usage)))


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
    return labels if limit.kind == "book" else np.char.add(f"{limit.kind} ", labels), values


def _measured(limit: Limit, book: Book) -> tuple[Names, Float]:
    """As ``usage``, but with names alone, which are many."""
    labels, values = _MEASURES[limit.metric](limit, book)
    if limit.kind == "book":
        return np.array(["book"]), values
    if limit.item == "*":
        return labels, values
    place = place_of(limit, labels)
    return np.array([limit.item]), np.zeros(1) if place is None else values[[place]]


def place_of(limit: Limit, labels: Names) -> int | None:
    """The place of a limit's item among labels; None where the book just has no such position.

    Raises
    ------
    InputError
        It is a factor or scenario that is not there, or a sector or asset class so like one that is that it is
        mistyped.
    """
    at = np.flatnonzero(labels == limit.item)
    if len(at):
        return int(at[0])
    known = labels.tolist()
    fixed = limit.kind in ("factor", "scenario")
    close = difflib.get_close_matches(limit.item, known, n=1, cutoff=0.5 if fixed else 0.8)
    if fixed or (close and limit.kind in ("sector", "asset class")):
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known[:8])}."
        raise InputError(f"limit {limit.name!r}: the book has no {limit.kind} {limit.item!r}; {hint}")
    return None


def grouped(book: Book, kind: str, use: str) -> tuple[Names, Int]:
    """(G,) labels of a kind and (N,) the place of each position among them; -1 where it has none.

    Raises
    ------
    InputError
        The book has no such kind.
    """
    if kind == "name":
        return book.names, np.arange(len(book.names))
    if kind not in book.groups:
        raise InputError(f"{use} needs Book(groups={{{kind!r}: ...}}).")
    found = book.grouped[kind]
    labels = np.array(found.names, dtype=np.str_)
    # In alphabetical order, those without a label come first.
    return (labels[1:], found.places - 1) if found.names[:1] == ("",) else (labels, found.places)


def quantile(limit: Limit) -> float:
    """Losses per unit of volatility that a limit on var or es counts."""
    return normal_quantile(limit.level) if limit.metric == "var" else normal_shortfall(limit.level)


def use_of(limit: Limit, scope: str, value: float, note: str = "") -> LimitUse:
    """The use of a limit at a value."""
    passed = value > limit.hard * (1 + _SAME), value > limit.soft * (1 + _SAME)
    state: Literal["met", "soft", "hard"] = "hard" if passed[0] else "soft" if passed[1] else "met"
    return LimitUse(
        limit.name, limit.metric, scope, value, value / limit.hard, limit.soft, limit.hard, state, limit.action, note
    )


_RANK = {"met": 0, "soft": 1, "hard": 2}


def _distinct(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    names = [limit.name for limit in limits]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"two limits are called {twice[0]!r}; give each a name of its own.")
    return limits


def _uses(limit: Limit, book: Book) -> list[LimitUse]:
    labels, values = _measured(limit, book)
    about = "" if limit.kind == "book" else f"{limit.kind} "
    known = ~np.isnan(values)
    lost = [f"{about}{name}" for name in labels[~known].tolist()]
    note = f"unknown of {len(lost)}: {', '.join(lost[:3])}" if lost else ""
    if not len(labels):
        return [use_of(limit, limit.scope, 0.0, f"the book has no {limit.kind}")]
    if not known.any():
        return [use_of(limit, limit.scope, 0.0, note)]
    over = np.flatnonzero(known & (values > limit.soft * (1 + _SAME)))
    chosen = over if len(over) else [int(np.nanargmax(values))]
    return [use_of(limit, f"{about}{labels[i]}", float(values[i]), note) for i in chosen]


_BOOK = np.array([""])


def _gross(limit: Limit, book: Book) -> tuple[Names, Float]:
    size = np.abs(book.weights)
    if limit.kind == "book":
        return _BOOK, size.sum(keepdims=True)
    labels, place = grouped(book, limit.kind, f"limit {limit.name!r}")
    return labels, _sums(place, size, len(labels))


def _net(limit: Limit, book: Book) -> tuple[Names, Float]:
    if limit.kind == "book":
        return _BOOK, np.abs(book.weights.sum(keepdims=True))
    if limit.kind == "factor":
        model = book.needed("model", f"limit {limit.name!r}")
        return np.asarray(model.factor_names, dtype=np.str_), np.abs(model.loadings.T @ book.exposure)
    labels, place = grouped(book, limit.kind, f"limit {limit.name!r}")
    return labels, np.abs(_sums(place, book.weights, len(labels)))


def _loss(limit: Limit, book: Book) -> tuple[Names, Float]:
    model, scale = book.needed("model", f"limit {limit.name!r}"), quantile(limit)
    if limit.kind == "book":
        return _BOOK, np.array([scale * np.sqrt(max(model.variance(book.exposure), 0.0))])
    labels, place = grouped(book, limit.kind, f"limit {limit.name!r}")
    parts = [model.variance(book.part((place == i).astype(np.float64))) for i in range(len(labels))]
    return labels, scale * np.sqrt(np.maximum(parts, 0.0))


def _stress(limit: Limit, book: Book) -> tuple[Names, Float]:
    scenarios = book.needed("scenarios", f"limit {limit.name!r}")
    losses = [max(float(loss.sum()), 0.0) for loss in scenarios.values()]
    return np.array(list(scenarios), dtype=np.str_), np.array(losses)


def _days(limit: Limit, book: Book) -> tuple[Names, Float]:
    return book.names, liquidation_days(book.weights, book.adv, participation=limit.participation)


def _turnover(limit: Limit, book: Book) -> tuple[Names, Float]:
    previous = book.needed("previous", f"limit {limit.name!r}")
    return _BOOK, np.abs(book.weights - previous).sum(keepdims=True) / 2


def _drawdown(limit: Limit, book: Book) -> tuple[Names, Float]:
    if limit.kind == "book":
        return _BOOK, np.array([_below_high(book.needed("returns", f"limit {limit.name!r}"))])
    found = book.needed("strategy_returns", f"limit {limit.name!r}")
    return np.array(list(found), dtype=np.str_), np.array([_below_high(each) for each in found.values()])


def _correlation(limit: Limit, book: Book) -> tuple[Names, Float]:
    found = book.needed("strategy_returns", f"limit {limit.name!r}")
    highest = highest_correlation(np.column_stack(list(found.values())), list(found))
    return _BOOK, np.array([np.nan if highest is None else max(highest.value, 0.0)])


_MEASURES: Mapping[str, Callable[[Limit, Book], tuple[Names, Float]]] = {
    "gross": _gross,
    "net": _net,
    "var": _loss,
    "es": _loss,
    "stress loss": _stress,
    "liquidity days": _days,
    "turnover": _turnover,
    "drawdown": _drawdown,
    "correlation": _correlation,
}


def _sums(place: Int, values: Float, n_groups: int) -> Float:
    inside = place >= 0
    return np.asarray(np.bincount(place[inside], values[inside], n_groups), dtype=np.float64)


def _below_high(returns: Float) -> float:
    """The fall below the highest value so far, at the end."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + np.nan_to_num(returns))])
    return float(1 - wealth[-1] / wealth.max())
