"""A book's risk as prices tick: each price changes what depends on it, and nothing else is computed again.

Between closes a book moves to second order, by its sensitivities, and quantities stay. All is a fraction of the NAV of
the close, as limits are. A price changes the exposures of the positions on its driver, and of those that are paid in it
or paired with it; the K factor exposures and the variance follow in time that grows with K alone.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float, Int, Names
from quantray.errors import InputError
from quantray.risk.forecasting.quantiles import normal_quantile
from quantray.risk.limiting.metrics import below_high, grouped, quantile
from quantray.risk.limits import Limit, LimitUse, place_of, scopes, unlabelled, uses_of, worst_first
from quantray.risk.positions.book import Book
from quantray.risk.watching.alerts import Alert, Watch
from quantray.risk.watching.latency import LatencyHistogram
from quantray.risk.watching.running import RunningRisk
from quantray.settings import nearest

__all__ = ["Monitor"]


class Monitor:
    """A book that is watched from one close to the next.

    Watched are limits on gross, net, var, es and drawdown of the book, gross and net of names and groups, net of
    factors, and liquidity days of names. Var and es follow the exposures of now; what curvature adds to them stays as
    it was at the close.

    Parameters
    ----------
    book : at the close, with a model.
    drivers : (M,) what prices are of; the positions themselves for a book without sensitivities.
    levels : (M,) at the close.
    limits : to be watched; those of other kinds are listed in ``unwatched``.
    absolute : (M,) True of yields and volatilities, whose changes are differences; by default none.
    margin : part of a level that a value must fall below it before passing it again is an alert.
    settle_every : prices after which sums are made again, so that rounding does not add up.

    Raises
    ------
    InputError
        The book has no model, drivers and levels do not fit, or a limit is about what the book has not.
    """

    def __init__(
        self,
        book: Book,
        drivers: Names,
        levels: Float,
        limits: Iterable[Limit] = (),
        *,
        absolute: Bool | None = None,
        margin: float = 0.05,
        settle_every: int = 10_000,
    ) -> None:
        self._drivers, self._levels = np.asarray(drivers, dtype=np.str_), np.asarray(levels, dtype=np.float64)
        self._absolute = np.zeros(len(levels), np.bool_) if absolute is None else np.asarray(absolute, np.bool_)
        m = book.needed("model", "a monitor").n_assets
        if not self._drivers.shape == self._levels.shape == self._absolute.shape == (m,):
            raise InputError(
                f"drivers {self._drivers.shape}, levels {self._levels.shape} and absolute {self._absolute.shape} must "
                f"be of the {m} drivers of the model."
            )
        unknown = ~np.isfinite(self._levels) | (~self._absolute & (self._levels <= 0))
        if unknown.any():
            raise InputError(
                f"{int(unknown.sum())} drivers ({', '.join(self._drivers[unknown][:3].tolist())}) have no closing "
                "level to move from; give one above zero, or leave the positions out."
            )
        if not 0 <= margin < 1 or settle_every < 1:
            raise InputError(
                f"a margin of {margin} must be 0 or more and below 1, and settle_every {settle_every} at least 1."
            )
        self._book, self._risk = book, RunningRisk(book, self._absolute)
        # The last close as a part of the highest.
        self._wealth = 1.0 if book.returns is None else 1 - below_high(book.returns)
        self._driver_places = {name: place for place, name in enumerate(self._drivers.tolist())}
        self._settle_every = settle_every
        self.latency, self.ticks = LatencyHistogram(), 0
        self.unwatched: tuple[str, ...] = ()
        self._of_sums: list[_Watched] = []
        self._of_names: list[_OfNames] = []
        for limit in limits:
            self._sort(limit)
        self._places = np.concatenate([np.zeros(0, dtype=np.int64), *(each.places for each in self._of_sums)])
        self._scales = np.concatenate([np.zeros(0), *(np.full(len(e.places), e.scale) for e in self._of_sums)])
        self._shifts = np.concatenate([np.zeros(0), *(np.full(len(e.places), e.shift) for e in self._of_sums)])
        self._rates = np.array([each.rates for each in self._of_names]).reshape(-1, len(book.names))
        self._sums_watch = Watch([(each.limit, scopes(each.limit, each.labels)) for each in self._of_sums], margin)
        self._names_watch = Watch([(each.limit, scopes(each.limit, book.names)) for each in self._of_names], margin)
        self.alerts = (*self._news(np.arange(len(book.names))), *self._uncounted())

    def tick(self, driver: str, price: float) -> tuple[Alert, ...]:
        """Take a price, and say which limits it broke.

        Parameters
        ----------
        price : or level, of a driver such as a yield.

        Raises
        ------
        InputError
            There is no such driver, or the price is none; then nothing has changed.
        """
        start = time.perf_counter_ns()
        place = self._driver_places.get(driver)
        if place is None:
            hint = nearest(driver, list(self._driver_places)) or " leave it out."
            raise InputError(f"nothing here follows {driver!r};{hint}")
        absolute, level = bool(self._absolute[place]), float(self._levels[place])
        if not (0 < price < np.inf or (absolute and -np.inf < price < np.inf)):
            raise InputError(f"a price of {price} for {driver} is none; leave it out until there is one.")
        moved = self._risk.move(place, price - level if absolute else price / level - 1)
        self.ticks += 1
        if self.ticks % self._settle_every == 0:
            self._risk.settle()
        found = tuple(self._news(moved.rows))
        self.latency.record(time.perf_counter_ns() - start)
        return found

    @property
    def gain(self) -> float:
        """Since the close, a fraction of NAV."""
        return self._risk.gain

    @property
    def weights(self) -> Float:
        """(N,) exposures as money."""
        return self._risk.positions.weights.copy()

    @property
    def exposure(self) -> Float:
        """(M,) to the drivers."""
        return self._risk.positions.exposure.copy()

    @property
    def factor_exposures(self) -> Float:
        """(K,)."""
        return self._risk.factors.copy()

    @property
    def gross(self) -> float:
        """Sum of absolute weights."""
        return self._risk.gross

    @property
    def net(self) -> float:
        """Sum of weights."""
        return self._risk.net

    def groups(self, kind: str) -> Mapping[str, tuple[float, float]]:
        """Label of a kind -> gross and net.

        Raises
        ------
        InputError
            The book has no such kind.
        """
        if kind not in self._risk.groups.kinds:
            raise InputError(
                f"the book has no groups by {kind}; it has {', '.join(self._risk.groups.kinds) or 'none'}."
            )
        labels, span = self._risk.groups.kinds[kind]
        pairs = zip(self._risk.groups.gross[span].tolist(), self._risk.groups.net[span].tolist(), strict=True)
        return dict(zip(labels.tolist(), pairs, strict=True))

    @property
    def volatility(self) -> float:
        """Of a day."""
        return self._risk.volatility

    def var(self, level: float = 0.99) -> float:
        """Gaussian, of a day and of the exposures of now, to first order; a fraction of NAV."""
        return normal_quantile(level) * self.volatility

    def uses(self) -> tuple[LimitUse, ...]:
        """How much of each watched limit is used, the worst first, as ``limits.check`` has it."""
        size, sums, found = np.abs(self._risk.positions.weights), self._vector(), list[LimitUse]()
        for each in self._of_sums:
            values = np.maximum(sums[each.places] * each.scale + each.shift, 0.0)
            found += uses_of(each.limit, each.labels, values, unlabelled(each.limit, self._book))
        for one in self._of_names:
            values = np.where(size[one.chosen] == 0, 0.0, size[one.chosen] * one.rates[one.chosen])
            found += uses_of(one.limit, self._book.names[one.chosen], values, self._book.names[:0])
        return worst_first(found)

    def _uncounted(self) -> Iterator[Alert]:
        for use in self.uses():
            if use.state == "unknown":
                yield Alert(use.name, use.metric, use.scope, "unknown", None, use.hard, 0, use.note)

    def _vector(self) -> Float:
        """What limits on sums are about, without signs; in the order that ``_measure`` counts on."""
        risk = self._risk
        head = np.array([risk.gross, risk.net, risk.volatility, max(1 - self._wealth * (1 + risk.gain), 0.0)])
        return np.asarray(np.abs(np.concatenate([head, risk.factors, risk.groups.gross, risk.groups.net])))

    def _news(self, rows: Int) -> list[Alert]:
        found: list[Alert] = []
        if len(self._places):
            found += self._sums_watch.look(
                _EVERY, self._vector()[self._places] * self._scales + self._shifts, self.ticks
            )
        if len(self._rates):
            values = self._rates[:, rows] * np.abs(self._risk.positions.weights[rows])
            items = np.arange(len(self._rates))[:, None] * len(self._book.names) + rows
            found += self._names_watch.look(items.ravel(), values.ravel(), self.ticks)
        return found

    def _sort(self, limit: Limit) -> None:
        """Put a limit among those on sums, those on names, or those that are not watched."""
        if limit.kind == "name" and limit.metric in ("gross", "net", "liquidity days"):
            rates, names = np.ones(len(self._book.names)), self._book.names
            if limit.metric == "liquidity days":
                adv = self._book.adv
                rates = np.divide(1 / limit.participation, adv, out=np.full(len(adv), np.nan), where=adv > 0)
            chosen = np.ones(len(names), np.bool_)
            if limit.item != "*":
                place_of(limit, names, self._book)
                chosen = names == limit.item
            self._of_names.append(_OfNames(limit, np.where(chosen, rates, np.nan), chosen))
        elif (measure := self._measure(limit)) is not None:
            self._of_sums.append(measure)
        else:
            self.unwatched = (*self.unwatched, limit.name)

    def _measure(self, limit: Limit) -> "_Watched | None":
        """A limit on sums; None where it is not watched."""
        if limit.kind == "book":
            if limit.metric not in _OF_BOOK:
                return None
            if limit.metric == "drawdown":
                self._book.needed("returns", f"limit {limit.name!r}")
            scale, shift = 1.0, 0.0
            if limit.metric in ("var", "es"):
                scale, now = quantile(limit), self._book.tail(limit.level)
                shift = (now.var if limit.metric == "var" else now.es) - scale * self._risk.volatility
            return _Watched(limit, np.array(["book"]), np.array([_OF_BOOK[limit.metric]]), scale, shift)
        if limit.metric not in ("gross", "net"):
            return None
        names, start = self._listed(limit)
        if limit.item == "*":
            return _Watched(limit, names, start + np.arange(len(names)), 1.0)
        place = place_of(limit, names, self._book)
        at = np.zeros(0, dtype=np.int64) if place is None else np.array([start + place])
        return _Watched(limit, np.array([limit.item])[: len(at)], at, 1.0)

    def _listed(self, limit: Limit) -> tuple[Names, int]:
        """The labels of a kind, and where the first of them stands in the vector."""
        if limit.kind == "factor":
            return np.asarray(self._book.needed("model", "a monitor").factor_names, dtype=np.str_), len(_OF_VECTOR)
        grouped(self._book, limit.kind, f"limit {limit.name!r}")
        names, span = self._risk.groups.kinds[limit.kind]
        before = 0 if limit.metric == "gross" else len(self._risk.groups.gross)
        return names, len(_OF_VECTOR) + len(self._risk.factors) + before + span.start


_OF_VECTOR = ("gross", "net", "volatility", "drawdown")
_OF_BOOK = {"gross": 0, "net": 1, "var": 2, "es": 2, "drawdown": 3}
_EVERY = slice(None)


@dataclass(frozen=True, eq=False)
class _Watched:
    """A limit on sums."""

    limit: Limit
    labels: Names
    places: Int
    """Of its sums, in the vector."""
    scale: float
    """That these are multiplied by."""
    shift: float = 0.0
    """That is added: what curvature adds to a loss at the close."""


@dataclass(frozen=True, eq=False)
class _OfNames:
    """A limit on names."""

    limit: Limit
    rates: Float
    """(N,) value for a unit of weight; NaN where nobody knows, or the limit is not about the name."""
    chosen: Bool
    """(N,) that it is about."""
