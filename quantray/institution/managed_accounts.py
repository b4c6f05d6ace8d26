"""Many accounts in one market, rebalanced at once: what they share is prepared once, what is each one's own is solved.

Forecasts, the factor model with its square root, costs, sectors and betas are shared; holdings, limits, restrictions,
taxes and preferences are an account's own. Accounts are independent of each other, so they are handed out in batches
and give the same numbers wherever they are solved. An account without a solution does not stop the others: it is
recorded with the reason.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from quantray.arrays import Bool, Float, Names
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.solve import Solution
from quantray.research.executor import Executor
from quantray.storage.files import write_atomically
from quantray.storage.seals import to_parquet

__all__ = ["AccountResult", "ManagedAccount", "rebalance_accounts", "write_accounts"]


_TEXTS = ("account", "failure", "status", "binding", "relaxed", "solver")
_NUMBERS = ("objective", "violation", "gap", "turnover", "cost", "tax", "seconds")
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXTS] + [(name, pa.float64()) for name in _NUMBERS] + [("steps", pa.int64())]
)
"""Of the record of accounts; without a solution all but the first two are null."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ManagedAccount:
    """What is an account's own, for N assets.

    Parameters
    ----------
    previous : (N,) weights held, as fractions of the account's NAV.
    limits : its mandate.
    restricted : (N,) names that it must not hold, besides those of the market.
    tax : (N,) of a holding sold, as a fraction of its money (see ``Market``); none by default.
    objective : its preferences; by default those given for all.
    used_turnover : what the year's earlier rebalances used of ``annual_turnover``.
    """

    name: str
    previous: Float
    limits: Limits
    restricted: Bool | None = None
    tax: Float | None = None
    objective: Objective | None = None
    used_turnover: float = 0.0


@dataclass(frozen=True, eq=False)
class AccountResult:
    """An account's new weights with their certificate, or why there are none."""

    name: str
    solution: Solution | None
    turnover: float = 0.0
    """Half the money traded, as a fraction of NAV."""
    cost: float = 0.0
    """Linear and impact costs of the trades, as a fraction of NAV; not times the aversion to them."""
    tax: float = 0.0
    """Of the sales, as a fraction of NAV; negative where losses save more than gains cost."""
    failure: str = ""
    """Why there is no solution."""


@dataclass(frozen=True, eq=False)
class _Common:
    """What all accounts share."""

    alpha: Float
    model: FactorModel
    market: Market
    objective: Objective
    tolerance: float


def rebalance_accounts(
    accounts: Iterable[ManagedAccount],
    *,
    alpha: Float,
    model: FactorModel,
    market: Market | None = None,
    objective: Objective | None = None,
    executor: Executor,
    batch: int = 10,
    tolerance: float = 1e-8,
) -> Iterator[AccountResult]:
    """The best weights of every account within its limits, in the accounts' order.

    Parameters
    ----------
    accounts : read as they are needed, so they may be made on the way.
    alpha : (N,) expected returns over one period.
    model : covariance over the same period.
    market : what costs and limits of all accounts need; a tax here is of every account without one of its own.
    objective : preferences of accounts without their own.
    executor : where batches of accounts are solved.
    batch : accounts that are sent at once.
    tolerance : as of ``MeanVariance``.

    Raises
    ------
    InputError
        ``batch`` is not positive, or two accounts have one name. What else is wrong with an account is its ``failure``.
    """
    if batch < 1:
        raise InputError(f"batch is {batch}; send one account at least.")
    # Before the model is stored: its square root is then made once, for all accounts and workers.
    _ = model.root
    common = _Common(alpha, model, market or Market(), objective or Objective(), tolerance)
    for results in executor.map(_solved, _batches(accounts, batch), shared=executor.put(common)):
        yield from results


def _batches(accounts: Iterable[ManagedAccount], size: int) -> Iterator[tuple[ManagedAccount, ...]]:
    rest, seen = iter(accounts), set[str]()
    while some := tuple(islice(rest, size)):
        for account in some:
            if account.name in seen:
                raise InputError(f"two accounts are called {account.name!r}; give each a name of its own.")
            seen.add(account.name)
        yield some


def _solved(common: _Common, accounts: tuple[ManagedAccount, ...]) -> tuple[AccountResult, ...]:
    return tuple(_result(common, account) for account in accounts)


def _result(common: _Common, account: ManagedAccount) -> AccountResult:
    market = _market_of(common.market, account)
    try:
        optimiser = MeanVariance(
            account.limits,
            common.model.n_assets,
            common.model.n_factors,
            objective=account.objective or common.objective,
            tolerance=common.tolerance,
        )
        solution = optimiser.solve(
            alpha=common.alpha,
            model=common.model,
            previous=account.previous,
            market=market,
            used_turnover=account.used_turnover,
        )
    except (InputError, SolverError) as error:
        return AccountResult(account.name, None, failure=str(error))
    trade = solution.weights - account.previous
    size = np.abs(trade)
    cost = 0.0 if market.cost is None else float(market.cost @ size)
    cost += 0.0 if market.impact is None else float(market.impact @ size**1.5)
    sold = np.minimum(np.maximum(-trade, 0.0), np.maximum(account.previous, 0.0))
    tax = 0.0 if market.tax is None else float(market.tax @ sold)
    return AccountResult(account.name, solution, float(size.sum() / 2), cost, tax)


def _market_of(market: Market, account: ManagedAccount) -> Market:
    restricted = account.restricted
    if restricted is not None and market.restricted is not None:
        restricted = restricted | market.restricted
    return replace(
        market,
        restricted=market.restricted if restricted is None else restricted,
        tax=market.tax if account.tax is None else account.tax,
    )


def write_accounts(folder: Path, results: Sequence[AccountResult], assets: Names) -> None:
    """Record results: ``accounts.parquet`` with a row an account, ``weights.parquet`` with a column an account.

    Parameters
    ----------
    folder : made where it is missing; each file is written whole or not at all, and sealed.
    assets : (N,) names of the rows of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = pa.Table.from_pylist([_row(result) for result in results], _SCHEMA)
    solved = {result.name: result.solution.weights for result in results if result.solution is not None}
    weights = pa.table({"asset": pa.array(assets.tolist(), pa.string()), **solved})
    for name, table in (("weights.parquet", weights), ("accounts.parquet", rows)):
        write_atomically(folder / name, to_parquet(table, name))


def _row(result: AccountResult) -> dict[str, Any]:
    solution = result.solution
    known = {"account": result.name, "failure": result.failure}
    if solution is None:
        return known
    return known | {
        "status": solution.status,
        "objective": solution.objective,
        "violation": solution.residuals.primal,
        "gap": solution.residuals.gap,
        "turnover": result.turnover,
        "cost": result.cost,
        "tax": result.tax,
        "binding": ", ".join(limit.name for limit in solution.binding),
        "relaxed": ", ".join(str(change) for change in solution.relaxed),
        "solver": solution.solver,
        "steps": solution.iterations,
        "seconds": solution.seconds,
    }
