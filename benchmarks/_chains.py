"""Markets of two or three regimes that are well apart, as observations with a known truth."""

from dataclasses import dataclass

import numpy as np

from quantray.arrays import Int
from quantray.regimes.observations import Observations

MEANS = np.array([[0.0008, np.log(0.008)], [-0.002, np.log(0.025)], [-0.004, np.log(0.06)]])
"""Daily mean of the return, and of the log width of the day, in each regime."""
NOISE = 0.25


@dataclass(frozen=True, eq=False)
class Chain:
    observations: Observations
    truth: Int


def chain(n_days: int, seed: int, *, states: int = 2, stay: float = 0.985) -> Chain:
    """Days of a Markov chain that stays with probability ``stay`` and else goes to any other state."""
    generator = np.random.default_rng(seed)
    truth = np.zeros(n_days, dtype=np.int64)
    for t in range(1, n_days):
        leaves = generator.random() > stay
        truth[t] = (truth[t - 1] + generator.integers(1, states)) % states if leaves else truth[t - 1]
    width = np.exp(MEANS[truth, 1])
    returns = MEANS[truth, 0] + width * generator.standard_normal(n_days)
    seen = MEANS[truth, 1] + NOISE * generator.standard_normal(n_days)
    dates = np.datetime64("2000-01-03") + np.arange(n_days)
    return Chain(Observations(dates, ("return", "volatility"), np.column_stack([returns, seen]), returns), truth)
