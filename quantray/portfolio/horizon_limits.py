"""The inequalities on all weights of a period together, as the interior-point method keeps them: in one vector."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Bool, Float
from quantray.portfolio.horizon_problem import HorizonProblem

__all__ = ["HorizonLimits"]


@dataclass(frozen=True, eq=False)
class HorizonLimits:
    """Inequalities of single periods: rows from above, rows from below, sums of trades, sums of weights."""

    above: Bool
    """(H, M)."""
    below: Bool
    """(H, M)."""
    equal: Bool
    """(H, M)."""
    turnover: Bool
    """(H,)."""
    gross: Bool
    """(H,)."""
    right: Float
    """(L,)."""

    @classmethod
    def of(cls, problem: HorizonProblem, fixed: Bool) -> "HorizonLimits":
        """Of a problem, some of whose (H, N) weights are fixed."""
        none = np.zeros(problem.shape[0], dtype=np.bool_)
        # A row on fixed weights alone is met or not, whatever is done.
        free = (np.abs(problem.rows) @ (~fixed).astype(np.float64)[..., None])[..., 0] > 0
        equal = problem.row_upper - problem.row_lower <= 1e-13
        above = free & ~equal & np.isfinite(problem.row_upper)
        below = free & ~equal & np.isfinite(problem.row_lower)
        turnover = none if problem.turnover is None else np.isfinite(problem.turnover)
        gross = none if problem.gross is None else np.isfinite(problem.gross)
        sums = [
            limit[mask] for limit, mask in ((problem.turnover, turnover), (problem.gross, gross)) if limit is not None
        ]
        right = np.concatenate([problem.row_upper[above], -problem.row_lower[below], *sums])
        return cls(above, below, free & equal, turnover, gross, right)

    def values(self, rows: Float, z: Float, g: Float) -> Float:
        """(L,) left-hand sides, from (H, M) values of the rows and the helpers."""
        parts = [rows[self.above], -rows[self.below], z.sum(axis=1)[self.turnover], g.sum(axis=1)[self.gross]]
        return np.concatenate(parts)

    def split(self, values: Float) -> tuple[Float, Float, Float, Float]:
        """(H, M) of rows from above and from below, (H,) of sums of trades and of weights; zero where there is none."""
        ends = np.cumsum([self.above.sum(), self.below.sum(), self.turnover.sum()])
        out = []
        for mask, part in zip((self.above, self.below, self.turnover, self.gross), np.split(values, ends), strict=True):
            full = np.zeros(mask.shape)
            full[mask] = part
            out.append(full)
        return out[0], out[1], out[2], out[3]
