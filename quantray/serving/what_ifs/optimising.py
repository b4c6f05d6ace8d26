"""Another portfolio for a book's names, by other forecasts and limits."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.daily.book import Book, risk_of
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.serving.schemas import OptimiseRequest

__all__ = ["Weights", "optimise"]


@dataclass(frozen=True, eq=False)
class Weights:
    """A portfolio that was asked for, of N names."""

    symbols: tuple[str, ...]
    weights: Float
    """(N,) fractions of NAV."""
    expected_return: float
    """Of a day."""
    volatility: float
    """Of a day."""
    turnover: float
    """Half the sum of absolute changes of weights."""


def optimise(book: Book, request: OptimiseRequest) -> Weights:
    """Weights of the book's names for other forecasts and limits, from the book's weights before its trades.

    Raises
    ------
    InputError
        A name is not in the book, or no name has a model of risk.
    InfeasibleError, SolverError
        As ``MeanVariance.solve``.
    """
    table = book.tables["model"]
    symbols = table["symbol"].to_pylist()
    if not symbols:
        raise InputError("the book has no model of risk, so nothing can be optimised; publish one with forecasts.")
    if unknown := sorted(request.alpha.keys() - set(symbols)):
        raise InputError(f"{unknown[0]} is not in the book of {book.as_of}; name some of its {len(symbols)} symbols.")
    held = book.tables["portfolio"]
    before = dict(zip(held["symbol"].to_pylist(), held["weight_before"].to_pylist(), strict=True))
    previous = np.array([before.get(symbol, 0.0) for symbol in symbols])
    model = risk_of(table)
    low = 0.0 if request.long_only else -request.max_weight
    limits = Limits(
        budget=(1.0, 1.0) if request.long_only else (-request.gross, request.gross),
        weight=(low, request.max_weight),
        gross=None if request.long_only else request.gross,
        turnover=request.max_turnover,
    )
    alpha = np.array([request.alpha.get(symbol, 0.0) for symbol in symbols])
    objective = Objective(risk_aversion=request.risk_aversion, cost_aversion=1.0)
    optimiser = MeanVariance(limits, len(symbols), model.n_factors, objective=objective)
    found = optimiser.solve(alpha=alpha, model=model, previous=previous, market=Market(cost=table["cost"].to_numpy()))
    weights = found.weights
    turnover = float(np.abs(weights - previous).sum()) / 2
    return Weights(tuple(symbols), weights, float(alpha @ weights), float(np.sqrt(model.variance(weights))), turnover)
