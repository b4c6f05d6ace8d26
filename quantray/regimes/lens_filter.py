"""A small hidden Markov filter of few columns: what is known beforehand of its states, and what the past has taught.

Each column has Student-t states that differ in level or in width. Priors say how far the states are apart, how long
they last and how much that counts against the data; where the whole ladder stands is learnt. One history fits a ladder
in several places, so there is a chain of fits for each place and their probabilities are averaged by how well they
explain the past: a filter that has seen one regime only says that it does not know which.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import gammaln

from quantray.arrays import Float
from quantray.errors import InputError
from quantray.regimes.passes import forward, forward_backward
from quantray.regimes.schedule import Schedule

__all__ = ["ColumnPrior", "Filtered", "Learnt", "StatePrior", "filtered_states", "log_density", "taught"]

_BURN_IN = 126
"""Rows that the filter runs before those it labels."""
_FIRST_ROUNDS, _LATER_ROUNDS = 16, 4
_NEGLIGIBLE = 1e-6
_SETTLED = 3
"""Fits after which a chain that explains the past far worse than another is given up."""
_LEAST_WIDTH = 1e-12
_FAR = -60.0
"""Log density below which a row is an error of the data rather than evidence."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ColumnPrior:
    """What is known beforehand of one column in K states.

    Parameters
    ----------
    kind : ``levels`` for states of one width whose locations differ, in the units of the column up to a common shift;
        ``widths`` for states whose widths differ, up to a common multiple, with locations in units of the widths.
    location, width : (K,).
    tails : degrees of freedom of the Student-t distribution.
    location_rows, width_rows : rows of data that these count for.
    """

    kind: Literal["levels", "widths"]
    location: Float
    width: Float
    tails: float
    location_rows: float
    width_rows: float


@dataclass(frozen=True, eq=False, kw_only=True)
class StatePrior:
    """What is known beforehand of K states.

    Parameters
    ----------
    columns : one for each column of the observations.
    stay : (K,) probability of staying from one row to the next.
    share : (K,) of those that leave, in which proportions they go to the others.
    rows : of data in each state that these probabilities count for.

    Raises
    ------
    InputError
        A probability of staying is not between 0 and 1, or a share is not positive.
    """

    columns: tuple[ColumnPrior, ...]
    stay: Float
    share: Float
    rows: float

    def __post_init__(self) -> None:
        if not ((self.stay > 0) & (self.stay < 1)).all() or not (self.share > 0).all():
            raise InputError(f"stay {self.stay.tolist()} must lie between 0 and 1, shares {self.share.tolist()} above.")

    @property
    def transition(self) -> Float:
        """(K, K) from row to column."""
        moves = np.tile(self.share, (len(self.share), 1)) * (1 - np.eye(len(self.share)))
        moves *= ((1 - self.stay) / moves.sum(axis=1))[:, None]
        return np.asarray(moves + np.diag(self.stay))


@dataclass(frozen=True, eq=False)
class Learnt:
    """One chain at one fit."""

    location: Float
    """(K, C)."""
    width: Float
    """(K, C)."""
    transition: Float
    """(K, K)."""
    rows: Float
    """(K,) expected number of the rows learnt from in each state."""


@dataclass(frozen=True, eq=False)
class Filtered:
    """T rows, each told from rows up to it; NaN before the first fit."""

    chances: Float
    """(T, R) probabilities of classes of states."""
    states: Float
    """(T, K) probabilities of the states."""
    classes: Float
    """(T, K, R) probabilities that each state belongs to each class, as the last fit has it."""


