"""The smallest trade that brings a book back within its limits: all of them, or each by itself."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import sparse

from quantray.arrays import Bool, Float, Names
from quantray.errors import InputError, SolverError
from quantray.portfolio.contributions import vector
from quantray.portfolio.smallest_trade import Cap, smallest_trade
from quantray.risk.limiting.metrics import grouped, quantile
from quantray.risk.limits import Limit, LimitUse, breaches, check, place_of
from quantray.risk.positions.book import Book

__all__ = ["Cure", "Trading", "each_cure", "smallest_cure"]

_CUTS, _INSIDE = 60, 1 - 1e-4
"""Steps towards a limit on what bends, and where each of them aims, as a part of the level."""
_TRADELESS = ("drawdown", "correlation")
"""Metrics of the past, which no trade changes."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Trading:
    """What a cure may trade.

    Parameters
    ----------
    hedging : whether positions may grow and turn; else they only shrink. What is not held is never bought.
    tradeable : (N,); by default all are.
    most : (N,) of each trade, a fraction of NAV; by default any.
    price : (N,) of a unit traded, positive, such as its cost; by default all alike.
    """

    hedging: bool = False
    tradeable: Bool | None = None
    most: Float | None = None
    price: Float | None = None


@dataclass(frozen=True, eq=False)
class Cure:
    """A trade and what it does to the limits."""

    names: Names
    trades: Float
    """(N,) changes of the book's weights."""
    book: Book
    """After the trade."""
    traded: float
    """Sum of absolute trades, a fraction of NAV."""
    uses: tuple[LimitUse, ...]
    """Of the limits afterwards, the worst first."""
    left: tuple[str, ...]
    """Broken limits that no trade cures, as they are about the past: hold less until it is better."""

    @property
    def uncounted(self) -> tuple[str, ...]:
        """Limits of which something is unknown afterwards, and was not traded for."""
        return tuple(dict.fromkeys(use.name for use in self.uses if use.state == "unknown"))


def smallest_cure(
    limits: Iterable[Limit], book: Book, *, to: Literal["soft", "hard"] = "hard", trading: Trading | None = None
) -> Cure:
    """The smallest trade after which no limit is broken.

    Parameters
    ----------
    to : level that is to be kept.

    Raises
    ------
    InputError
        As ``limits.check``, or the terms of trading do not fit the book.
    InfeasibleError
        The limits exclude each other within what may be traded; they are named.
    SolverError
        No solution could be found.
    """
    limits, trading = tuple(limits), trading or Trading()
    before = check(limits, book)
    bent = [limit for limit in limits if limit.metric in ("var", "es") and book.bends]
    caps = [cap for limit in limits if limit not in bent for cap in _caps(limit, book, _level(limit, to))]
    lower, upper = _range(book, trading)
    for _ in range(_CUTS):
        trades = smallest_trade(book.weights, caps, lower=lower, upper=upper, price=trading.price)
        after = book.at(book.weights + trades)
        if not (cuts := [cut for limit in bent for cut in _cuts(limit, book, after, _level(limit, to))]):
            break
        caps += cuts
    else:
        raise SolverError(
            f"no trade was found in {_CUTS} steps that brings {cuts[0].name} within its level; reduce by hand."
        )
    broken = breaches(before, to)
    left = tuple(dict.fromkeys(use.name for use in broken if use.metric in _TRADELESS))
    return Cure(book.names, trades, after, float(np.abs(trades).sum()), check(limits, after), left)


def each_cure(
    limits: Iterable[Limit], book: Book, *, to: Literal["soft", "hard"] = "hard", trading: Trading | None = None
) -> dict[str, Cure]:
    """Broken limit -> the smallest trade that cures it, whatever that does to others; takes and raises as above."""
    limits = tuple(limits)
    broken = {use.name for use in breaches(check(limits, book), to) if use.metric not in _TRADELESS}
    return {
        limit.name: smallest_cure([limit], book, to=to, trading=trading) for limit in limits if limit.name in broken
    }


def _level(limit: Limit, to: Literal["soft", "hard"]) -> float:
    return limit.hard if to == "hard" else limit.soft


def _cuts(limit: Limit, book: Book, after: Book, level: float) -> list[Cap]:
    """What a book that bends loses beyond a level, to first order around what it is after a trade.

    A book without curvature has one cone for all of it; of others each step leaves out what is broken still.
    """
    sizes = after.weights * _inverse(book.weights)
    members = [("book", np.ones(len(sizes)))]
    if limit.kind != "book":
        labels, place = grouped(book, limit.kind, f"limit {limit.name!r}")
        members = [(str(labels[i]), (place == i).astype(np.float64)) for i in _chosen(limit, labels, book)]
    cuts = []
    for name, inside in members:
        found = book.tail(limit.level, sizes * inside)
        value = found.var if limit.metric == "var" else found.es
        if value > level:
            slopes = book.var_slopes(limit.level, sizes * inside) * inside * value / found.var
            cuts.append(_cap(limit, name, "above", (slopes * _inverse(book.weights))[None, :], _INSIDE * level))
    return cuts


