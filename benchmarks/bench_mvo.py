"""Mean-variance re-solves with new data every time: quantray, skfolio, and PIQP and Clarabel by their own interfaces.

Usage: python benchmarks/bench_mvo.py [--seed 0] [--skip-peers | --skip-skfolio]

The mandate: fully invested and long-only with a box, 20 factors, linear cost, turnover, beta, and positions and trades
limited by the average daily volume. A day drifts yesterday's solution with returns of the model and draws a new alpha,
so no two problems share their data. quantray solves through ``MeanVariance.solve`` with all its checks and
certificates: from nothing, which is what is compared, and from the prices of the day before; the cold solve makes the
optimiser too, first thing in this process. Beside it are quantray's interior-point method on the same problems, and the
floor: one matrix of second derivatives if every asset counts, which no method of Newton's kind can leave out.

skfolio gets the same problem at 1,000 names: mean and covariance through a prior of its own kind, box and volume limits
as bounds of single names, beta as inequalities, the turnover through its hook for constraints. PIQP and Clarabel are
set up once, outside the clock, and get new vectors each day; assembling those is outside the clock too. The clock is of
the processor, on one thread, so that other programs disturb it less. Exit code 1 when a target is missed.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import clarabel
import cvxpy as cp
import numpy as np
import piqp
from _record import describe, machine, seconds, table, versions, write_line
from scipy import sparse
from skfolio import RiskMeasure
from skfolio.optimization import MeanRisk, ObjectiveFunction
from skfolio.prior import BasePrior, ReturnDistribution
from threadpoolctl import threadpool_limits

from quantray.covariance.factor import FactorModel
from quantray.portfolio.constraints import Limits, Market
from quantray.portfolio.mean_variance import MeanVariance, Objective
from quantray.portfolio.problem import StructuredProblem, StructuredResult
from quantray.portfolio.solve import Solution
from quantray.portfolio.structured import solve_from_within

FACTORS = 20
SIZES = (500, 1000, 2000, 5000, 10_000)
DAYS = 25
SKFOLIO_NAMES, SKFOLIO_DAYS = 1000, 2
PEER_NAMES, PEER_DAYS = 2000, 10
MILLISECONDS, STEPS, SLOPE = 8.0, 20, 1.05
RESIDUAL = 1e-8
FASTER_THAN_PIQP = 8.0
FASTER_THAN_SKFOLIO = 50.0
SAME_OBJECTIVE = 1e-6

AIM = Objective(risk_aversion=25.0, cost_aversion=5.0)


@dataclass(frozen=True, eq=False)
class Day:
    """What is new on a day, and quantray's answer."""

    alpha: np.ndarray
    previous: np.ndarray
    weights: np.ndarray
    residual: float
    iterations: int
    binding: tuple[str, ...]
    seconds: float
    warm_iterations: int
    warm_seconds: float


