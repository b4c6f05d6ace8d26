"""Risk budgeting for thousands of assets: every asset contributes its share of the portfolio's risk."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError, SolverError
from quantray.portfolio.contributions import Covariance, checked, product, variances, vector

__all__ = ["risk_parity_weights"]

MOST_STEPS = 100
FEW_STEPS = 20
MOST_INNER_STEPS = 60
STRUCTURE = 50
MOST_ROUNDING = 1e-8
EPS = float(np.finfo(float).eps)
NOT_PSD = "the covariance is not positive semidefinite; repair it with estimators.nearest_psd."


def risk_parity_weights(
    covariance: Covariance,
    budget: Float | None = None,
    *,
    signs: Float | None = None,
    tolerance: float = 1e-10,
) -> Float:
    """Weights whose contributions to variance have given shares, by default equal ones.

    The weights minimise ``w' covariance w / 2 - sum(budget * log(signs * w))``, up to scale. That is convex with one
    solution, found by Newton's method on relative changes of the weights. Its linear systems are solved by Woodbury's
    identity for a factor model, so that nothing larger than (N, K) exists, and by conjugate gradients for a matrix.

    Parameters
    ----------
    covariance : (N, N) of returns, or a factor model of N assets; every variance positive.
    budget : (N,) positive shares of the variance that sum to one.
    signs : (N,) of 1 for a long and -1 for a short position; by default all long.
    tolerance : largest allowed error of a contribution, relative to its budget; where assets hedge each other closely,
        what rounding causes is allowed too, up to 1e-8 of the portfolio's variance.

    Returns
    -------
    (N,) weights with the given signs whose absolute values sum to one.

    Raises
    ------
    InputError
        The covariance is not square, symmetric and finite, a variance is not positive, a budget is not positive or
        they do not sum to one, a sign is neither 1 nor -1, or the tolerance is out of range.
    SolverError
        Positions with these signs can hedge each other completely, so that no portfolio meets the budget; the
        covariance is not positive semidefinite; or rounding keeps the error above the tolerance.

    Source: Spinu (2013), *An algorithm for computing risk parity weights*; Maillard, Roncalli and Teiletche (2010),
    *The properties of equally weighted risk contribution portfolios*, Journal of Portfolio Management 36(4).
    """
    covariance = checked(covariance)
    variance = variances(covariance)
    if not (variance > 0).all():
        raise InputError(f"{int((~(variance > 0)).sum())} assets have no positive variance; drop them first.")
    if not 0 < tolerance < 1:
        raise InputError(f"tolerance {tolerance} must lie between 0 and 1; 1e-10 is the default.")
    n_assets = len(variance)
    scale = _signs(signs, n_assets) / np.sqrt(variance)
    exposure = _solve(_Barrier(covariance, scale, _budget(budget, n_assets)), tolerance)
    weights = exposure * scale
    return np.asarray(weights / np.abs(weights).sum())


def _budget(budget: Float | None, n_assets: int) -> Float:
    if budget is None:
        return np.full(n_assets, 1.0 / n_assets)
    budget = vector(budget, n_assets, "risk budgets")
    if not (budget > 0).all():
        raise InputError(f"{int((budget <= 0).sum())} risk budgets are not positive; drop assets that shall bear none.")
    if abs(budget.sum() - 1) > 1e-9:
        raise InputError(f"the risk budgets sum to {budget.sum():.6g}; divide them by their sum to make it 1.")
    return np.asarray(budget / budget.sum())


def _signs(signs: Float | None, n_assets: int) -> Float:
    if signs is None:
        return np.ones(n_assets)
    signs = vector(signs, n_assets, "signs")
    if not (np.abs(signs) == 1).all():
        raise InputError("signs must be 1 for a long and -1 for a short position; drop assets that shall not be held.")
    return signs


@dataclass(frozen=True, eq=False)
class _Barrier:
    """The problem in exposures: positive numbers that count positions in units of the assets' volatilities."""

    covariance: Covariance
    scale: Float
    """(N,) weight of an exposure of one."""
    budget: Float

    def risk(self, exposure: Float) -> Float:
        """The correlation matrix, with signs, times (N,) exposures, or times each row of (M, N)."""
        return self.scale * product(self.covariance, (self.scale * exposure).T).T

    def newton(self, exposure: Float, gradient: Float, accuracy: float) -> Float:
        """Solve the Newton system in relative changes of exposures times the roots of budgets.

        In these units the matrix is I + G with G positive semidefinite, and at the solution of an ordinary problem
        no eigenvalue of G exceeds one by much, which makes conjugate gradients converge in a few steps. Positions
        that hedge the strong factors leave those as large eigenvalues: then a low-rank model of them preconditions.
        """
        relative = exposure / np.sqrt(self.budget)
        unit = self.scale * relative
        if isinstance(self.covariance, FactorModel):
            return _woodbury(self.covariance, unit)(gradient)
        change = _conjugate_gradients(self.covariance, unit, gradient, accuracy, lambda residual: residual, FEW_STEPS)
        if change is None:
            precondition = _woodbury(self.structure, relative)
            change = _conjugate_gradients(self.covariance, unit, gradient, accuracy, precondition, MOST_INNER_STEPS)
        return _cholesky(self.covariance, unit, gradient) if change is None else change

    @cached_property
    def structure(self) -> FactorModel:
        """The correlation matrix, with signs, by its leading eigenvectors (randomised subspace iteration)."""
        n_assets = len(self.scale)
        start = np.random.default_rng(0).normal(size=(n_assets, min(n_assets, STRUCTURE)))
        basis = np.linalg.qr(self.risk(start.T).T)[0]
        values, vectors = np.linalg.eigh(basis.T @ self.risk(basis.T).T)
        loadings, values = basis @ vectors, np.maximum(values, 0.0)
        return FactorModel(loadings, np.diag(values), np.maximum(1 - loadings**2 @ values, 0.01))


