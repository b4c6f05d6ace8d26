"""What-ifs: other portfolios and other trades than the book's, computed on request and published nowhere."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.daily.book import Book
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.serving.schemas import OptimiseRequest

__all__ = ["BusyError", "OnThreads", "Pool", "Weights", "optimise"]

R = TypeVar("R")


class BusyError(Exception):
    """As many what-ifs are computed and wait as may; ``seconds`` says when to come again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(seconds)
        self.seconds = seconds


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


class Pool(Protocol):
    """Where what-ifs are computed, apart from what reads."""

    async def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """As ``optimise``, or ``BusyError``."""
        ...


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
    loadings = np.array(table["loadings"].to_pylist(), dtype=np.float64).reshape(len(symbols), -1)
    model = FactorModel(loadings, np.eye(loadings.shape[1]), table["specific_variance"].to_numpy())
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


class OnThreads:
    """What-ifs on threads of this process, so that reads go on beside them.

    Parameters
    ----------
    at_a_time : that are computed; as many again wait, and who comes then is sent away.
    seconds : after which whoever waits is sent away. What is being computed goes on, and counts, until it is done.
    """

    def __init__(self, at_a_time: int, seconds: float) -> None:
        self._threads = ThreadPoolExecutor(at_a_time, thread_name_prefix="what-if")
        self._most, self._seconds, self._taken = 2 * at_a_time, seconds, 0

    async def optimise(self, book: Book, request: OptimiseRequest) -> Weights:
        """As ``optimise``.

        Raises
        ------
        BusyError
            Too many wait, or it took too long.
        """
        return await self.compute(lambda: optimise(book, request))

    async def compute(self, work: Callable[[], R]) -> R:
        """The result of some work; raises as ``optimise``."""
        if self._taken >= self._most:
            raise BusyError(int(self._seconds) + 1)
        self._taken += 1
        begun = time.monotonic()
        task = asyncio.get_running_loop().run_in_executor(self._threads, work)
        task.add_done_callback(self._done)
        try:
            return await asyncio.wait_for(asyncio.shield(task), self._seconds)
        except TimeoutError:
            raise BusyError(max(1, int(time.monotonic() - begun))) from None

    def _done(self, task: "asyncio.Future[R]") -> None:
        self._taken -= 1
        if not task.cancelled():
            task.exception()