def _range(book: Book, trading: Trading) -> tuple[Float, Float]:
    """(N,) least and most of each weight afterwards."""
    held, n = book.weights, len(book.weights)
    if trading.hedging:
        reach = np.where(held == 0, 0.0, max(float(np.abs(held).sum()), 1.0))
        lower, upper = -reach, reach
    else:
        lower, upper = np.minimum(held, 0.0), np.maximum(held, 0.0)
    if trading.most is not None:
        most = vector(trading.most, n, "most")
        if (most < 0).any():
            raise InputError(f"most of a trade is {most.min():g}; it must not be negative.")
        lower, upper = np.maximum(lower, held - most), np.minimum(upper, held + most)
    if trading.tradeable is not None:
        if np.shape(trading.tradeable) != (n,):
            raise InputError(f"tradeable is {np.shape(trading.tradeable)} for {n} positions; give one for each.")
        lower, upper = (np.where(trading.tradeable, each, held) for each in (lower, upper))
    return lower, upper


def _caps(limit: Limit, book: Book, level: float) -> list[Cap]:
    """A limit as caps on weights; none for what no trade changes."""
    if limit.metric in _TRADELESS:
        return []
    n = len(book.weights)
    if limit.metric == "turnover":
        previous = book.needed("previous", f"limit {limit.name!r}")
        return [_cap(limit, "book", "sum", sparse.identity(n, format="csr"), 2 * level, previous)]
    if limit.metric == "liquidity days":
        return _liquid(limit, book, level)
    if limit.metric == "stress loss":
        names = np.array(list(book.scenarios), dtype=np.str_)
        rows = {name: book.scenarios[name] * _inverse(book.weights) for name in names.tolist()}
        return [_cap(limit, names[i], "above", rows[names[i]][None, :], level) for i in _chosen(limit, names, book)]
    if limit.kind == "factor" and book.model is not None:
        names = np.asarray(book.model.factor_names, dtype=np.str_)
        loadings = _units(book).T @ book.model.loadings
        return [_cap(limit, names[i], "each", loadings[:, [i]].T, level) for i in _chosen(limit, names, book)]
    return _of_groups(limit, book, level)


def _of_groups(limit: Limit, book: Book, level: float) -> list[Cap]:
    """Gross, net, var and es of the book or of groups of positions."""
    n = len(book.weights)
    if limit.kind == "name":
        rows = sparse.identity(n, format="csr")
        chosen = _chosen(limit, book.names, book)
        return [_cap(limit, limit.item, "each", rows[chosen], level)] if len(chosen) else []
    if limit.kind == "book":
        members: list[tuple[str, Bool]] = [("book", np.ones(n, dtype=np.bool_))]
    else:
        labels, place = grouped(book, limit.kind, f"limit {limit.name!r}")
        members = [(str(labels[i]), place == i) for i in _chosen(limit, labels, book)]
    if limit.metric == "gross":
        eye = sparse.identity(n, format="csr")
        return [_cap(limit, name, "sum", eye[np.flatnonzero(inside)], level) for name, inside in members]
    if limit.metric == "net":
        return [_cap(limit, name, "each", inside[None, :].astype(np.float64), level) for name, inside in members]
    root = _root(book)
    return [
        _cap(limit, name, "root", root @ sparse.diags(inside.astype(np.float64)), level / quantile(limit))
        for name, inside in members
    ]


def _liquid(limit: Limit, book: Book, level: float) -> list[Cap]:
    """Days per unit of weight of the names whose volume is known."""
    known = np.flatnonzero(book.adv > 0)
    chosen = np.intersect1d(known, _chosen(limit, book.names, book))
    rate = sparse.csr_matrix(
        (1 / (limit.participation * book.adv[chosen]), (np.arange(len(chosen)), chosen)), (len(chosen), len(book.adv))
    )
    return [_cap(limit, limit.item, "each", rate, level)] if len(chosen) else []


def _chosen(limit: Limit, labels: Names, book: Book) -> Sequence[int]:
    if limit.item == "*":
        return range(len(labels))
    place = place_of(limit, labels, book)
    return [] if place is None else [place]


def _cap(limit: Limit, item: str, form: str, matrix: object, most: float, centre: Float | None = None) -> Cap:
    where = limit.name if limit.kind == "book" or item == "*" else f"{limit.name} ({limit.kind} {item})"
    return Cap(name=where, form=form, matrix=matrix, most=most, centre=centre)  # type: ignore[arg-type]


def _units(book: Book) -> sparse.csr_matrix:
    """(M, N) exposure to each driver of a unit of each position."""
    n, inverse = len(book.weights), _inverse(book.weights)
    if book.sensitivities is None:
        return sparse.identity(n, format="csr")
    seen = book.sensitivities
    values = seen.delta * inverse[seen.rows]
    return sparse.csr_matrix((values, (seen.columns, seen.rows)), (seen.n_drivers, n))


def _root(book: Book) -> sparse.csr_matrix:
    """(R, N) matrix of which the product with the weights has the book's volatility as its length."""
    model, units = book.needed("model", "a cure of var or es"), _units(book)
    values, vectors = np.linalg.eigh(model.factor_covariance)
    half = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    factors = sparse.csr_matrix((units.T @ model.loadings @ half.T).T)
    own = sparse.diags(np.sqrt(model.specific_variance)) @ units
    return sparse.csr_matrix(sparse.vstack([factors, own]))


def _inverse(weights: Float) -> Float:
    """(N,) one over each weight, zero where it is none."""
    return np.asarray(np.divide(1.0, weights, out=np.zeros(len(weights)), where=weights != 0))