@dataclass(frozen=True, eq=False)
class Mandate:
    """A market of N names with its limits."""

    limits: Limits
    model: FactorModel
    market: Market

    def utility(self, day: Day, weights: np.ndarray) -> float:
        """What all methods maximise."""
        cost = AIM.cost_aversion * self.market.cost @ np.abs(weights - day.previous)
        return float(day.alpha @ weights - AIM.risk_aversion / 2 * self.model.variance(weights) - cost)

    def size(self, day: Day, weights: np.ndarray) -> float:
        """The size of the utility's terms, against which differences are measured."""
        cost = AIM.cost_aversion * self.market.cost @ np.abs(weights - day.previous)
        return float(np.abs(day.alpha) @ weights + AIM.risk_aversion / 2 * self.model.variance(weights) + cost)

    def box(self, day: Day) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of single names, those of the volume included."""
        trade = self.limits.adv_trade * self.market.adv
        lower = np.maximum(self.limits.weight[0], day.previous - trade)
        upper = np.minimum(self.limits.weight[1], self.limits.adv_position * self.market.adv)
        return lower, np.minimum(upper, day.previous + trade)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated markets")
    parser.add_argument("--skip-peers", action="store_true", help="measure quantray alone")
    parser.add_argument("--skip-skfolio", action="store_true", help="leave out the peer that takes most of the time")
    arguments = parser.parse_args()
    # The peers warn about their own deprecations; none of it concerns the measurement.
    warnings.simplefilter("ignore")
    about = machine()
    print(f"Mean-variance, {FACTORS} factors, {DAYS} re-solves with new alpha and holdings, seed {arguments.seed}")
    print(describe(about))
    threadpool_limits(1)
    cold = cold_seconds(arguments.seed)
    mandates = {n: simulated_mandate(n, arguments.seed) for n in SIZES}
    days = {n: list(simulated_days(mandate, DAYS, arguments.seed)) for n, mandate in mandates.items()}
    slope = float(np.polyfit(np.log(SIZES), np.log([median_ms(days[n]) for n in SIZES]), 1)[0])
    titles = ["names", "median ms", "best ms", "worst ms", "steps", "most", "from yesterday ms", "steps"]
    titles += ["worst residual", "binding on the last day"]
    print(table(titles, [shown(n, days[n]) for n in SIZES]))
    print(
        f"cold, {PEER_NAMES:,} names: {cold * 1e3:.1f} ms; slope from {SIZES[0]:,} to {SIZES[-1]:,} names: {slope:.2f}"
    )
    floors = {n: floor_ms(mandates[n]) for n in SIZES}
    print("floor ms: " + ", ".join(f"{n:,} names {ms:.2f}" for n, ms in floors.items()))
    peers = {} if arguments.skip_peers else measure_peers(mandates, days, skfolio=not arguments.skip_skfolio)
    for name, peer in peers.items():
        print(f"{name}: {', '.join(f'{key} {value:.4g}' for key, value in peer.items())}")
    missed = targets_missed(days, slope, peers)
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "skfolio", "cvxpy", "piqp", "clarabel"),
        "seed": arguments.seed,
        "factors": FACTORS,
        "days": DAYS,
        "clock": "processor time, one thread",
        "median_ms": {n: round(median_ms(days[n]), 3) for n in SIZES},
        "best_ms": {n: round(min(day.seconds for day in days[n]) * 1e3, 3) for n in SIZES},
        "worst_ms": {n: round(max(day.seconds for day in days[n]) * 1e3, 3) for n in SIZES},
        "worst_residual": {n: float(f"{max(day.residual for day in days[n]):.3g}") for n in SIZES},
        "steps": {n: [int(np.median(steps)), max(steps)] for n in SIZES for steps in [[d.iterations for d in days[n]]]},
        "warm_ms": {n: round(warm_ms(days[n]), 3) for n in SIZES},
        "warm_steps": {n: int(np.median([day.warm_iterations for day in days[n][1:]])) for n in SIZES},
        "floor_ms": {n: round(ms, 3) for n, ms in floors.items()},
        "cold_ms": round(cold * 1e3, 3),
        "slope": round(slope, 3),
        "peers": {name: {key: float(f"{value:.5g}") for key, value in peer.items()} for name, peer in peers.items()},
        "targets": {
            "ms_at_2000": MILLISECONDS,
            "steps": STEPS,
            "slope": SLOPE,
            "times_piqp_at_2000": FASTER_THAN_PIQP,
            "residual": RESIDUAL,
            "times_skfolio_at_1000": FASTER_THAN_SKFOLIO,
            "objective": SAME_OBJECTIVE,
        },
        "targets_missed": missed,
    }
    print(f"written: {write_line('bench_mvo', line).name}")
    print("\n".join(f"MISSED: {text}" for text in missed) or "all targets reached")
    return 1 if missed else 0


def simulated_mandate(n_assets: int, seed: int) -> Mandate:
    """Daily risk of a market, weaker factors and names; a billion under management where 2,000 names trade."""
    generator = np.random.default_rng([seed, n_assets])
    loadings = generator.normal(0, 1, (n_assets, FACTORS))
    loadings[:, 0] = generator.normal(1, 0.3, n_assets)
    deviation = np.r_[0.01, np.linspace(0.005, 0.001, FACTORS - 1)]
    model = FactorModel(loadings, np.diag(deviation**2), generator.uniform(0.01, 0.04, n_assets) ** 2)
    # More names, less money in each: a day's volume in units of NAV falls like an equal weight.
    adv = 40 / n_assets * generator.lognormal(0, 1, n_assets)
    market = Market(cost=generator.uniform(2e-4, 1e-3, n_assets), beta=loadings[:, 0], adv=adv)
    limits = Limits(
        budget=(1.0, 1.0),
        weight=(0.0, max(0.01, 10 / n_assets)),
        turnover=0.05,
        beta=(0.9, 1.1),
        adv_position=0.5,
        adv_trade=0.05,
    )
    return Mandate(limits, model, market)


def simulated_days(mandate: Mandate, count: int, seed: int) -> Iterator[Day]:
    """Days in sequence; the first starts from a portfolio in proportion to volume."""
    n_assets = mandate.model.n_assets
    generator = np.random.default_rng([seed, n_assets, 1])
    optimiser = MeanVariance(mandate.limits, n_assets, FACTORS, objective=AIM)
    previous, start = starting_weights(mandate), None
    for _ in range(count):
        alpha = generator.normal(0, 2e-3, n_assets)
        new = {"alpha": alpha, "model": mandate.model, "previous": previous, "market": mandate.market}
        solution, spent = timed(lambda new=new: optimiser.solve(**new))
        warm, warm_seconds = timed(lambda new=new, start=start: optimiser.solve(**new, start=start))
        yield Day(
            alpha,
            previous,
            solution.weights,
            max(solution.residuals.worst, warm.residuals.worst),
            solution.iterations,
            tuple(limit.name for limit in solution.binding),
            spent,
            warm.iterations,
            warm_seconds,
        )
        start = solution.prices
        factors = generator.normal(size=FACTORS) * np.sqrt(np.diag(mandate.model.factor_covariance))
        own = generator.normal(size=n_assets) * np.sqrt(mandate.model.specific_variance)
        drifted = solution.weights * (1 + mandate.model.loadings @ factors + own)
        previous = drifted / drifted.sum()


def timed(work: Callable[[], Solution | StructuredResult]) -> tuple:
    """What it gives, and its seconds."""
    start = time.process_time()
    done = work()
    return done, time.process_time() - start


def starting_weights(mandate: Mandate) -> np.ndarray:
    weights = np.minimum(mandate.market.adv / mandate.market.adv.sum(), mandate.limits.weight[1])
    return weights / weights.sum()


def cold_seconds(seed: int) -> float:
    """The first solve of this process, with the making of the optimiser."""
    mandate = simulated_mandate(PEER_NAMES, seed)
    alpha, previous = np.random.default_rng(seed).normal(0, 2e-3, PEER_NAMES), starting_weights(mandate)
    start = time.process_time()
    optimiser = MeanVariance(mandate.limits, PEER_NAMES, FACTORS, objective=AIM)
    optimiser.solve(alpha=alpha, model=mandate.model, previous=previous, market=mandate.market)
    return time.process_time() - start


def measure_peers(
    mandates: dict[int, Mandate], days: dict[int, list[Day]], *, skfolio: bool
) -> dict[str, dict[str, float]]:
    """Median milliseconds, how many times quantray's on the same days, and the largest difference of utility."""
    some = days[PEER_NAMES][:PEER_DAYS]
    most = SIZES[-1]
    found = {
        f"interior point {PEER_NAMES}": compared(mandates[PEER_NAMES], some, some, from_within),
        f"interior point {most}": compared(mandates[most], days[most][:PEER_DAYS], days[most], from_within),
        f"piqp {PEER_NAMES}": compared(mandates[PEER_NAMES], some, some, by_piqp),
        f"clarabel {PEER_NAMES}": compared(mandates[PEER_NAMES], some, some, by_clarabel),
    }
    if skfolio:
        last = days[SKFOLIO_NAMES][-SKFOLIO_DAYS:]
        found[f"skfolio {SKFOLIO_NAMES}"] = compared(mandates[SKFOLIO_NAMES], last, days[SKFOLIO_NAMES], by_skfolio)
    return found


