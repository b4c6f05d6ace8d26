"""What a book that bends loses under normal moves of its drivers: options by delta, gamma and vega, bonds by convexity.

A linear book's loss is normal, in closed form. One that bends is put through scenarios of the drivers that it bends
with; the linear part of its loss keeps its exact distribution in them, so that only how both come together is sampled.
"""

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from scipy import special

from quantray.arrays import Float, Int
from quantray.covariance.factor import FactorModel
from quantray.risk.forecasting.quantiles import normal_quantile, normal_shortfall
from quantray.risk.positions.sensitivities import Sensitivities

__all__ = ["NormalMoves", "NormalTail", "normal_tail"]

_COMMON = 1 << 40
"""A number that no driver has."""
_SCENARIOS = 16384
_FEWEST = 1024
_MOST = 1 << 23
"""Numbers that scenarios may hold: books that bend with more than a thousand drivers get fewer of them."""


class NormalTail(NamedTuple):
    """Losses of a day under normal moves, fractions of NAV; a book that only gains loses nothing."""

    var: float
    es: float

    @classmethod
    def of(cls, deviation: float, level: float) -> Self:
        """Of a normal loss."""
        return cls(normal_quantile(level) * deviation, normal_shortfall(level) * deviation)


def normal_tail(model: FactorModel, exposure: Float, seen: Sensitivities | None = None, *, level: float) -> NormalTail:
    """Value-at-risk and expected shortfall of a day if the drivers' moves are normal with a mean of zero.

    Parameters
    ----------
    model : of the M drivers.
    exposure : (M,) of the book, which says all of one that is linear.
    seen : its sensitivities; where they bend it is put through scenarios, see ``NormalMoves``.
    level : confidence, above 0.5 and below 1.
    """
    if seen is not None and not seen.is_linear:
        return NormalMoves.of(model, seen).tail(seen, level=level)
    return NormalTail.of(float(np.sqrt(max(model.variance(exposure), 0.0))), level)


