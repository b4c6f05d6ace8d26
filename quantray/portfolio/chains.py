"""Linear systems of chains over periods, one per asset, that factors and rows couple within each period.

Without the coupling an asset's holdings over H periods form a tridiagonal system, of all assets at once H steps on
N-vectors. Its inverse is known in closed form, so the coupling of P columns a period leads to one symmetric system of H
P unknowns (Woodbury) whose entries are sums over assets. That takes N H^2 P^2 / 4 operations, in one product of
matrices, and everything else N H P.
"""

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from quantray.arrays import Bool, Float

__all__ = ["ChainSystem", "Columns", "moves", "moves_back"]


def moves(path: Float, start: Float | float = 0.0) -> Float:
    """(..., H, N) changes along a path of H periods from its start."""
    out = path.copy()
    out[..., 1:, :] -= path[..., :-1, :]
    out[..., 0, :] -= start
    return out


def moves_back(values: Float) -> Float:
    """(..., H, N) the transpose of ``moves`` from zero."""
    out = values.copy()
    out[..., :-1, :] -= values[..., 1:, :]
    return out


class Columns:
    """P columns that couple the assets of each period.

    Parameters
    ----------
    columns : (P, N) alike in all periods, or (H, P, N).
    """

    def __init__(self, columns: Float) -> None:
        self._columns = columns
        self.width = columns.shape[-2]
        if columns.ndim == 2:
            self._first, self._second = np.triu_indices(self.width)
            self._products = columns[self._first] * columns[self._second]

    def values(self, path: Float) -> Float:
        """(..., H, P) of (..., H, N)."""
        if self._columns.ndim == 2:
            return np.asarray(path @ self._columns.T)
        return np.asarray((self._columns @ path[..., None])[..., 0])

    def spread(self, prices: Float) -> Float:
        """(H, N) the transpose of ``values``, for (H, P)."""
        if self._columns.ndim == 2:
            return np.asarray(prices @ self._columns)
        return np.asarray((prices[:, None, :] @ self._columns)[:, 0])

    def gram(self, inverse: Float) -> Float:
        """(H P, H P) symmetric, from the (H (H + 1) / 2, N) lower triangle of inverses of chains."""
        n_pairs, width = len(inverse), self.width
        n_periods = int((np.sqrt(8 * n_pairs + 1) - 1) / 2)
        late, early = np.tril_indices(n_periods)
        block = np.empty((n_pairs, width, width))
        if self._columns.ndim == 2:
            block[:, self._first, self._second] = inverse @ self._products.T
            block[:, self._second, self._first] = block[:, self._first, self._second]
        else:
            for pair, (k, h) in enumerate(zip(late, early, strict=True)):
                block[pair] = (self._columns[k] * inverse[pair]) @ self._columns[h].T
        out = np.empty((n_periods, width, n_periods, width))
        out[late, :, early] = block
        out[early, :, late] = block.transpose(0, 2, 1)
        return out.reshape(n_periods * width, n_periods * width)