def compared(mandate: Mandate, some: list[Day], own: list[Day], method) -> dict[str, float]:
    taken, difference = [], 0.0
    for day, (weights, spent) in zip(some, method(mandate, some), strict=True):
        taken.append(spent)
        gap = mandate.utility(day, day.weights) - mandate.utility(day, weights)
        difference = max(difference, abs(gap) / mandate.size(day, day.weights))
    ms = float(np.median(taken)) * 1e3
    return {"median_ms": ms, "best_ms": min(taken) * 1e3, "times": ms / median_ms(own), "difference": difference}


def from_within(mandate: Mandate, days: list[Day]) -> Iterator[tuple[np.ndarray, float]]:
    """The interior-point method alone, without what ``MeanVariance`` adds."""
    for day in days:
        result, spent = timed(lambda day=day: solve_from_within(problem_of(mandate, day)))
        if not result.converged:
            raise SystemExit("the interior-point method did not solve the problem")
        yield result.weights, spent


def problem_of(mandate: Mandate, day: Day) -> StructuredProblem:
    lower, upper = mandate.box(day)
    low, high = mandate.limits.beta
    return StructuredProblem(
        linear=-day.alpha,
        diagonal=AIM.risk_aversion * mandate.model.specific_variance,
        root=np.sqrt(AIM.risk_aversion) * mandate.model.root,
        previous=day.previous,
        lower=lower,
        upper=upper,
        rows=np.array([np.ones(len(lower)), mandate.market.beta]),
        row_lower=np.array([1.0, low]),
        row_upper=np.array([1.0, high]),
        cost=AIM.cost_aversion * mandate.market.cost,
        turnover=2 * mandate.limits.turnover,
    )