@dataclass(frozen=True, eq=False)
class NormalMoves:
    """S scenarios of K factors and of the C drivers that a book bends with; the same for the book at any size.

    Moves of a driver with gamma have their exact quantiles, so that a single option has no noise of sampling.

    Source: Glasserman (2003), *Monte Carlo methods in financial engineering*, ch. 9, for delta-gamma losses.
    """

    model: FactorModel
    curved: Int
    """(C,) drivers, in order."""
    factors: Float
    """(S, K)."""
    moves: Float
    """(S, C)."""
    rest: Float
    """(S,) standard normal, of the specific moves of all other drivers together."""

    @classmethod
    def of(cls, model: FactorModel, *books: Sensitivities) -> Self:
        """Scenarios for some books that follow the drivers of ``model``, each with its mirror image."""
        bent = [seen.columns[seen.gamma != 0] for seen in books]
        bent += [side[seen.cross != 0] for seen in books for side in seen.cross_columns]
        curved, squared = np.unique(np.concatenate(bent)), np.unique(np.concatenate(bent[: len(books)]))
        half = int(np.clip(_MOST // max(len(curved), 1), _FEWEST, _SCENARIOS)) // 2
        common = _drawn(_COMMON, (half, model.n_factors + 1))
        values, vectors = np.linalg.eigh(model.factor_covariance)
        factors = common[:, :-1] @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
        moves = factors @ model.loadings[curved].T
        # Each driver has draws of its own, so that those of others stay when it is sold.
        for column, (driver, own) in enumerate(
            zip(curved.tolist(), np.sqrt(model.specific_variance[curved]), strict=True)
        ):
            moves[:, column] += own * _drawn(driver, (half,))
        deviations = np.sqrt(model.variances[curved])
        for column in np.searchsorted(curved, squared).tolist():
            moves[:, column] = _normal(moves[:, column], float(deviations[column]))
        return cls(model, curved, factors, moves, common[:, -1])

    def tail(self, seen: Sensitivities, *, level: float) -> NormalTail:
        """Of the book, of a part of it or of another size of it."""
        losses = np.sort(self._losses(seen)[0])
        var = _at(losses, level)
        beyond = losses[losses >= var]
        return NormalTail(max(var, 0.0), max(float(beyond.mean()), 0.0))

    def parts(self, seen: Sensitivities, *, level: float, of: Sensitivities | None = None) -> Float:
        """(N,) what each position loses on average where the book loses its value-at-risk; they sum to it.

        Parameters
        ----------
        of : the same positions at other sizes, whose losses there are asked for instead.

        Averages are by local regression over the worst scenarios, twice as many as lie beyond. Zeros for a book that
        loses nothing.

        Source: Hallerbach (2003), *Decomposing portfolio value-at-risk: a general analysis*, Journal of Risk 5.
        """
        losses, linear = self._losses(seen)
        worst = np.argsort(-losses, kind="stable")[: max(2, int(np.ceil(2 * (1 - level) * len(losses))))]
        var = _at(np.sort(losses), level)
        if not var > 0:
            return np.zeros(len(seen.value))
        near = losses[worst] - losses[worst].mean()
        weight = 1 / len(worst) + (var - losses[worst].mean()) * near / max(float(near @ near), 1e-300)
        of = seen if of is None else of
        parts = self._linear_parts(seen, of, worst, weight, float(weight @ linear[worst]))
        return np.asarray(parts - self._bent(of, worst, weight))

    def _losses(self, seen: Sensitivities) -> tuple[Float, Float]:
        """(S,) losses, and the part of them that is linear, at its exact quantiles."""
        drawn = self.factors @ (self.model.loadings.T @ seen.exposure) + self._own(seen)
        deviation = float(np.sqrt(max(self.model.variance(seen.exposure), 0.0)))
        linear = _normal(-drawn, deviation)
        return linear - self._gains(seen), linear

    def _own(self, seen: Sensitivities) -> Float:
        """(S,) specific gains of first order: of curved drivers as drawn, of the others as a sum."""
        loads = self.model.loadings[self.curved]
        exposure = seen.exposure[self.curved]
        return np.asarray(
            self.moves @ exposure - self.factors @ (loads.T @ exposure) + self.rest * self._spread(seen.exposure)
        )

    def _spread(self, exposure: Float) -> float:
        """Deviation of the specific gains of drivers that are not curved."""
        own = exposure**2 * self.model.specific_variance
        own[self.curved] = 0.0
        return float(np.sqrt(own.sum()))

    def _gains(self, seen: Sensitivities) -> Float:
        """(S,) gains of second order."""
        gains = self.moves**2 @ (seen.curvature[self.curved] / 2)
        (first, second), c = self._pairs(seen), len(self.curved)
        # Many drivers are paired with few others: currencies and volatilities.
        for other in np.unique(second).tolist():
            here = second == other
            gains += (self.moves @ np.bincount(first[here], seen.cross[here], c)) * self.moves[:, other]
        return np.asarray(gains)

    def _linear_parts(self, seen: Sensitivities, of: Sensitivities, rows: Int, weight: Float, wanted: float) -> Float:
        """(N,) linear losses in some scenarios; what sampling missed of their sum is split as in a linear book."""
        exposure, model = seen.exposure, self.model
        mean = model.loadings @ (weight @ self.factors[rows])
        spread = self._spread(exposure)
        if spread > 0:
            # Of a sum of independent moves, each has its share of the variance.
            mean = mean + model.specific_variance * exposure / spread * float(weight @ self.rest[rows])
        mean[self.curved] = weight @ self.moves[rows]
        if not (variance := model.variance(exposure)) > 0:
            return -of.by_position(mean)
        missed = wanted + float(exposure @ mean)
        return of.by_position(missed / variance * model.apply(exposure) - mean)

    def _bent(self, seen: Sensitivities, rows: Int, weight: Float) -> Float:
        """(N,) gains of second order in some scenarios."""
        moves, n = self.moves[rows], len(seen.value)
        squares = np.zeros(seen.n_drivers)
        squares[self.curved] = weight @ moves**2
        first, second = self._pairs(seen)
        products = weight @ (moves[:, first] * moves[:, second])
        return np.asarray(
            np.bincount(seen.rows, seen.gamma / 2 * squares[seen.columns], n)
            + np.bincount(seen.cross_rows, seen.cross * products, n)
        )

    def _pairs(self, seen: Sensitivities) -> tuple[Int, Int]:
        """(P,) and (P,) places of the pairs among the curved drivers; any where a pair moves nothing."""
        place = np.zeros(seen.n_drivers, dtype=np.int64)
        place[self.curved] = np.arange(len(self.curved))
        first, second = seen.cross_columns
        return place[first], place[second]


def _drawn(what: int, shape: tuple[int, ...]) -> Float:
    """Standard normal numbers of a driver, or of all in common, and their mirror images."""
    drawn = np.random.default_rng([0, what]).standard_normal(shape)
    return np.concatenate([drawn, -drawn])


def _normal(drawn: Float, deviation: float) -> Float:
    """(S,) normal values in the order of those drawn, at their exact quantiles."""
    n, out = len(drawn), np.empty(len(drawn))
    out[np.argsort(drawn, kind="stable")] = deviation * special.ndtri((np.arange(n) + 0.5) / n)
    return out


def _at(ordered: Float, level: float) -> float:
    """The quantile of losses in order, interpolated."""
    return float(np.interp(level * len(ordered) - 0.5, np.arange(len(ordered)), ordered))