def _solve(barrier: _Barrier, tolerance: float) -> Float:
    budget = barrier.budget
    exposure = np.sqrt(budget)
    risk = barrier.risk(exposure)
    exposure, risk = _unit_variance(exposure, risk)
    error = np.full(len(budget), np.inf)
    for _ in range(MOST_STEPS):
        parts = exposure * risk
        error = np.abs(parts / parts.sum() - budget)
        # Rounding alone may cause as much where assets hedge each other closely.
        rounding = np.minimum(8 * EPS * exposure * exposure.sum(), MOST_ROUNDING)
        if (error <= tolerance * budget + rounding).all():
            return exposure
        gradient = (parts - budget) / np.sqrt(budget)
        accuracy = min(0.1, float(np.linalg.norm(gradient)))
        change = -barrier.newton(exposure, gradient, accuracy) / np.sqrt(budget)
        step = change * exposure
        step_risk = barrier.risk(step)
        length = _length(change, budget, float(step @ risk), float(step @ step_risk))
        exposure = exposure + length * step
        exposure, risk = _unit_variance(exposure, barrier.risk(exposure))
    raise SolverError(
        f"risk parity reached a relative error of {(error / budget).max():.2g} in {MOST_STEPS} steps and needs "
        f"{tolerance:.2g}; the covariance is nearly singular: shrink it or raise the tolerance."
    )


def _unit_variance(exposure: Float, risk: Float) -> tuple[Float, Float]:
    """Scale exposures to a variance of one, which the solution has."""
    variance = float(exposure @ risk)
    if variance <= 1e-13 * float(exposure.sum()) ** 2:
        raise SolverError(
            NOT_PSD
            if variance < -1e-10 * float(exposure.sum()) ** 2
            else "positions with these signs hedge each other completely, so no weights meet the risk budget; "
            "drop one of the assets that offset each other, or shrink the covariance."
        )
    size = np.sqrt(variance)
    return exposure / size, risk / size


def _length(change: Float, budget: Float, slope: float, curvature: float) -> float:
    """How far to go along a Newton step: all the way unless exposures would vanish or the objective would rise.

    The objective along the step is known in closed form, so that trying lengths costs no product.
    """
    largest = float(-change.min())
    length = 1.0 if largest < 0.95 else 0.95 / largest
    if np.abs(change).max() < 1e-2:
        return length
    descent = slope - float(budget @ change)
    for _ in range(60):
        value = length * slope + length**2 * curvature / 2 - float(budget @ np.log1p(length * change))
        if value <= 1e-4 * length * descent:
            return length
        length /= 2
    raise SolverError(NOT_PSD)


def _woodbury(model: FactorModel, unit: Float) -> Callable[[Float], Float]:
    """The function that solves (I + diag(unit) covariance diag(unit)) x = given, by one K by K system."""
    diagonal = 1 + unit**2 * model.specific_variance
    root = unit[:, None] * model.root
    scaled = root / diagonal[:, None]
    inner = cho_factor(np.eye(model.n_factors) + root.T @ scaled, check_finite=False)

    def solve(given: Float) -> Float:
        return np.asarray(given / diagonal - scaled @ cho_solve(inner, scaled.T @ given, check_finite=False))

    return solve


def _conjugate_gradients(
    covariance: Float,
    unit: Float,
    gradient: Float,
    accuracy: float,
    precondition: Callable[[Float], Float],
    most: int,
) -> Float | None:
    """Solve (I + diag(unit) covariance diag(unit)) x = gradient; None if that takes more than so many steps."""
    solution, residual = np.zeros_like(gradient), gradient
    direction = steepest = precondition(residual)
    size = float(residual @ steepest)
    target = accuracy * float(np.linalg.norm(gradient))
    for _ in range(most):
        image = direction + unit * (covariance @ (unit * direction))
        curvature = float(direction @ image)
        if curvature <= 0:
            raise SolverError(NOT_PSD)
        length = size / curvature
        solution = solution + length * direction
        residual = residual - length * image
        if np.linalg.norm(residual) <= target:
            return solution
        steepest = precondition(residual)
        before, size = size, float(residual @ steepest)
        direction = steepest + (size / before) * direction
    return None


def _cholesky(covariance: Float, unit: Float, gradient: Float) -> Float:
    """Solve (I + diag(unit) covariance diag(unit)) x = gradient, whatever its eigenvalues."""
    matrix = covariance * unit[:, None]
    matrix *= unit
    matrix[np.diag_indices_from(matrix)] += 1
    try:
        factor = cho_factor(matrix.T, overwrite_a=True, check_finite=False)
    except LinAlgError as error:
        raise SolverError(NOT_PSD) from error
    return np.asarray(cho_solve(factor, gradient, check_finite=False))