def floor_ms(mandate: Mandate) -> float:
    """Of one second derivative: the product of all columns with themselves."""
    columns = np.vstack([mandate.model.root.T, np.ones(mandate.model.n_assets), mandate.market.beta])
    return seconds(lambda: columns @ columns.T, repeats=15) * 1e3


class GivenMoments(BasePrior):
    """A prior that knows mean and covariance and looks at no returns."""

    def __init__(self, mu: np.ndarray, covariance: np.ndarray) -> None:
        self.mu, self.covariance = mu, covariance

    def fit(self, X, y=None, **fit_params) -> "GivenMoments":  # noqa: N803
        """Hand over what is known."""
        self.return_distribution_ = ReturnDistribution(mu=self.mu, covariance=self.covariance, returns=np.asarray(X))
        self.n_features_in_ = len(self.mu)
        return self


def by_skfolio(mandate: Mandate, days: list[Day]) -> Iterator[tuple[np.ndarray, float]]:
    covariance = mandate.model.dense()
    returns = np.random.default_rng(0).normal(0, 0.01, (2, len(covariance)))
    beta, (low, high) = mandate.market.beta, mandate.limits.beta
    for day in days:
        lower, upper = mandate.box(day)
        estimator = MeanRisk(
            objective_function=ObjectiveFunction.MAXIMIZE_UTILITY,
            risk_measure=RiskMeasure.VARIANCE,
            risk_aversion=AIM.risk_aversion / 2,
            prior_estimator=GivenMoments(day.alpha, covariance),
            min_weights=lower,
            max_weights=upper,
            budget=1.0,
            transaction_costs=AIM.cost_aversion * mandate.market.cost,
            previous_weights=day.previous,
            left_inequality=np.array([beta, -beta]),
            right_inequality=np.array([high, -low]),
            add_constraints=turnover_limit(day.previous, 2 * mandate.limits.turnover),
        )
        start = time.process_time()
        estimator.fit(returns)
        yield estimator.weights_, time.process_time() - start


def turnover_limit(held: np.ndarray, most: float) -> Callable[[cp.Variable], cp.Constraint]:
    def limit(w: cp.Variable) -> cp.Constraint:
        return cp.norm1(w - held) <= most

    return limit


@dataclass(frozen=True, eq=False)
class Program:
    """Minimise ``x'Px / 2 + q'x``, ``Ax = b``, ``low <= Gx <= high``; x is weights, trades and factor exposures."""

    quadratic: sparse.csc_matrix
    equal: sparse.csc_matrix
    equal_to: np.ndarray
    between: sparse.csc_matrix


def program_of(mandate: Mandate) -> Program:
    n_assets, risk = mandate.model.n_assets, AIM.risk_aversion
    eye, root = sparse.identity(n_assets), np.sqrt(risk) * mandate.model.root
    ones = np.ones((1, n_assets))
    specific = sparse.diags(risk * mandate.model.specific_variance)
    none, wide, thin = (
        sparse.csc_matrix((n_assets, n_assets)),
        *(sparse.csc_matrix(shape) for shape in ((n_assets, FACTORS), (1, FACTORS))),
    )
    blank = sparse.csc_matrix((1, n_assets))
    equal = sparse.bmat([[root.T, wide.T, -sparse.identity(FACTORS)], [ones, blank, thin]])
    between = sparse.bmat(
        [[eye, -eye, wide], [-eye, -eye, wide], [blank, ones, thin], [mandate.market.beta[None, :], blank, thin]]
    )
    quadratic = sparse.block_diag([specific, none, sparse.identity(FACTORS)])
    return Program(quadratic.tocsc(), equal.tocsc(), np.r_[np.zeros(FACTORS), 1.0], between.tocsc())


