"""The forward and backward passes of a hidden Markov chain, in blocks of rows side by side rather than row by row."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.regimes.hmm_filter import stationary_shares

__all__ = ["Backward", "Forward", "forward", "forward_backward"]

_BLOCK = 32
"""Rows of a block, whatever the number of rows: what is known at a row must not depend on how many follow."""
_SCALED = 8
"""Products from one scaling to the next, few enough not to underflow."""


@dataclass(frozen=True, eq=False)
class Forward:
    """What the rows up to each one tell."""

    chances: Float
    """(T, K) of each state given the rows up to its own."""
    log_likelihood: float
    """Of all rows."""


@dataclass(frozen=True, eq=False)
class Backward:
    """What all rows tell."""

    chances: Float
    """(T, K) of each state given all rows."""
    moves: Float
    """(K, K) expected number of moves from row to column."""


def forward(log_density: Float, transition: Float) -> Forward:
    """Filter rows whose first comes from the chain's long-run shares.

    Parameters
    ----------
    log_density : (T, K) of each row in each state.
    transition : (K, K) from row to column.

    Source: Hamilton (1989); the blocks are Särkkä and García-Fernández (2021), "Temporal Parallelization of Bayesian
    Smoothers", *IEEE Transactions on Automatic Control* 66.
    """
    likely, top = _scaled(log_density)
    start = stationary_shares(transition)
    chances = _filtered(likely, transition, start)
    ahead = np.vstack([start, chances[:-1] @ transition])
    return Forward(chances, float(np.log((ahead * likely).sum(axis=1)).sum() + top.sum()))


def forward_backward(log_density: Float, transition: Float) -> Backward:
    """Smooth rows; parameters as in ``forward``."""
    likely, _ = _scaled(log_density)
    chances = _filtered(likely, transition, stationary_shares(transition))
    later = _told_by_later(likely, transition)
    both = chances * later
    both /= both.sum(axis=1, keepdims=True)
    told = likely[1:] * later[1:]
    scale = np.einsum("ti,ij,tj->t", chances[:-1], transition, told)
    moves = transition * np.einsum("ti,tj->ij", chances[:-1] / scale[:, None], told)
    return Backward(both, np.asarray(moves))


def _scaled(log_density: Float) -> tuple[Float, Float]:
    top = log_density.max(axis=1)
    return np.asarray(np.exp(log_density - top[:, None])), top


def _filtered(likely: Float, transition: Float, start: Float) -> Float:
    """(T, K): within each block the products of its steps, then block after block from where the last one ended."""
    count, states = likely.shape
    blocks = _blocks(likely)
    steps = transition * blocks[:, :, None, :]
    steps[0, 0] = np.diag(blocks[0, 0])
    for k in range(1, _BLOCK):
        steps[:, k] = steps[:, k - 1] @ steps[:, k]
        if k % _SCALED == 0:
            steps[:, k] = _unit(steps[:, k])
    begun, belief = np.empty((len(blocks), states)), start
    for b in range(len(blocks)):
        begun[b] = belief
        belief = belief @ steps[b, -1]
        belief = belief / belief.sum()
    found = np.einsum("bi,bkij->bkj", begun, steps).reshape(-1, states)[:count]
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _told_by_later(likely: Float, transition: Float) -> Float:
    """(T, K) likelihood of the rows after each one by the state at it, up to a multiple."""
    count, states = likely.shape
    steps = transition * _blocks(likely)[:, :, None, :]
    for k in range(_BLOCK - 2, -1, -1):
        steps[:, k] = steps[:, k] @ steps[:, k + 1]
        if k % _SCALED == 0:
            steps[:, k] = _unit(steps[:, k])
    ended, belief = np.empty((len(steps), states)), np.ones(states)
    for b in range(len(steps) - 1, -1, -1):
        ended[b] = belief
        belief = steps[b, 0] @ belief
        belief = belief / belief.sum()
    from_row = np.einsum("bkij,bj->bki", steps, ended).reshape(-1, states)
    later = np.vstack([from_row[1:], np.ones((1, states))])[:count]
    later[-1] = 1.0
    return np.asarray(later / later.sum(axis=1, keepdims=True))


def _blocks(likely: Float) -> Float:
    """(B, ``_BLOCK``, K), the last block filled up with rows that say nothing."""
    count, states = likely.shape
    filled = np.ones((-(-count // _BLOCK) * _BLOCK, states))
    filled[:count] = likely
    return filled.reshape(-1, _BLOCK, states)


def _unit(matrices: Float) -> Float:
    return np.asarray(matrices / matrices.sum(axis=(1, 2), keepdims=True))
