"""Few names, few sectors, few bets: how much of a book hangs on how little."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float, Names, finite_square
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.contributions import Covariance, risk_contributions, vector
from quantray.portfolio.strategy_mix import pairwise_correlation
from quantray.risk.positions.book import Book
from quantray.risk.positions.groups import Groups

__all__ = [
    "Concentration",
    "ConcentrationReport",
    "HighestCorrelation",
    "concentration",
    "concentration_report",
    "effective_bets",
    "highest_correlation",
]


@dataclass(frozen=True)
class Concentration:
    """How exposure is spread over names, or over groups of them."""

    herfindahl: float
    """Sum of squared shares, from 1 over the number of them to 1; zero where nothing is held."""
    largest: tuple[tuple[str, float], ...]
    """Names and shares of the gross exposure, largest first."""

    @property
    def effective(self) -> float:
        """How many of equal size would be as concentrated: one over the Herfindahl index; zero without any."""
        return 1 / self.herfindahl if self.herfindahl > 0 else 0.0


@dataclass(frozen=True)
class ConcentrationReport:
    """The concentration of a book by name, by group and in risk."""

    names: Concentration
    groups: Mapping[str, Concentration]
    """Kind of group -> concentration."""
    factors: Concentration | None
    """Of the factors' variances, each exposure alone; None without a model."""
    risk: Concentration | None
    """Of the positions' parts of the volatility, by size; None without a model."""


def concentration(amounts: Float, names: Names, *, top: int = 10) -> Concentration:
    """The concentration of some amounts, by absolute size.

    Parameters
    ----------
    amounts : (N,) weights, exposures or parts of a risk.
    names : (N,); amounts of one name are added up by size, those of an empty one left out.
    top : how many to name.

    Raises
    ------
    InputError
        The shapes disagree or an amount is missing.
    """
    groups = Groups.of(np.asarray(names, dtype=np.str_))
    return _by_group(vector(amounts, len(groups.places), "amounts"), groups, top)


def concentration_report(book: Book, *, top: int = 10) -> ConcentrationReport:
    """The concentration of a book by name, by every kind of group it has, and in risk if it has a model."""
    groups = {kind: _by_group(book.weights, each, top) for kind, each in book.grouped.items()}
    names = _spread(np.abs(book.weights), book.names, top)
    model = book.model
    if model is None or not book.deviation > 0:
        return ConcentrationReport(names, groups, None, None)
    factors = (model.loadings.T @ book.exposure) ** 2 * np.diagonal(model.factor_covariance)
    parts = np.abs(book.per_position(book.covariances / book.deviation))
    labels = np.asarray(model.factor_names, dtype=np.str_)
    return ConcentrationReport(
        names,
        groups,
        concentration(factors, labels, top=top),
        _spread(parts, book.names, top),
    )


def _by_group(amounts: Float, groups: Groups, top: int) -> Concentration:
    total = groups.sums(np.abs(amounts))
    if groups.names[:1] == ("",):
        total[0] = 0.0
    return _spread(total, groups.names, top)


def _spread(sizes: Float, names: Sequence[str] | Names, top: int) -> Concentration:
    """Of sizes of things with names of their own."""
    total = float(sizes.sum())
    if not total > 0:
        return Concentration(0.0, ())
    share = sizes / total
    # Sorting the largest alone is several times as fast as sorting all.
    most = np.sort(np.argpartition(-share, top)[:top]) if len(share) > top else np.arange(len(share))
    order = most[np.argsort(-share[most], kind="stable")].tolist()
    largest = tuple((str(names[i]), size) for i, size in zip(order, share[order].tolist(), strict=True) if size > 0)
    return Concentration(float((share**2).sum()), largest)


def effective_bets(covariance: Covariance, weights: Float) -> float:
    """How many uncorrelated bets of equal risk a portfolio is: 1 where all risk is one.

    The entropy of the shares of variance that lie in the principal components of the covariance.

    Parameters
    ----------
    covariance : (N, N) or a factor model, which is made a matrix here.
    weights : (N,).

    Raises
    ------
    InputError
        As ``contributions.risk_contributions``.

    Source: Meucci (2009), *Managing diversification*, Risk 22.
    """
    risk_contributions(covariance, weights)
    matrix = covariance.dense() if isinstance(covariance, FactorModel) else finite_square(covariance, "covariance")
    values, vectors = np.linalg.eigh(matrix)
    parts = np.maximum(values, 0.0) * (vectors.T @ np.asarray(weights, dtype=np.float64)) ** 2
    share = parts[parts > 0] / parts.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


@dataclass(frozen=True)
class HighestCorrelation:
    """The two strategies that are most alike."""

    first: str
    second: str
    value: float


def highest_correlation(returns: Float, names: Sequence[str], *, min_days: int = 60) -> HighestCorrelation | None:
    """The pair of the highest correlation; None where no two have enough days together.

    Parameters
    ----------
    returns : (T, S); NaN where a strategy did not trade.
    names : (S,).

    Raises
    ------
    InputError
        The names do not fit.
    """
    if np.ndim(returns) != 2 or returns.shape[1] != len(names):
        raise InputError(f"returns are {np.shape(returns)} for {len(names)} names; give (T, S), one column for each.")
    correlation = pairwise_correlation(np.asarray(returns, dtype=np.float64), min_days=min_days)
    above = np.triu(np.ones(correlation.shape, dtype=np.bool_), 1) & ~np.isnan(correlation)
    if not above.any():
        return None
    first, second = divmod(int(np.argmax(np.where(above, correlation, -np.inf))), len(names))
    return HighestCorrelation(str(names[first]), str(names[second]), float(correlation[first, second]))