def vectors_of(mandate: Mandate, day: Day) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The linear term, and the limits of ``between`` from below and above."""
    linear = np.concatenate([-day.alpha, AIM.cost_aversion * mandate.market.cost, np.zeros(FACTORS)])
    low, high = mandate.limits.beta
    below = np.r_[np.full(2 * len(day.alpha) + 1, -1e30), low]
    return linear, below, np.r_[day.previous, -day.previous, 2 * mandate.limits.turnover, high]


def by_piqp(mandate: Mandate, days: list[Day]) -> Iterator[tuple[np.ndarray, float]]:
    program, solver = program_of(mandate), piqp.SparseSolver()
    solver.settings.eps_abs, solver.settings.eps_rel = 1e-8, 1e-9
    n_assets = mandate.model.n_assets
    free = np.full(n_assets + FACTORS, 1e30)
    for place, day in enumerate(days):
        linear, below, above = vectors_of(mandate, day)
        lower, upper = mandate.box(day)
        bounds = {"x_l": np.r_[lower, -free], "x_u": np.r_[upper, free]}
        limits = {"h_l": below, "h_u": above}
        if place == 0:
            solver.setup(
                program.quadratic, linear, program.equal, program.equal_to, program.between, below, above, **bounds
            )
        start = time.process_time()
        solver.update(c=linear, **limits, **bounds)
        if solver.solve() != piqp.PIQP_SOLVED:
            raise SystemExit("PIQP did not solve the problem")
        yield np.array(solver.result.x)[:n_assets], time.process_time() - start


def by_clarabel(mandate: Mandate, days: list[Day]) -> Iterator[tuple[np.ndarray, float]]:
    program, solver = program_of(mandate), None
    n_assets = mandate.model.n_assets
    select = sparse.hstack([sparse.identity(n_assets), sparse.csc_matrix((n_assets, n_assets + FACTORS))])
    matrix = sparse.vstack([program.equal, program.between, -program.between[-1:], select, -select]).tocsc()
    cones = [clarabel.ZeroConeT(FACTORS + 1), clarabel.NonnegativeConeT(matrix.shape[0] - FACTORS - 1)]
    settings = clarabel.DefaultSettings()
    # Presolve would drop rows and so forbid new data.
    settings.verbose, settings.presolve_enable = False, False
    for day in days:
        linear, below, above = vectors_of(mandate, day)
        lower, upper = mandate.box(day)
        right = np.concatenate([program.equal_to, above, -below[-1:], upper, -lower])
        if solver is None:
            quadratic = sparse.triu(program.quadratic).tocsc()
            solver = clarabel.DefaultSolver(quadratic, linear, matrix, right, cones, settings)
        start = time.process_time()
        solver.update(q=linear, b=right)
        solution = solver.solve()
        if solution.status != clarabel.SolverStatus.Solved:
            raise SystemExit(f"Clarabel: {solution.status}")
        yield np.array(solution.x)[:n_assets], time.process_time() - start


def targets_missed(days: dict[int, list[Day]], slope: float, peers: dict[str, dict[str, float]]) -> list[str]:
    missed = []
    if (ms := median_ms(days[PEER_NAMES])) > MILLISECONDS:
        missed.append(f"{ms:.1f} ms at {PEER_NAMES:,} names, at most {MILLISECONDS:.0f}")
    if (worst := max(day.residual for some in days.values() for day in some)) > RESIDUAL:
        missed.append(f"a residual of {worst:.1e}, at most {RESIDUAL:.0e}")
    if (most := max(day.iterations for some in days.values() for day in some)) > STEPS:
        missed.append(f"{most} steps, at most {STEPS}")
    if slope > SLOPE:
        missed.append(f"a slope of {slope:.2f}, at most {SLOPE}")
    for name, peer in peers.items():
        if name.startswith("piqp") and peer["times"] < FASTER_THAN_PIQP:
            missed.append(f"{peer['times']:.1f} times faster than PIQP, at least {FASTER_THAN_PIQP:.0f}")
        if peer["difference"] > SAME_OBJECTIVE:
            missed.append(f"utility differs from that of {name} by {peer['difference']:.1e} of its size")
        if name.startswith("skfolio") and peer["times"] < FASTER_THAN_SKFOLIO:
            missed.append(f"{peer['times']:.0f} times faster than skfolio, at least {FASTER_THAN_SKFOLIO:.0f}")
    return missed


def median_ms(days: list[Day]) -> float:
    return float(np.median([day.seconds for day in days])) * 1e3


def warm_ms(days: list[Day]) -> float:
    """From the prices of the day before; the first day has none."""
    return float(np.median([day.warm_seconds for day in days[1:]])) * 1e3


def shown(n_assets: int, days: list[Day]) -> list[str]:
    spent = [day.seconds for day in days]
    return [
        f"{n_assets:,}",
        f"{median_ms(days):.1f}",
        f"{min(spent) * 1e3:.1f}",
        f"{max(spent) * 1e3:.1f}",
        f"{np.median([day.iterations for day in days]):.0f}",
        f"{max(day.iterations for day in days)}",
        f"{warm_ms(days):.1f}",
        f"{np.median([day.warm_iterations for day in days[1:]]):.0f}",
        f"{max(day.residual for day in days):.1e}",
        ", ".join(days[-1].binding),
    ]


if __name__ == "__main__":
    sys.exit(main())
