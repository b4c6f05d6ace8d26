"""A hidden Markov model of heavy-tailed states, fitted on the past and filtered forward: no day knows a later one."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from hmmlearn.base import ConvergenceMonitor
from sklearn.cluster import KMeans

from quantray.arrays import Float, Int
from quantray.errors import DataError, InputError, SolverError
from quantray.regimes.hmm_filter import HmmParameters, filtered_probabilities
from quantray.regimes.hmm_states import BEGIN_TAILS, StudentHmm
from quantray.regimes.observations import Observations, state_names
from quantray.regimes.path import RegimePath
from quantray.regimes.schedule import RefitSchedule, Schedule, Segment, seed_of, spread_out
from quantray.regimes.unseen import chances_of_names

__all__ = ["HmmFit", "HmmRegimes", "HmmSettings", "fit_hmm", "hmm_regimes"]

_BURN_IN = 252
"""Rows that the filter runs before those it labels; it forgets its start within a few spells."""
_RIDGE = 0.1
"""Squares, in standard deviations of all rows, that every state has seen beforehand: none is without width."""


@dataclass(frozen=True, kw_only=True)
class HmmSettings:
    """How the model is fitted.

    Parameters
    ----------
    states : numbers of states to choose from by BIC, each 2 to 4. The choice of the first fit stays, for a later one
        would rename the regimes, unless ``regimes`` names them.
    regimes : number of named regimes, at least that of the states; every fit then chooses anew, and where it finds
        fewer states, ``unseen.chances_of_names`` says which regimes have come. None for as many as states.
    schedule : when to fit.
    restarts : starting points of each fit; from the second fit on one of them is the fit before, if it has as many
        states.
    stickiness : rows of staying in each state that the prior of the transitions counts for; 0 for none.
    tails : degrees of freedom of the Student-t law of every state, above 2; None to learn them at each fit, infinite
        for Gaussian states. Gaussian states take a regime with fat tails for two, a quiet and a wild one.
    iterations, tolerance : of the EM algorithm; the tolerance is of the log-likelihood.
    seed : of the starting points.

    Raises
    ------
    InputError
        A value is out of range.
    """

    states: tuple[int, ...] = (2, 3, 4)
    regimes: int | None = None
    schedule: Schedule = field(default_factory=RefitSchedule)
    restarts: int = 4
    stickiness: float = 500.0
    tails: float | None = None
    iterations: int = 200
    tolerance: float = 1e-2
    seed: int = 0

    @classmethod
    def of_regimes(cls, regimes: int, *, schedule: Schedule, seed: int) -> Self:
        """So many named regimes, of which some may not have come yet: every fit has as many states as the data bear."""
        return cls(states=tuple(range(2, regimes + 1)), regimes=regimes, schedule=schedule, seed=seed)

    def __post_init__(self) -> None:
        if not self.states or not set(self.states) <= {2, 3, 4}:
            raise InputError(f"states {self.states} must be some of 2, 3 and 4.")
        if self.regimes is not None and not max(self.states) <= self.regimes <= 4:
            raise InputError(f"regimes {self.regimes} must be {max(self.states)}, the most states, to 4.")
        if self.restarts < 1 or self.iterations < 2 or self.tolerance <= 0 or self.stickiness < 0 or self.seed < 0:
            raise InputError(
                f"restarts {self.restarts} must be 1 or more, iterations {self.iterations} 2 or more, tolerance "
                f"{self.tolerance} positive, stickiness {self.stickiness} and seed {self.seed} not negative."
            )
        if self.tails is not None and not self.tails > 2:
            raise InputError(f"tails {self.tails} must be above 2 degrees of freedom; infinite ones are Gaussian.")


@dataclass(frozen=True, eq=False)
class HmmFit:
    """One fit and how it went."""

    date: np.datetime64
    """The last row it learnt from."""
    rows: int
    parameters: HmmParameters
    log_likelihood: float
    """Of standardised observations; the prior is not part of it."""
    bic: Mapping[int, float]
    """Number of states -> BIC, lower is better, of the numbers that there were to choose from."""
    converged: bool
    """Whether the likeliest starting point came to rest."""
    not_converged: int
    """Starting points that ran out of iterations."""
    failed: tuple[str, ...]
    """Why starting points ended in an error."""
    kept: bool
    """Whether all starting points failed and the parameters are those of the fit before."""


@dataclass(frozen=True, eq=False)
class HmmRegimes:
    """Filtered regimes and every fit behind them."""

    path: RegimePath
    fits: tuple[HmmFit, ...]


@dataclass(frozen=True, eq=False)
class _Run:
    """One number of states: the best of its starting points, in standardised units."""

    parameters: HmmParameters
    log_likelihood: float
    converged: bool


def hmm_regimes(observations: Observations, settings: HmmSettings | None = None) -> HmmRegimes:
    """Fit on a schedule, filter in between, and name the states by volatility.

    Row t is labelled by the last fit that ended at t or before, from rows up to t. States are sorted by the mean of
    the column ``volatility``, then by that of ``return``, so that names keep their meaning. Rows that lack a column
    hold the last probabilities. Without a first fit the names are those of the largest number of states.

    Parameters
    ----------
    observations : columns without much memory, such as ``observations.daily_observations``.

    Raises
    ------
    DataError
        A column does not vary within the rows of a fit.
    SolverError
        No starting point of the first fit succeeded.

    Source: Hamilton (1989), "A New Approach to the Economic Analysis of Nonstationary Time Series and the Business
    Cycle", *Econometrica* 57, for the filter; Chatzis, Kosmopoulos and Varvarigou (2009), "Robust Sequential Data
    Modeling Using an Outlier Tolerant Hidden Markov Model", *IEEE Transactions on Pattern Analysis and Machine
    Intelligence* 31, for Student-t states; Schwarz (1978) for BIC.
    """
    settings = settings or HmmSettings()
    rows = observations.complete
    values = observations.values[rows]
    fits: list[HmmFit] = []
    states = settings.states
    blocks = []
    for segment in settings.schedule.segments(len(rows)):
        previous = fits[-1] if fits else None
        fit = fit_hmm(observations, rows[segment.fit], replace(settings, states=states), previous=previous)
        if settings.regimes is None:
            states = (len(fit.parameters.means),)
        fits.append(fit)
        blocks.append(_labelled(values, segment, fit.parameters, settings.regimes))
    names = state_names(settings.regimes or max(states))
    if not fits:
        nothing = np.full((len(observations.dates), len(names)), np.nan)
        return HmmRegimes(RegimePath.likeliest(observations.dates, names, nothing), ())
    first = settings.schedule.begins
    chances = spread_out(np.vstack(blocks), rows[first:], len(observations.dates))
    return HmmRegimes(RegimePath.likeliest(observations.dates, names, chances), tuple(fits))


def _labelled(values: Float, segment: Segment, parameters: HmmParameters, regimes: int | None) -> Float:
    """(U, R) filtered probabilities of the regimes on the rows that a fit labels."""
    low = max(segment.use.start - _BURN_IN, 0)
    begun = replace(parameters, start=parameters.stationary)
    found = filtered_probabilities(values[low : segment.use.stop], begun)[segment.use.start - low :]
    states = len(parameters.means)
    if regimes is None or regimes == states:
        return found
    leaving = begun.start @ (1 - np.diagonal(parameters.transition))
    spells = 1 + leaving * (segment.fit.stop - segment.fit.start)
    return np.asarray(found @ chances_of_names(states, regimes, spells))


def fit_hmm(observations: Observations, rows: Int, settings: HmmSettings, *, previous: HmmFit | None = None) -> HmmFit:
    """Fit on some complete rows; of several numbers of states the one of lowest BIC.

    Parameters
    ----------
    rows : positions of the rows to learn from.
    previous : a fit of the same number of states: a starting point, and what stays should all of them fail.

    Raises
    ------
    DataError
        Fewer rows than parameters, or a column that does not vary.
    SolverError
        Every starting point failed and there is no previous fit.
    """
    values = observations.values[rows]
    centre, scale = values.mean(axis=0), values.std(axis=0)
    flat = [name for name, width in zip(observations.names, scale, strict=True) if not width > 1e-12]
    if flat:
        raise DataError(f"{', '.join(flat)} does not vary in the rows up to {observations.dates[rows[-1]]}; drop it.")
    if len(rows) <= _free_parameters(max(settings.states), values.shape[1], settings.tails):
        raise DataError(f"{len(rows)} rows are too few for {max(settings.states)} states; begin later.")
    scaled = (values - centre) / scale
    failed: list[str] = []
    weak = 0
    runs: dict[int, _Run] = {}
    for count in settings.states:
        warm = _rescaled(previous, count, centre, scale)
        found, missed, errors = _best_run(scaled, scale, count, settings, rows[-1], warm)
        weak += missed
        failed += errors
        if found is not None:
            runs[count] = found
    date = observations.dates[rows[-1]]
    if not runs:
        if previous is None:
            why = f"{'; '.join(failed)}. {_farthest(observations, rows)}"
            raise SolverError(f"no hidden Markov model could be fitted up to {date}: {why}")
        return replace(previous, date=date, rows=len(rows), not_converged=weak, failed=tuple(failed), kept=True)
    bic = {
        count: _free_parameters(count, values.shape[1], settings.tails) * np.log(len(rows)) - 2 * run.log_likelihood
        for count, run in runs.items()
    }
    best = runs[min(bic, key=lambda count: bic[count])]
    inner = best.parameters
    order = observations.order(inner.means)
    parameters = HmmParameters(
        inner.start[order],
        inner.transition[np.ix_(order, order)],
        inner.means[order] * scale + centre,
        inner.covariances[order] * np.outer(scale, scale),
        inner.tails,
    )
    return HmmFit(
        date, len(rows), parameters, best.log_likelihood, bic, best.converged, weak, tuple(failed), kept=False
    )


def _best_run(
    values: Float, scale: Float, count: int, settings: HmmSettings, last: int, warm: HmmParameters | None
) -> tuple[_Run | None, int, list[str]]:
    """The likeliest run, how many did not converge, and the errors of those that failed."""
    runs, failed = [], []
    tails = BEGIN_TAILS if settings.tails is None else settings.tails
    for number in range(settings.restarts):
        seed = seed_of(settings.seed, int(last), count, number)
        begin = warm if warm is not None and number == 0 else _beginning(values, count, number, seed, tails)
        try:
            runs.append(_expectation_maximisation(values, scale, begin, settings, seed))
        except (ValueError, np.linalg.LinAlgError) as error:
            failed.append(f"{count} states, start {number}: {error}")
    # A run that has not quite come to rest on the highest hill beats one that rests on a lower one.
    best = max(runs, key=lambda run: run.log_likelihood, default=None)
    return best, sum(not run.converged for run in runs), failed


def _expectation_maximisation(
    values: Float, scale: Float, begin: HmmParameters, settings: HmmSettings, seed: int
) -> _Run:
    count = len(begin.means)
    model = StudentHmm(
        begin.tails,
        learns_tails=settings.tails is None,
        n_components=count,
        covariance_type="full",
        transmat_prior=1 + settings.stickiness * np.eye(count),
        covars_prior=_RIDGE * np.eye(values.shape[1]),
        n_iter=settings.iterations,
        tol=settings.tolerance,
        init_params="",
        random_state=seed,
    )
    model.monitor_ = _Monitor(settings.tolerance, settings.iterations, verbose=False)
    model.startprob_, model.transmat_ = begin.start, begin.transition
    model.means_, model.covars_ = begin.means, begin.covariances
    with _quiet():
        model.fit(values)
        likelihood = float(model.score(values))
    if not np.isfinite(likelihood):
        raise ValueError(f"the log-likelihood is {likelihood}")
    converged = model.monitor_.settled
    covariances = np.asarray(model.covars_)
    np.linalg.cholesky(covariances)
    # A state of one far row is barely positive definite, and rounding decides in the units of the observations.
    np.linalg.cholesky(covariances * np.outer(scale, scale))
    parameters = HmmParameters(
        np.asarray(model.startprob_), np.asarray(model.transmat_), np.asarray(model.means_), covariances, model.tails_
    )
    return _Run(parameters, likelihood, converged)


class _Monitor(ConvergenceMonitor):  # type: ignore[misc]
    """Goes on until the likelihood rests.

    The prior can make the likelihood fall by a little on its way up, where hmmlearn's own monitor would stop; that
    one also calls a run converged that has used up its iterations.
    """

    @property
    def settled(self) -> bool:
        """Whether the last step changed nothing."""
        known = list(self.history)
        return len(known) > 1 and abs(known[-1] - known[-2]) < self.tol

    @property
    def converged(self) -> bool:
        """What ends the run, in hmmlearn's words."""
        return self.settled or self.iter == self.n_iter