def filtered_states(
    values: Float,
    prior: StatePrior,
    schedule: Schedule,
    classes: Callable[[Learnt], Float],
) -> Filtered:
    """Filter rows by chains that are fitted to the past again and again.

    Parameters
    ----------
    values : (T, C) without gaps.
    schedule : when to learn again.
    classes : what a chain has learnt -> (K, R) probabilities that each state belongs to each class.

    Source: Hamilton (1989) for the filter; Lange, Little and Taylor (1989), "Robust Statistical Modeling Using the t
    Distribution", *JASA* 84, for the weights of the fit.
    """
    if values.ndim != 2 or values.shape[1] != len(prior.columns):
        raise InputError(f"values are {values.shape} for {len(prior.columns)} columns of the prior.")
    n_classes = classes(_beginning(np.zeros(len(prior.columns)), np.ones(len(prior.columns)), prior)).shape[1]
    n_states = len(prior.stay)
    out, states = np.full((len(values), n_classes), np.nan), np.full((len(values), n_states), np.nan)
    meant = np.full((len(values), n_states, n_classes), np.nan)
    chains: list[_Chain] = []
    for number, segment in enumerate(schedule.segments(len(values))):
        past, use = values[segment.fit], segment.use
        begun = [chain.learnt for chain in chains] if chains else _beginnings(past, prior)
        chains = [_fitted(past, prior, start, _LATER_ROUNDS if number else _FIRST_ROUNDS) for start in begun]
        scores = np.array([chain.score for chain in chains])
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        low = max(use.start - _BURN_IN, 0)
        some = [(weight, chain.learnt) for weight, chain in zip(weights, chains, strict=True) if weight > _NEGLIGIBLE]
        found = [_filtered(values[low : use.stop], prior, learnt)[use.start - low :] for _, learnt in some]
        part = np.asarray(sum(w * (f @ classes(learnt)) for (w, learnt), f in zip(some, found, strict=True)))
        out[use] = part / part.sum(axis=1, keepdims=True)
        whole = sum(weight for weight, _ in some)
        states[use] = sum(w / whole * f for (w, _), f in zip(some, found, strict=True))
        meant[use] = sum(w / whole * classes(learnt) for w, learnt in some)
        if number >= _SETTLED:
            chains = [chain for chain, weight in zip(chains, weights, strict=True) if weight > _NEGLIGIBLE]
    return Filtered(out, states, meant)


def taught(values: Float, chances: Float, prior: StatePrior) -> Learnt:
    """What rows show of states that somebody else has told, by the same laws and priors as a fit.

    Parameters
    ----------
    values : (T, C) without gaps, of one row or more.
    chances : (T, K) probabilities of the states.
    """
    share = prior.share / prior.share.sum()
    middle, size = np.median(values, axis=0), np.maximum(np.median(np.abs(values), axis=0) / 0.6745, 1e-9)
    shift = np.array([m - share @ column.location for m, column in zip(middle, prior.columns, strict=True)])
    multiple = np.array([m / (share @ column.width) for m, column in zip(size, prior.columns, strict=True)])
    learnt = _beginning(shift, multiple, prior)
    for _ in range(_FIRST_ROUNDS):
        learnt = _moved(values, prior, learnt, chances, prior.transition)
    return learnt


@dataclass(frozen=True, eq=False)
class _Chain:
    learnt: Learnt
    score: float
    """Log likelihood and log prior."""


def _fitted(past: Float, prior: StatePrior, begin: Learnt, rounds: int) -> _Chain:
    """Expectation and maximisation with the priors."""
    learnt = begin
    for _ in range(rounds):
        passed = forward_backward(log_density(past, prior, learnt), learnt.transition)
        moves = passed.moves + prior.rows * prior.transition
        learnt = _moved(past, prior, learnt, passed.chances, np.asarray(moves / moves.sum(axis=1, keepdims=True)))
    likelihood = forward(log_density(past, prior, learnt), learnt.transition).log_likelihood
    return _Chain(learnt, likelihood + _log_prior(prior, learnt))


def _moved(past: Float, prior: StatePrior, learnt: Learnt, chances: Float, transition: Float) -> Learnt:
    """One maximisation, given the states of the rows."""
    location, width = learnt.location.copy(), learnt.width.copy()
    for c, column in enumerate(prior.columns):
        update = _new_levels if column.kind == "levels" else _new_widths
        location[:, c], width[:, c] = update(column, past[:, c], chances, location[:, c], width[:, c])
    return Learnt(location, width, transition, chances.sum(axis=0))


def _new_levels(column: ColumnPrior, x: Float, chances: Float, location: Float, width: Float) -> tuple[Float, Float]:
    weights = chances * _robust(column, x, location, width)
    total, rows, held = weights.sum(axis=0), chances.sum(axis=0), column.location_rows
    means = weights.T @ x / np.maximum(total, 1e-12)
    shift = _pooled(means - column.location, total, held)
    new = (total * means + held * (shift + column.location)) / (total + held)
    apart = (weights * (x[:, None] - new) ** 2).sum()
    variance = (apart + column.width_rows * column.width**2) / (rows.sum() + column.width_rows)
    return np.asarray(new), np.sqrt(variance)


