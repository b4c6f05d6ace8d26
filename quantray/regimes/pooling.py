"""How far each method is trusted in each regime, by how well it foretold the past."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.arrays import Float
from quantray.regimes.path import RegimePath

__all__ = ["LearntWeights", "log_score_weights"]

_SURE = 2.0
"""Standard errors by which two methods must differ for their order to count as known."""
_LEAST = np.exp(-10.0)
"""Density below which a day does not tell more against a method."""
_BEGIN = 10.0
"""Rows that the law of a regime counts for before it has any of its own."""


@dataclass(frozen=True, eq=False)
class LearntWeights:
    """What M methods were worth, day by day, from the days before."""

    weights: Mapping[str, Float]
    """Method -> (T, R), of sum one over the methods in each regime; row t knows nothing later."""
    scores: Mapping[str, float]
    """Method -> mean log score of the next row over all rows; NaN without any."""
    rows: int
    """Rows that were scored."""
    learnt: bool
    """Whether the best method is ahead of the mean of all by more than chance would have it."""

    @property
    def text(self) -> str:
        """What was learnt, in a sentence."""
        if not self.learnt:
            return f"Nothing was learnt of {', '.join(self.scores)} from {self.rows} rows: their scores are alike."
        best = max(self.scores, key=lambda name: self.scores[name])
        return f"{best} foretold {self.rows} rows best, by a log score of {self.scores[best]:.3f}."


def log_score_weights(
    paths: Mapping[str, RegimePath],
    seen: Float,
    prior: Mapping[str, float],
    *,
    shrinkage: float = 21.0,
    spell: float = 50.0,
) -> LearntWeights:
    """Weigh methods by the log scores of their forecasts of what was seen on the next row.

    A method's forecast is the mixture of Gaussian laws of what was seen in each of its regimes so far, by its
    probabilities. Every score counts in each regime by the mean probability of that regime on the row it was made.
    Rows of one spell tell the same of a method over and over, so all of them together count as one: who took them for
    independent would be sure after a single spell, and of a method whose regimes may bear wrong names.
    The weights of n rows are ``n / (n + shrinkage)`` of the posterior's and for the rest those given beforehand.

    Parameters
    ----------
    paths : with the same dates and names in the same order.
    seen : (T,) what is foretold, such as log volatility; NaN where unknown.
    prior : method -> weight before any score, positive.
    shrinkage : rows in a regime that the prior counts for.
    spell : rows that count as one.

    Source: Raftery, Kárný and Ettler (2010), "Online Prediction Under Model Uncertainty via Dynamic Model Averaging",
    *Technometrics* 52; Grünwald and van Ommen (2017), "Inconsistency of Bayesian Inference for Misspecified Linear
    Models, and a Proposal for Repairing It", *Bayesian Analysis* 12, for scores that count for less.
    """
    names = list(paths)
    chances = np.array([path.probabilities for path in paths.values()])
    begin = np.array([prior[name] for name in names])
    begin = begin / begin.sum()
    methods, rows, regimes = chances.shape
    out = np.empty((rows, methods, regimes))
    laws = _Laws(methods, regimes)
    total, weight_of_rows, scored = np.zeros((methods, regimes)), np.zeros(regimes), []
    now = np.repeat(begin[:, None], regimes, axis=1)
    for t in range(rows):
        # Row t - 1 was told before what is seen on row t.
        if t and np.isfinite(seen[t]) and np.isfinite(chances[:, t - 1]).all():
            before = chances[:, t - 1]
            if laws.begun:
                score = np.log(np.maximum((before * laws.density(seen[t])).sum(axis=1), _LEAST))
                scored.append(score)
                share = begin @ before
                total += score[:, None] / spell * share
                weight_of_rows += share
                now = _weights(total, weight_of_rows, begin, shrinkage)
            laws.learn(seen[t], before)
        out[t] = now
    found = np.array(scored).reshape(-1, methods)
    return LearntWeights(
        {name: out[:, m] for m, name in enumerate(names)},
        {name: float(found[:, m].mean()) if len(found) else float("nan") for m, name in enumerate(names)},
        len(found),
        _told_apart(found, spell),
    )


class _Laws:
    """Gaussian laws of what is seen in each regime of each method, from weighted rows."""

    def __init__(self, methods: int, regimes: int) -> None:
        self.rows = np.zeros((methods, regimes))
        self.sums, self.squares = np.zeros((methods, regimes)), np.zeros((methods, regimes))
        self.seen, self.whole, self.whole_squares = 0, 0.0, 0.0

    @property
    def begun(self) -> bool:
        return self.seen > _BEGIN

    def density(self, value: float) -> Float:
        rows = self.rows + _BEGIN
        mean = (self.sums + _BEGIN * self.whole / self.seen) / rows
        variance = np.maximum((self.squares + _BEGIN * self.whole_squares / self.seen) / rows - mean**2, 1e-8)
        return np.asarray(np.exp(-0.5 * (value - mean) ** 2 / variance) / np.sqrt(2 * np.pi * variance))

    def learn(self, value: float, chances: Float) -> None:
        self.rows += chances
        self.sums += chances * value
        self.squares += chances * value**2
        self.seen, self.whole, self.whole_squares = self.seen + 1, self.whole + value, self.whole_squares + value**2


def _weights(total: Float, rows: Float, begin: Float, shrinkage: float) -> Float:
    """(M, R)."""
    posterior = begin[:, None] * np.exp(total - total.max(axis=0))
    share = rows / (rows + shrinkage)
    return np.asarray(share * posterior / posterior.sum(axis=0) + (1 - share) * begin[:, None])


def _told_apart(scores: Float, spell: float) -> bool:
    if len(scores) < 2 or scores.shape[1] < 2:
        return False
    ahead = scores[:, scores.mean(axis=0).argmax()] - scores.mean(axis=1)
    return bool(ahead.mean() > _SURE * ahead.std(ddof=1) * np.sqrt(spell / len(ahead)))