def _farthest(observations: Observations, rows: Int) -> str:
    """The row that lies farthest out, which alone can make a state of its own without width, and what to do about it.

    Distances are from the median, in median distances scaled to deviations.
    """
    values = observations.values[rows]
    apart = np.abs(values - np.median(values, axis=0))
    width = 1.4826 * np.median(apart, axis=0)
    distance = apart / np.where(width > 0, width, values.std(axis=0))
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    name, value = observations.names[column], values[row, column]
    return (
        f"The farthest value is {name} {value:.6g} on {observations.dates[rows[row]]} (row {rows[row]}), "
        f"{distance[row, column]:,.0f} deviations from the median. If it is an error, make it NaN, or mend the bars "
        "behind it, such as with the treatment extreme_move: drop_cell in a --quality file; if it is true, limit it "
        "to some deviations before the fit."
    )


def _beginning(values: Float, count: int, number: int, seed: int, tails: float) -> HmmParameters:
    """A starting point: bands of distance from the centre first, which is what volatility looks like, then k-means."""
    n_rows, n_columns = values.shape
    if number == 0:
        ranks = np.argsort(np.argsort((values**2).sum(axis=1), kind="stable"), kind="stable")
        labels = ranks * count // n_rows
    else:
        with _quiet():
            labels = KMeans(count, n_init=1, init="random", random_state=seed).fit(values).labels_
    means, covariances = np.zeros((count, n_columns)), np.tile(np.eye(n_columns), (count, 1, 1))
    for state in range(count):
        own = values[labels == state]
        if len(own):
            means[state] = own.mean(axis=0)
        if len(own) > n_columns + 1:
            covariances[state] = np.cov(own, rowvar=False) + 0.05 * np.eye(n_columns)
    stay = 0.97
    transition = np.full((count, count), (1 - stay) / (count - 1))
    np.fill_diagonal(transition, stay)
    return HmmParameters(np.full(count, 1 / count), transition, means, covariances, tails)


def _rescaled(previous: HmmFit | None, count: int, centre: Float, scale: Float) -> HmmParameters | None:
    if previous is None or len(previous.parameters.means) != count:
        return None
    known = previous.parameters
    # A probability of zero would stay zero for ever.
    start = (known.start + 0.01) / (known.start + 0.01).sum()
    transition = (known.transition + 1e-4) / (known.transition + 1e-4).sum(axis=1, keepdims=True)
    widths = known.covariances / np.outer(scale, scale)
    return HmmParameters(start, transition, (known.means - centre) / scale, widths, known.tails)


def _free_parameters(count: int, columns: int, tails: float | None) -> int:
    return int(tails is None) + count - 1 + count * (count - 1) + count * columns + count * columns * (columns + 1) // 2


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep hmmlearn's and scikit-learn's remarks off the screen: what they say is in the fit's record."""
    logger = logging.getLogger("hmmlearn")
    before = logger.disabled, logging.getLogger("hmmlearn.base").disabled
    logger.disabled = logging.getLogger("hmmlearn.base").disabled = True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.disabled, logging.getLogger("hmmlearn.base").disabled = before
