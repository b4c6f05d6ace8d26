"""The largest eigenvalues of a symmetric matrix and their vectors, from one tridiagonal form of it.

A model of risk needs 15 of 252, say; LAPACK's driver for all takes twice as long, and its driver for some half again.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg.lapack import dormqr, dstemr, dsterf, dsytrd

from quantray.arrays import Float

__all__ = ["Leading", "Spectrum"]

_RESIDUAL = 1e-10
"""Of the largest eigenvalue, which passes for rounding."""
_PANEL = 64
"""Columns that LAPACK transforms at a time, which is the room that it needs."""
_SMALL = 100
"""Rows up to which all vectors cost as little as some."""
_SOME = 0.2
"""Share of the vectors beyond which all cost less."""


@dataclass(frozen=True, eq=False)
class Leading:
    """Eigenvalues and their vectors, the largest first."""

    values: Float
    """(K,)."""
    vectors: Float
    """(T, K) of length one; signs are arbitrary."""


class Spectrum:
    """A symmetric (T, T) matrix without NaN, which must not change afterwards.

    Notes
    -----
    Counts of signs say which eigenvalues of the tridiagonal form are the largest, so that what is left of
    ``matrix @ v - value v``, and of right angles, certifies that vectors are theirs. Only these are transformed back.
    Where the certificate fails, as where eigenvalues stand too close for the method, the whole matrix is decomposed,
    which LAPACK's own driver does as well.

    Source: Dhillon and Parlett (2004), *Multiple representations to compute orthogonal eigenvectors of symmetric
    tridiagonal matrices*, Linear Algebra and its Applications 387.
    """

    def __init__(self, matrix: Float) -> None:
        self._matrix = matrix

    def values(self, count: int) -> Float:
        """(K,) largest eigenvalues, the largest first."""
        if len(self._matrix) <= _SMALL:
            return self._whole.values[:count]
        values, failed = dsterf(self._form.diagonal, self._form.beside)
        return self._whole.values[:count] if failed else np.asarray(values[::-1][:count])

    def leading(self, count: int) -> Leading:
        """The largest eigenvalues with their vectors."""
        n = len(self._matrix)
        found = self._some(count) if n > _SMALL and count <= _SOME * n else None
        return found or Leading(self._whole.values[:count], self._whole.vectors[:, :count])

    def _some(self, count: int) -> Leading | None:
        """Found from the tridiagonal form; None where they could not be certified."""
        n, form = len(self._matrix), self._form
        found, values, vectors, lost = dstemr(form.diagonal, np.append(form.beside, 0.0), 2, 0.0, 0.0, n - count + 1, n)
        values, vectors = values[:count], vectors[:, :count]
        vectors[1:], _, missed = dormqr("L", "N", form.reflections, form.scales, vectors[1:], count * _PANEL)
        left = np.abs(self._matrix @ vectors - vectors * values).max()
        angles = np.abs(vectors.T @ vectors - np.eye(count)).max()
        exact = left <= _RESIDUAL * np.abs(values).max() and angles <= _RESIDUAL
        if lost or missed or found != count or not exact:
            return None
        return Leading(values[::-1], np.ascontiguousarray(vectors[:, ::-1]))

    @cached_property
    def _whole(self) -> Leading:
        values, vectors = np.linalg.eigh(self._matrix)
        return Leading(values[::-1], vectors[:, ::-1])

    @cached_property
    def _form(self) -> "_Form":
        n = len(self._matrix)
        # The transpose, which is the same matrix, lies in memory as LAPACK wants it; so does the part with the
        # reflections, read from the second element on, without its last row.
        reduced, diagonal, beside, scales, _ = dsytrd(self._matrix.T, lower=1, lwork=n * _PANEL)
        reflections = reduced.ravel(order="F")[1 : 1 + n * (n - 1)].reshape((n, n - 1), order="F")
        return _Form(diagonal, beside, reflections, scales)


@dataclass(frozen=True, eq=False)
class _Form:
    """A tridiagonal matrix and what turns its vectors into those of the whole."""

    diagonal: Float
    beside: Float
    reflections: Float
    scales: Float
