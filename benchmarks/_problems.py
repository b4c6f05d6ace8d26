"""Random portfolio problems of the structured class that have a solution; most are hard in one way."""

from dataclasses import replace

import numpy as np

from quantray.portfolio.problem import StructuredProblem

KINDS = (
    "plain",
    "tight turnover",
    "nearly infeasible",
    "huge costs",
    "no quadratic",
    "identical assets",
    "no alpha",
    "fixed names",
    "market neutral from cash",
    "short costs",
    "gross limit",
    "3/2 impact",
)
SIZES = (1, 5, 20, 60, 150)


def kind_of(seed: int, kinds: tuple[str, ...] = KINDS) -> str:
    """The way in which the problem of a seed is hard."""
    return kinds[seed % len(kinds)]


def random_problem(
    seed: int, *, kinds: tuple[str, ...] = KINDS, sizes: tuple[int, ...] = SIZES
) -> tuple[StructuredProblem, np.ndarray]:
    """A problem and weights within its limits.

    Its numbers are scaled by up to ten thousand; rows are equalities, a millionth wide, or wide.
    """
    generator = np.random.default_rng(seed)
    kind = kind_of(seed, kinds)
    n_assets = int(generator.choice(sizes))
    n_factors = int(generator.integers(0, min(n_assets, 12) + 1))
    long_only = kind not in ("market neutral from cash", "short costs", "gross limit") and generator.random() < 0.6
    scale = 10 ** generator.uniform(-3, 1)
    from_cash = kind == "market neutral from cash" or generator.random() < 0.2
    previous = np.zeros(n_assets) if from_cash else generator.dirichlet(np.ones(n_assets))
    if long_only:
        within = generator.dirichlet(np.full(n_assets, 5.0))
    else:
        within = generator.normal(size=n_assets) * 0.02
        within -= within.mean()
    lower = np.zeros(n_assets) if long_only else np.minimum(-generator.uniform(0.05, 1), within - 5e-4)
    upper = np.maximum(max(generator.uniform(1.05, 8) / n_assets, 0.01), within + 1e-3)
    rows, width = [np.ones(n_assets)], [0.0]
    for _ in range(int(generator.integers(0, 4))):
        rows.append(generator.normal(1, 0.5, n_assets))
        width.append(float(generator.choice([0, 1e-6, 0.05])))
    values = np.array(rows) @ within
    linear_cost = 10 ** generator.uniform(-5, -2) * scale if generator.random() < 0.8 else 0.0
    needed = float(np.abs(within - previous).sum())
    slack = generator.choice([1e-6, 1e-3, 0.1, 1.0])
    problem = StructuredProblem(
        linear=-generator.normal(size=n_assets) * scale * 0.1,
        diagonal=generator.uniform(0.05, 0.2, n_assets) * scale,
        root=generator.normal(size=(n_assets, n_factors)) * np.sqrt(scale) * 0.3,
        previous=previous,
        lower=lower,
        upper=upper,
        rows=np.array(rows),
        row_lower=values - width,
        row_upper=values + width,
        cost=np.full(n_assets, linear_cost),
        turnover=needed * (1 + slack) if generator.random() < 0.6 else np.inf,
    )
    return _made_hard(problem, kind, within, scale, generator), within


def _made_hard(
    problem: StructuredProblem, kind: str, within: np.ndarray, scale: float, generator: np.random.Generator
) -> StructuredProblem:
    n_assets = len(within)
    needed = float(np.abs(within - problem.previous).sum())
    match kind:
        case "tight turnover":
            return replace(problem, turnover=needed * (1 + 1e-6))
        case "nearly infeasible":
            return replace(problem, turnover=needed * (1 + 1e-9))
        case "huge costs":
            return replace(problem, cost=np.full(n_assets, 100 * scale))
        case "no quadratic":
            return replace(problem, diagonal=np.zeros(n_assets))
        case "identical assets":
            half = n_assets // 2
            root, diagonal = problem.root.copy(), problem.diagonal.copy()
            root[half : 2 * half] = root[:half]
            diagonal[: 2 * half] = 0.0
            return replace(problem, root=root, diagonal=diagonal)
        case "no alpha":
            return replace(problem, linear=np.zeros(n_assets))
        case "fixed names":
            fixed = np.arange(n_assets) < n_assets // 3
            return replace(
                problem,
                lower=np.where(fixed, within, problem.lower),
                upper=np.where(fixed, within, problem.upper),
            )
        case "short costs":
            return replace(problem, short=np.full(n_assets, scale * 0.01))
        case "gross limit":
            room = generator.choice([1e-4, 0.1, 1.0])
            return replace(problem, gross=float(np.abs(within).sum()) * (1 + room))
        case "3/2 impact":
            return replace(problem, impact=generator.uniform(0.0, 0.1, n_assets) * scale)
        case _:
            return problem