def _new_widths(column: ColumnPrior, x: Float, chances: Float, location: Float, width: Float) -> tuple[Float, Float]:
    weights = chances * _robust(column, x, location, width)
    rows, held = chances.sum(axis=0), column.location_rows
    new = (weights.T @ x + held * column.location * width) / (weights.sum(axis=0) + held)
    apart = (weights * (x[:, None] - new) ** 2).sum(axis=0)
    squares = apart / np.maximum(rows, 1e-12) / column.width**2
    usual = _pooled(squares, rows, column.width_rows) * column.width**2
    variance = (apart + column.width_rows * usual) / (rows + column.width_rows)
    return np.asarray(new), np.sqrt(np.maximum(variance, _LEAST_WIDTH**2))


def _pooled(values: Float, rows: Float, held: float) -> float:
    """What states share: the mean of what each says, by how much of it is the data's."""
    weights = rows * held / (rows + held)
    return float(weights @ values / weights.sum())


def _robust(column: ColumnPrior, x: Float, location: Float, width: Float) -> Float:
    """(T, K) weights of the rows: far ones count less."""
    return np.asarray((column.tails + 1) / (column.tails + ((x[:, None] - location) / width) ** 2))


def log_density(values: Float, prior: StatePrior, learnt: Learnt) -> Float:
    """(T, K) of each row in each state; what is far from all of them tells little."""
    location, width = learnt.location, learnt.width
    total = np.zeros((len(values), len(location)))
    for c, column in enumerate(prior.columns):
        v = column.tails
        size = gammaln((v + 1) / 2) - gammaln(v / 2) - 0.5 * np.log(v * np.pi) - np.log(width[:, c])
        apart = (values[:, c][:, None] - location[:, c]) / width[:, c]
        total += size - (v + 1) / 2 * np.log1p(apart**2 / v)
    return np.asarray(np.maximum(total, total.max(axis=1, keepdims=True) + _FAR))


def _beginnings(past: Float, prior: StatePrior) -> list[Learnt]:
    """One for each state that the first column tells apart: the ladder where the past's median is that state."""
    middle = np.median(past, axis=0)
    size = np.maximum(np.median(np.abs(past), axis=0) / 0.6745, 1e-9)
    first = prior.columns[0]
    _, states = np.unique(first.location if first.kind == "levels" else first.width, return_index=True)
    return [
        _beginning(
            np.array([m - column.location[state] for m, column in zip(middle, prior.columns, strict=True)]),
            np.array([s / column.width[state] for s, column in zip(size, prior.columns, strict=True)]),
            prior,
        )
        for state in states.tolist()
    ]


def _beginning(shift: Float, multiple: Float, prior: StatePrior) -> Learnt:
    location, width = [], []
    for c, column in enumerate(prior.columns):
        if column.kind == "levels":
            location.append(column.location + shift[c])
            width.append(column.width)
        else:
            width.append(column.width * multiple[c])
            location.append(column.location * width[-1])
    return Learnt(np.column_stack(location), np.column_stack(width), prior.transition, np.zeros(len(prior.stay)))


def _log_prior(prior: StatePrior, learnt: Learnt) -> float:
    """Of what was learnt, up to a constant."""
    total = prior.rows * float((prior.transition * np.log(learnt.transition)).sum())
    for c, column in enumerate(prior.columns):
        location, width = learnt.location[:, c], learnt.width[:, c]
        if column.kind == "levels":
            apart = location - column.location
            apart, relative = apart - apart.mean(), width[:1] / column.width[:1]
        else:
            apart = location - column.location * width
            relative = width / column.width
            relative = relative / np.exp(np.log(relative).mean())
        total -= 0.5 * column.location_rows * float(((apart / width) ** 2).sum())
        total -= 0.5 * column.width_rows * float((2 * np.log(relative) + relative**-2).sum())
    return total


def _filtered(values: Float, prior: StatePrior, learnt: Learnt) -> Float:
    return forward(log_density(values, prior, learnt), learnt.transition).chances
