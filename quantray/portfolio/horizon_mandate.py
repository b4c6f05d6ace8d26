"""What a mandate says of several periods, as the problem that is solved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from quantray.arrays import Float
from quantray.covariance.factor import FactorModel
from quantray.errors import InputError
from quantray.portfolio.constraints import Limits, Market, NamedRows, bounds, coupling_rows
from quantray.portfolio.horizon_problem import HorizonProblem
from quantray.portfolio.horizon_relaxations import in_period
from quantray.portfolio.mean_variance import Objective
from quantray.portfolio.solve import Relaxation

__all__ = ["Horizon"]

_T = TypeVar("_T")


@dataclass(frozen=True, eq=False)
class Horizon:
    """What was given for several periods; limits and markets once for each."""

    limits: tuple[Limits, ...]
    alpha: Float
    models: tuple[FactorModel, ...]
    """One, or one for each period."""
    previous: Float
    markets: tuple[Market, ...]
    rows: tuple[NamedRows, ...]
    lower: Float
    upper: Float
    relaxed: tuple[Relaxation, ...]

    @classmethod
    def of(
        cls,
        limits: Limits | Sequence[Limits],
        alpha: Float,
        model: FactorModel | Sequence[FactorModel],
        previous: Float | None,
        market: Market | Sequence[Market] | None,
    ) -> "Horizon":
        """Check what ``multi_period`` is given.

        Raises
        ------
        InputError, InfeasibleError
            As ``multi_period``.
        """
        alpha = np.asarray(alpha, dtype=np.float64)
        if alpha.ndim != 2 or not alpha.size or not np.isfinite(alpha).all():
            raise InputError(f"alpha is {alpha.shape} or holds NaN; it must be (H, N), complete, and not empty.")
        n_periods, n_assets = alpha.shape
        every = _each(limits, Limits, n_periods, "limits")
        models = (model,) if isinstance(model, FactorModel) else _each(model, FactorModel, n_periods, "models")
        shapes = {(each.n_assets, each.n_factors) for each in models}
        if len(shapes) > 1 or models[0].n_assets != n_assets:
            raise InputError(f"the models have {sorted(shapes)} assets and factors; all need {n_assets} assets.")
        markets = tuple(m.checked(n_assets) for m in _each(market or Market(), Market, n_periods, "markets"))
        if any(each.tax is not None for each in markets):
            raise InputError("taxes of sales are of one rebalance; leave tax out, or use mean_variance.")
        held = np.zeros(n_assets) if previous is None else _vector(previous, n_assets, "previous")
        for each in every:
            _check_limits(each)
        rows, boxes = [], []
        for h in range(n_periods):
            of_weights = replace(every[h], adv_trade=None, relax=tuple(n for n in every[h].relax if n != "trade size"))
            rows.append(coupling_rows(of_weights, markets[h], models[min(h, len(models) - 1)]))
            boxes.append(bounds(of_weights, markets[h], held))
        if len({row.names for row in rows}) > 1:
            raise InputError("limits of different periods name different rows; let those of one be wide instead.")
        relaxed = tuple(
            replace(change, name=in_period(change.name, h + 1)) for h, box in enumerate(boxes) for change in box[2]
        )
        lower, upper = np.array([box[0] for box in boxes]), np.array([box[1] for box in boxes])
        return cls(every, alpha, models, held, markets, tuple(rows), lower, upper, relaxed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the rows."""
        return self.rows[0].names

    def problem(
        self, aim: Objective, quadratic: Float | None, holding: Float | None, terminal: Float | None
    ) -> HorizonProblem:
        """What is minimised."""
        lower, upper = self.lower, self.upper
        if terminal is not None:
            end = _vector(terminal, self.alpha.shape[1], "terminal")[None]
            lower, upper = np.vstack([lower[:-1], end]), np.vstack([upper[:-1], end])
        linear, short = self._held(holding)
        specific = np.array([model.specific_variance for model in self.models])
        roots = [np.sqrt(aim.risk_aversion) * model.root for model in self.models]
        same = all(np.array_equal(row.rows, self.rows[0].rows) for row in self.rows)
        bent = None if quadratic is None else aim.cost_aversion * _path(quadratic, self.alpha.shape, "quadratic")
        return HorizonProblem(
            linear=linear,
            diagonal=np.broadcast_to(aim.risk_aversion * specific, self.alpha.shape),
            root=roots[0] if len(roots) == 1 else np.array(roots),
            previous=self.previous,
            lower=lower,
            upper=upper,
            rows=self.rows[0].rows if same else np.array([row.rows for row in self.rows]),
            row_lower=np.array([row.lower for row in self.rows]),
            row_upper=np.array([row.upper for row in self.rows]),
            cost=self._charged("cost", aim.cost_aversion),
            quadratic=bent,
            impact=self._charged("impact", aim.cost_aversion),
            short=short,
            cap=self._cap(),
            turnover=_sums([each.turnover for each in self.limits], 2.0),
            gross=_sums([each.gross for each in self.limits], 1.0),
        )

    def _charged(self, name: str, times: float) -> Float | None:
        values = [getattr(market, name) for market in self.markets]
        if all(value is None for value in values):
            return None
        none = np.zeros(self.alpha.shape[1])
        return times * np.array([none if value is None else value for value in values])

    def _held(self, holding: Float | None) -> tuple[Float, Float | None]:
        """(H, N) linear terms and costs of shorts, with the cost of holding as ``c w + 2 c max(-w, 0)``."""
        linear, short = -self.alpha, self._charged("borrow", 1.0)
        if holding is None:
            return linear, short
        charge = _path(holding, self.alpha.shape, "holding")
        return linear + charge, 2 * charge + (0.0 if short is None else short)

    def _cap(self) -> Float | None:
        if all(each.adv_trade is None for each in self.limits):
            return None
        none = np.full(self.alpha.shape[1], np.inf)
        return np.array(
            [
                none if each.adv_trade is None else each.adv_trade * market.needed("adv", "trade size")
                for each, market in zip(self.limits, self.markets, strict=True)
            ]
        )


def _each(given: _T | Sequence[_T], kind: type[_T], n_periods: int, name: str) -> tuple[_T, ...]:
    if isinstance(given, kind):
        return (given,) * n_periods
    assert isinstance(given, Sequence), "one, or one for each period"
    if len(given) != n_periods:
        raise InputError(f"{len(given)} {name} for {n_periods} periods; give one, or one for each.")
    return tuple(given)


def _check_limits(limits: Limits) -> None:
    for name in ("annual_turnover", "tracking_error", "minimum_trade"):
        if getattr(limits, name):
            raise InputError(f"{name} {getattr(limits, name):g} is a limit of one period alone; leave it out here.")


def _vector(values: Float, n_assets: int, name: str) -> Float:
    out = np.asarray(values, dtype=np.float64)
    if out.shape != (n_assets,) or not np.isfinite(out).all():
        raise InputError(f"{name} is {out.shape} or holds NaN; it must be ({n_assets},) and complete.")
    return out


def _path(values: Float, shape: tuple[int, ...], name: str) -> Float:
    out = np.asarray(values, dtype=np.float64)
    if out.shape not in (shape, shape[1:]) or not np.isfinite(out).all() or (out < 0).any():
        raise InputError(f"{name} is {out.shape}; it must be {shape[1:]} or {shape}, finite and not negative.")
    return np.broadcast_to(out, shape)


def _sums(limits: Sequence[float | None], unit: float) -> Float | None:
    if all(limit is None for limit in limits):
        return None
    return np.array([np.inf if limit is None else unit * limit for limit in limits])
