"""Student-t states for hmmlearn's hidden Markov model, whose degrees of freedom are learnt."""

from typing import Any

import numpy as np
from hmmlearn.hmm import GaussianHMM

from quantray.arrays import Float
from quantray.regimes.hmm_filter import HmmParameters, distances, log_densities, log_density_at

__all__ = ["BEGIN_TAILS", "StudentHmm"]

BEGIN_TAILS = 8.0
"""Degrees of freedom before any are learnt."""
_TAILS = (3.0, 4.0, 5.0, 6.0, 8.0, 11.0, 16.0, 25.0, 50.0, np.inf)
"""Those to choose from: few data tell neighbours apart."""


class StudentHmm(GaussianHMM):  # type: ignore[misc]
    """Gaussian states of which every row has a width of its own: far rows count less.

    Each round of expectation and maximisation first moves the degrees of freedom by a step of their ladder where that
    is likelier, then weighs rows by ``(tails + F) / (tails + distance)``. Means and scales of a state are divided by
    the weights of its rows rather than by their number, which ends at the same place sooner.

    Parameters
    ----------
    tails : degrees of freedom to begin with, common to all states; infinite for Gaussian ones.
    learns_tails : whether fits change them.
    settings : of ``GaussianHMM``, with ``covariance_type="full"``.

    Source: Chatzis, Kosmopoulos and Varvarigou (2009), "Robust Sequential Data Modeling Using an Outlier Tolerant
    Hidden Markov Model", *IEEE Transactions on Pattern Analysis and Machine Intelligence* 31; Liu, Rubin and Wu (1998),
    "Parameter Expansion to Accelerate EM: The PX-EM Algorithm", *Biometrika* 85, for the divisor.
    """

    def __init__(self, tails: float, *, learns_tails: bool, **settings: Any) -> None:
        super().__init__(**settings)
        self.tails_ = tails
        self._learns_tails = learns_tails

    def _states(self) -> HmmParameters:
        return HmmParameters(self.startprob_, self.transmat_, self.means_, self._covars_, self.tails_)

    def _compute_log_likelihood(self, X: Float) -> Float:  # noqa: N803
        return log_densities(X, self._states())

    def _accumulate_sufficient_statistics(
        self,
        stats: dict[str, Any],
        X: Float,  # noqa: N803
        lattice: Float,
        posteriors: Float,
        fwdlattice: Float,
        bwdlattice: Float,
    ) -> None:
        apart, _ = distances(X, self._states())
        columns = X.shape[1]
        if self._learns_tails:
            self.tails_ = _likelier(self.tails_, posteriors, apart, columns)
        weights = np.ones(1) if np.isinf(self.tails_) else (self.tails_ + columns) / (self.tails_ + apart)
        super()._accumulate_sufficient_statistics(stats, X, lattice, posteriors * weights, fwdlattice, bwdlattice)
        stats["start"] = posteriors[0]


def _likelier(tails: float, posteriors: Float, apart: Float, columns: int) -> float:
    """The degrees of freedom, or one of their neighbours on the ladder, that make rows of these distances likeliest."""
    place = int(np.searchsorted(_TAILS, tails))
    near = _TAILS[max(place - 1, 0) : place + 2]
    return max(near, key=lambda each: float((posteriors * log_density_at(apart, columns, each)).sum()))
