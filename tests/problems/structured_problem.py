"""Small random problems with the structure of a mandate."""

from dataclasses import replace

import numpy as np
import pytest
from _problems import KINDS, kind_of

from quantray.portfolio.problem import StructuredProblem

SEEDS = range(5 * len(KINDS))


def small_problem(**changes):
    """Two uncorrelated assets of variance 1 and 2, fully invested."""
    problem = StructuredProblem(
        linear=np.zeros(2),
        diagonal=np.array([1.0, 2.0]),
        root=np.zeros((2, 0)),
        previous=np.zeros(2),
        lower=np.zeros(2),
        upper=np.ones(2),
        rows=np.ones((1, 2)),
        row_lower=np.ones(1),
        row_upper=np.ones(1),
        cost=np.zeros(2),
    )
    return replace(problem, **changes)


def named(seeds):
    return pytest.mark.parametrize("seed", seeds, ids=lambda seed: f"{kind_of(seed)} {seed}")
