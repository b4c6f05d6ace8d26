"""Mean-variance of few names: quantray against PIQP, with all that a solve needs, at the sizes where PIQP is quicker.

Usage: python benchmarks/bench_mvo_small.py [--seed 0]

The mandate and the days are those of ``bench_mvo.py`` with 20 factors. On every day each of these is timed, one after
the other, in processor time on one thread:

* quantray: ``MeanVariance.solve`` with checks, limits, certificate and shadow prices; and of it the method alone,
  certificate included.
* PIQP alone: ``update`` and ``solve``, as it is told of by itself.
* with vectors: the vectors of the day, too, as where the model stays.
* with a model: new values of its matrices, too, put into sparse matrices that are kept, which is the quickest way.
* with scipy: the matrices put together by ``scipy.sparse`` and set up anew, as a program would that keeps nothing.
* certified: with a model, and the same certificate as quantray's from the prices that PIQP gives.

All weights agree in utility to 1e-6 of its terms. Exit code 1 where they do not, or a certificate fails.
"""

import argparse
import sys
import warnings
from dataclasses import dataclass, field

import numpy as np
import piqp
from _record import describe, machine, table, versions, write_line
from bench_mvo import (
    AIM,
    FACTORS,
    SAME_OBJECTIVE,
    Day,
    Mandate,
    Program,
    problem_of,
    program_of,
    simulated_days,
    simulated_mandate,
    timed,
    vectors_of,
)
from threadpoolctl import threadpool_limits

from quantray.portfolio.mean_variance import MeanVariance
from quantray.portfolio.problem import certified_gap
from quantray.portfolio.structured import solve_structured

SIZES = (10, 20, 50, 100, 150, 200)
DAYS = 40
CERTIFIED = 1e-8
WAYS = ("quantray", "its method", "PIQP alone", "with vectors", "with a model", "with scipy", "certified")


@dataclass
class Found:
    """Seconds by way, and what PIQP's weights are worth."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    gap: float = 0.0
    """The largest certificate of PIQP's weights, relative to the size of the utility's terms."""
    apart: float = 0.0
    """The largest difference in utility, alike."""

    def ms(self, way: str) -> float:
        """The median."""
        return float(np.median(self.seconds[way])) * 1e3


class Piqp:
    """PIQP on one mandate, with matrices that are kept."""

    def __init__(self, mandate: Mandate, day: Day) -> None:
        self.mandate, self.n = mandate, mandate.model.n_assets
        self.free = np.full(self.n + FACTORS, 1e30)
        self.program = program_of(mandate)
        self.solver = self.made(self.program, self.vectors(day))

    def vectors(self, day: Day) -> dict[str, np.ndarray]:
        """All that is new where the model stays."""
        linear, below, above = vectors_of(self.mandate, day)
        lower, upper = self.mandate.box(day)
        bounds = {"x_l": np.concatenate([lower, -self.free]), "x_u": np.concatenate([upper, self.free])}
        return {"c": linear, "h_l": below, "h_u": above, **bounds}

    def made(self, program: Program, new: dict[str, np.ndarray]) -> piqp.SparseSolver:
        """A solver, set up."""
        solver = piqp.SparseSolver()
        solver.settings.eps_abs, solver.settings.eps_rel = 1e-11, 1e-12
        bounds = {name: new[name] for name in ("x_l", "x_u")}
        given = (program.quadratic, new["c"], program.equal, program.equal_to, program.between, new["h_l"], new["h_u"])
        solver.setup(*given, **bounds)
        return solver

    def matrices(self) -> dict[str, object]:
        """The kept matrices with the model's values: columns of names lie first, their entries by row."""
        model, program, n = self.mandate.model, self.program, self.n
        root = np.sqrt(AIM.risk_aversion) * model.root
        program.quadratic.data[:n] = AIM.risk_aversion * model.specific_variance
        program.equal.data[: n * (FACTORS + 1)].reshape(n, FACTORS + 1)[:, :FACTORS] = root
        program.between.data[: 3 * n].reshape(n, 3)[:, 2] = self.mandate.market.beta
        return {"P": program.quadratic, "A": program.equal, "G": program.between}

    def solved(self, solver: piqp.SparseSolver) -> np.ndarray:
        """The weights."""
        if solver.solve() != piqp.PIQP_SOLVED:
            raise SystemExit("PIQP did not solve the problem")
        return np.array(solver.result.x)[: self.n]

    def updated(self, **new: object) -> np.ndarray:
        """The weights for new data in the kept solver."""
        self.solver.update(**new)
        return self.solved(self.solver)

    def anew(self, day: Day) -> np.ndarray:
        """The weights where nothing is kept."""
        return self.solved(self.made(program_of(self.mandate), self.vectors(day)))

    def certified(self, day: Day) -> float:
        """The gap that the prices of the last solution certify, relative to the size of the terms."""
        problem, result = problem_of(self.mandate, day), self.solver.result
        sums = np.array(result.z_u) - np.array(result.z_l)
        weights = np.clip(np.array(result.x)[: self.n], problem.lower, problem.upper)
        prices = np.array([result.y[FACTORS], sums[-1]])
        return certified_gap(problem, weights, prices, max(float(sums[-2]), 0.0), 0.0) / problem.size(weights)