class _Chains:
    """``diag(node) + moves' diag(link) moves`` of every asset, as networks of conductances.

    With nothing but sums, products and quotients of positive numbers no digits are lost, however far the links'
    conductances lie apart; they grow without bound where a holding does not change.

    Parameters
    ----------
    node, link : (H, N), not negative; each node's sum with its links positive.
    fixed : (H, N) whose value is zero.
    """

    def __init__(self, node: Float, link: Float, fixed: Bool) -> None:
        self._node, self._link, self._fixed = np.where(fixed, 0.0, node), link, fixed
        ahead = np.where(fixed, np.inf, node)
        for h in range(len(node) - 2, -1, -1):
            ahead[h] += link[h + 1] / (1 + link[h + 1] / ahead[h + 1])
        self._pivot = ahead + link
        self._share = link / self._pivot

    def solve(self, right: Float) -> Float:
        """(..., H, N)."""
        out = right.copy()
        for h in range(len(self._share) - 2, -1, -1):
            out[..., h, :] += self._share[h + 1] * out[..., h + 1, :]
        out /= self._pivot
        for h in range(1, len(self._share)):
            out[..., h, :] += self._share[h] * out[..., h - 1, :]
        return out

    def left(self, right: Float, path: Float) -> Float:
        """(H, N) what a path leaves of a right-hand side; zero where the path is fixed."""
        applied = self._node * path + moves_back(self._link * moves(path))
        return np.where(self._fixed, 0.0, right - applied)

    def inverse(self) -> Float:
        """(H (H + 1) / 2, N) lower triangle, row by row."""
        n_periods, n_assets = self._share.shape
        out = np.empty((n_periods * (n_periods + 1) // 2, n_assets))
        out[0] = 1 / self._pivot[0]
        for h in range(1, n_periods):
            row, above = h * (h + 1) // 2, h * (h - 1) // 2
            out[row : row + h] = self._share[h] * out[above : above + h]
            out[row + h] = 1 / self._pivot[h] + self._share[h] * out[row + h - 1]
        return out


class ChainSystem:
    """``chains w + columns x = b, columns' w - corner x = c``: factorised once, solved for several (b, c).

    Besides the columns of single periods there may be J ``extra`` ones over all periods.

    Parameters
    ----------
    node, link, fixed : see ``_Chains``.
    corner : (H, P) not negative.
    extra : (J, H, N), and their corner (J,).
    """

    def __init__(
        self,
        columns: Columns,
        node: Float,
        link: Float,
        fixed: Bool,
        corner: Float,
        extra: Float,
        extra_corner: Float,
    ) -> None:
        self._columns, self._extra = columns, extra.reshape(len(extra), node.size)
        self._chains = _Chains(node, link, fixed)
        self._corner = np.concatenate([corner.ravel(), extra_corner])
        self._shape = corner.shape
        self.solvable = self._factorise(extra)

    def _factorise(self, extra: Float) -> bool:
        own, n_extra = self._columns.gram(self._chains.inverse()), len(extra)
        if n_extra:
            solved = self._chains.solve(extra)
            side = self._columns.values(solved).reshape(n_extra, len(own))
            among = solved.reshape(self._extra.shape) @ self._extra.T
            own = np.block([[own, side.T], [side, (among + among.T) / 2]])
        own.flat[:: len(own) + 1] += self._corner
        # A whisper of regularisation keeps redundant equalities from stopping the factorisation.
        own.flat[:: len(own) + 1] *= 1 + 1e-13
        own.flat[:: len(own) + 1] += 1e-300
        self._root, failed = dpotrf(own, lower=1)
        return bool(failed == 0)

    def solve(self, b: Float, c: Float, *, refine: bool) -> tuple[Float, Float]:
        """(H, N) w and (H P + J,) x, for (H, N) b and (H P + J,) c."""
        w, x = self._eliminated(b, c)
        if refine:
            # Where chains span many decades, elimination loses the rows.
            more_w, more_x = self._eliminated(
                self._chains.left(b - self._spread(x), w), c - self._values(w) + self._corner * x
            )
            w, x = w + more_w, x + more_x
        return w, x

    def _eliminated(self, b: Float, c: Float) -> tuple[Float, Float]:
        free = self._chains.solve(b)
        x = np.asarray(dpotrs(self._root, self._values(free) - c, lower=1)[0]) if len(c) else c
        return free - self._chains.solve(self._spread(x)), x

    def _values(self, path: Float) -> Float:
        return np.concatenate([self._columns.values(path).ravel(), self._extra @ path.ravel()])

    def _spread(self, x: Float) -> Float:
        count = self._shape[0] * self._shape[1]
        out = self._columns.spread(x[:count].reshape(self._shape))
        return out + (x[count:] @ self._extra).reshape(out.shape) if len(self._extra) else out
