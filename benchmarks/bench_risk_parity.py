"""Equal risk contributions from a covariance to weights: quantray in factor and dense form, and its peers.

Usage: python benchmarks/bench_risk_parity.py [--seed 0] [--skip-peers]

Every method solves the same problem: a covariance of 20 factors and specific risk, all long, equal budgets. quantray
takes it as a factor model or as a matrix. Riskfolio-Lib and skfolio take returns; they get ones whose sample
covariance is that matrix, up to rounding, and so the same problem; a peer that is not installed is left out and said
so. The error is the largest relative one of a contribution to variance, which each method's weights show on the matrix.
Exit code 1 when a target is missed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
import pandas as pd
from _record import describe, machine, seconds, table, versions, write_line

from quantray.covariance.factor import FactorModel
from quantray.portfolio.contributions import Covariance, risk_contributions
from quantray.portfolio.risk_parity import risk_parity_weights

FACTORS = 20
FACTOR_SIZES = (500, 1000, 2000, 5000)
DENSE_SIZES = (500, 1000, 2000)
PEER_SIZES = {"riskfolio": (400, 1000), "skfolio": (500,)}
FACTOR_MS = 50.0
DENSE_MS = 150.0
ERROR = 1e-8
FASTER_THAN_RISKFOLIO = 100.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="of the simulated factor models")
    parser.add_argument("--skip-peers", action="store_true", help="measure quantray alone")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    about = machine()
    print(f"Equal risk contributions, {FACTORS} factors, seed {arguments.seed}")
    print(describe(about))
    results = measure(arguments.seed, peers=not arguments.skip_peers)
    print(table(["method and size", "ms", "largest relative error"], [shown(*item) for item in results.items()]))
    ratio = riskfolio_ratio(results)
    missed = targets_missed(results, ratio)
    line = {
        "machine": about,
        "versions": versions("numpy", "scipy", *installed()),
        "seed": arguments.seed,
        "factors": FACTORS,
        "seconds": {name: round(result[0], 6) for name, result in results.items()},
        "largest_error": {name: float(f"{result[1]:.3g}") for name, result in results.items()},
        "times_faster_than_riskfolio_at_1000": ratio and round(ratio, 1),
        "targets": {
            "factor_2000_ms": FACTOR_MS,
            "dense_2000_ms": DENSE_MS,
            "error": ERROR,
            "riskfolio": FASTER_THAN_RISKFOLIO,
        },
        "targets_missed": missed,
    }
    print(f"written: {write_line('bench_risk_parity', line).name}")
    if ratio:
        print(
            f"dense at 1,000 names: {ratio:,.0f} times faster than Riskfolio-Lib (at least {FASTER_THAN_RISKFOLIO:.0f})"
        )
    print("\n".join(f"MISSED: {text}" for text in missed) or "all targets reached")
    return 1 if missed else 0


def measure(seed: int, *, peers: bool) -> dict[str, tuple[float, float]]:
    """Seconds, best of several runs, and the largest relative error of a contribution, by method and size."""
    results = {}
    for n_assets in FACTOR_SIZES:
        model = simulated_model(n_assets, seed)
        results[f"factor {n_assets}"] = timed(model, lambda m=model: risk_parity_weights(m), repeats=20)
    for n_assets in DENSE_SIZES:
        matrix = simulated_model(n_assets, seed).dense()
        results[f"dense {n_assets}"] = timed(matrix, lambda m=matrix: risk_parity_weights(m), repeats=30)
    for name, sizes in PEER_SIZES.items() if peers else ():
        if not find_spec(name):
            print(f"{name} is not installed and is left out")
            continue
        for n_assets in sizes:
            matrix = simulated_model(n_assets, seed).dense()
            results[f"{name} {n_assets}"] = timed(matrix, PEERS[name](matrix), repeats=2)
    return results


def simulated_model(n_assets: int, seed: int) -> FactorModel:
    """A market, weaker factors, and specific volatilities from 1 to 4 % a day."""
    generator = np.random.default_rng([seed, n_assets])
    loadings = generator.normal(0, 1, (n_assets, FACTORS))
    loadings[:, 0] = generator.normal(1, 0.3, n_assets)
    deviation = np.r_[0.01, np.linspace(0.005, 0.001, FACTORS - 1)]
    return FactorModel(loadings, np.diag(deviation**2), generator.uniform(0.01, 0.04, n_assets) ** 2)


def timed(covariance: Covariance, work: Callable[[], np.ndarray], *, repeats: int) -> tuple[float, float]:
    parts = risk_contributions(covariance, work())
    error = float(np.abs(parts * len(parts) / parts.sum() - 1).max())
    return seconds(work, repeats=repeats), error


def returns_with(matrix: np.ndarray) -> np.ndarray:
    """(N + 1, N) returns whose sample covariance is the matrix, up to rounding."""
    n_assets = len(matrix)
    noise = np.random.default_rng(0).normal(size=(n_assets + 1, n_assets))
    basis = np.linalg.qr(noise - noise.mean(axis=0))[0]
    return np.sqrt(n_assets) * basis @ np.linalg.cholesky(matrix).T


def riskfolio(matrix: np.ndarray) -> Callable[[], np.ndarray]:
    import riskfolio as rp  # noqa: PLC0415

    frame = pd.DataFrame(returns_with(matrix), columns=[f"asset {i}" for i in range(len(matrix))])

    def work() -> np.ndarray:
        portfolio = rp.Portfolio(returns=frame)
        portfolio.assets_stats(method_mu="hist", method_cov="hist")
        return portfolio.rp_optimization(model="Classic", rm="MV", rf=0, b=None, hist=True)["weights"].to_numpy()

    return work


def skfolio(matrix: np.ndarray) -> Callable[[], np.ndarray]:
    from skfolio.optimization import RiskBudgeting  # noqa: PLC0415

    returns = returns_with(matrix)
    return lambda: RiskBudgeting().fit(returns).weights_


PEERS: dict[str, Callable[[np.ndarray], Callable[[], np.ndarray]]] = {"riskfolio": riskfolio, "skfolio": skfolio}


def installed() -> list[str]:
    names = {"riskfolio": "riskfolio-lib", "skfolio": "skfolio"}
    return [name for module, name in names.items() if find_spec(module)]


def shown(name: str, result: tuple[float, float]) -> list[str]:
    return [name, f"{result[0] * 1e3:,.1f}", f"{result[1]:.1e}"]


def riskfolio_ratio(results: dict[str, tuple[float, float]]) -> float | None:
    peer = results.get("riskfolio 1000")
    return peer[0] / results["dense 1000"][0] if peer else None


def targets_missed(results: dict[str, tuple[float, float]], ratio: float | None) -> list[str]:
    missed = []
    for name, most in (("factor 2000", FACTOR_MS), ("dense 2000", DENSE_MS)):
        if results[name][0] * 1e3 > most:
            missed.append(f"{name} took {results[name][0] * 1e3:.0f} ms, and at most {most:.0f} are allowed")
    for name, (_, error) in results.items():
        if name.startswith(("factor", "dense")) and error > ERROR:
            missed.append(f"{name} has an error of {error:.1e}, and at most {ERROR:.0e} is allowed")
    if ratio is not None and ratio < FASTER_THAN_RISKFOLIO:
        missed.append(
            f"{ratio:.0f} times faster than Riskfolio-Lib, and at least {FASTER_THAN_RISKFOLIO:.0f} are asked"
        )
    return missed


if __name__ == "__main__":
    sys.exit(main())
