"""What limits cap of a book: exposures, losses, days to sell, turnover, drawdowns and correlations."""

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.errors import InputError
from quantray.risk.concentration import highest_correlation
from quantray.risk.factor import GROUPS
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall
from quantray.risk.liquidity import liquidation_days
from quantray.risk.positions.book import Book

__all__ = ["KINDS", "MEASURES", "METRICS", "OF_POSITIONS", "Asked", "below_high", "grouped", "quantile"]

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
of NAV; var and es are losses of a day under normal moves, see ``Book.tail``; correlation is the highest of two
strategies."""
OF_POSITIONS = ("gross", "net", "var", "es")
"""Metrics that are summed over positions, so that one without a label is missed in groups."""


class Asked(Protocol):
    """What is asked of a book; a ``limits.Limit`` is such."""

    @property
    def name(self) -> str:
        """Who asks, for errors."""

    @property
    def metric(self) -> str:
        """One of ``METRICS``."""

    @property
    def kind(self) -> str:
        """Of what it is asked; ``book`` for the whole."""

    @property
    def level(self) -> float:
        """Confidence of var and es."""

    @property
    def participation(self) -> float:
        """In the day's volume, for liquidity days."""


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


def quantile(asked: Asked) -> float:
    """Losses per unit of volatility that a limit on var or es counts."""
    return normal_quantile(asked.level) if asked.metric == "var" else normal_shortfall(asked.level)


_BOOK = np.array([""])


def _gross(asked: Asked, book: Book) -> tuple[Names, Float]:
    size = np.abs(book.weights)
    if asked.kind == "book":
        return _BOOK, size.sum(keepdims=True)
    labels, place = grouped(book, asked.kind, f"limit {asked.name!r}")
    return labels, _sums(place, size, len(labels))


def _net(asked: Asked, book: Book) -> tuple[Names, Float]:
    if asked.kind == "book":
        return _BOOK, np.abs(book.weights.sum(keepdims=True))
    if asked.kind == "factor":
        model = book.needed("model", f"limit {asked.name!r}")
        return np.asarray(model.factor_names, dtype=np.str_), np.abs(model.loadings.T @ book.exposure)
    labels, place = grouped(book, asked.kind, f"limit {asked.name!r}")
    return labels, np.abs(_sums(place, book.weights, len(labels)))


def _loss(asked: Asked, book: Book) -> tuple[Names, Float]:
    book.needed("model", f"limit {asked.name!r}")
    if asked.kind == "book":
        return _BOOK, np.array([_tail(asked, book, None)])
    labels, place = grouped(book, asked.kind, f"limit {asked.name!r}")
    return labels, np.array([_tail(asked, book, place == i) for i in range(len(labels))])


def _tail(asked: Asked, book: Book, chosen: Bool | None) -> float:
    found = book.tail(asked.level, None if chosen is None else chosen.astype(np.float64))
    return found.var if asked.metric == "var" else found.es


def _stress(asked: Asked, book: Book) -> tuple[Names, Float]:
    scenarios = book.needed("scenarios", f"limit {asked.name!r}")
    losses = [max(float(loss.sum()), 0.0) for loss in scenarios.values()]
    return np.array(list(scenarios), dtype=np.str_), np.array(losses)


def _days(asked: Asked, book: Book) -> tuple[Names, Float]:
    return book.names, liquidation_days(book.weights, book.adv, participation=asked.participation)


def _turnover(asked: Asked, book: Book) -> tuple[Names, Float]:
    previous = book.needed("previous", f"limit {asked.name!r}")
    return _BOOK, np.abs(book.weights - previous).sum(keepdims=True) / 2


def _drawdown(asked: Asked, book: Book) -> tuple[Names, Float]:
    if asked.kind == "book":
        return _BOOK, np.array([below_high(book.needed("returns", f"limit {asked.name!r}"))])
    found = book.needed("strategy_returns", f"limit {asked.name!r}")
    return np.array(list(found), dtype=np.str_), np.array([below_high(each) for each in found.values()])


def _correlation(asked: Asked, book: Book) -> tuple[Names, Float]:
    found = book.needed("strategy_returns", f"limit {asked.name!r}")
    highest = highest_correlation(np.column_stack(list(found.values())), list(found))
    return _BOOK, np.array([np.nan if highest is None else max(highest.value, 0.0)])


MEASURES: Mapping[str, Callable[[Asked, Book], tuple[Names, Float]]] = {
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


def below_high(returns: Float) -> float:
    """How far the value at the end of (T,) returns is below the highest so far, as a part of that."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float(1 - wealth[-1] / wealth.max())