def measured(n_assets: int, seed: int) -> Found:
    """Each way on each day."""
    mandate = simulated_mandate(n_assets, seed)
    days, found = list(simulated_days(mandate, DAYS, seed)), Found()
    optimiser = MeanVariance(mandate.limits, n_assets, FACTORS, objective=AIM)
    peer = Piqp(mandate, days[0])
    for day in days:
        problem, new = problem_of(mandate, day), peer.vectors(day)
        given = {"alpha": day.alpha, "model": mandate.model, "previous": day.previous, "market": mandate.market}
        ways = {
            "quantray": lambda given=given: optimiser.solve(**given).weights,
            "its method": lambda problem=problem: solve_structured(problem).weights,
            "PIQP alone": lambda new=new: peer.updated(**new),
            "with vectors": lambda day=day: peer.updated(**peer.vectors(day)),
            "with a model": lambda day=day: peer.updated(**peer.vectors(day), **peer.matrices()),
            "with scipy": lambda day=day: peer.anew(day),
        }
        for way, work in ways.items():
            weights, spent = timed(work)
            found.seconds[way].append(spent)
            apart = abs(mandate.utility(day, weights) - mandate.utility(day, day.weights)) / mandate.size(day, weights)
            found.apart = max(found.apart, apart)
        gap, spent = timed(lambda day=day: peer.certified(day))
        found.gap = max(found.gap, gap)
        found.seconds["certified"].append(found.seconds["with a model"][-1] + spent)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated markets")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    about = machine()
    print(f"Mean-variance, {FACTORS} factors, {DAYS} re-solves, medians in ms, seed {arguments.seed}")
    print(describe(about))
    with threadpool_limits(1):
        found = {n: measured(n, arguments.seed) for n in SIZES}
    print(table(["names", *WAYS], [[str(n), *(f"{each.ms(way):.2f}" for way in WAYS)] for n, each in found.items()]))
    gap, apart = max(each.gap for each in found.values()), max(each.apart for each in found.values())
    print(f"PIQP's weights are certified to {gap:.1e}; utilities differ by {apart:.1e}")
    passed = gap <= CERTIFIED and apart <= SAME_OBJECTIVE
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", "piqp"),
        "seed": arguments.seed,
        "factors": FACTORS,
        "days": DAYS,
        "clock": "processor time, one thread",
        "median_ms": {n: {way: round(each.ms(way), 3) for way in WAYS} for n, each in found.items()},
        "piqp_gap": float(f"{gap:.3g}"),
        "utility_apart": float(f"{apart:.3g}"),
        "passed": passed,
    }
    print(f"written: {write_line('bench_mvo_small', line).name}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
