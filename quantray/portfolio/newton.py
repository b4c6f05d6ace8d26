"""Newton steps of the interior-point solvers of one period and of several."""

from dataclasses import dataclass
from typing import Protocol

from quantray.arrays import Float

__all__ = ["Move", "Variables", "longest_step"]


@dataclass(frozen=True, eq=False)
class Move:
    """Changes of all variables."""

    w: Float
    z: Float
    g: Float
    y: Float
    s: Float
    m: Float
    t: Float
    p: Float


class Variables(Protocol):
    """What must stay positive: slacks and multipliers of the bounds and of the rows, and trades under a power."""

    s: Float
    m: Float
    t: Float
    p: Float
    z: Float
    impact: Float | None


def longest_step(variables: Variables, move: Move, share: float) -> float:
    """The longest step, at most one, that keeps slacks, multipliers (and z under a power) positive."""
    longest = 1.0
    pairs = [(variables.s, move.s), (variables.m, move.m), (variables.t, move.t), (variables.p, move.p)]
    if variables.impact is not None:
        pairs.append((variables.z, move.z))
    for value, change in pairs:
        if value.size:
            worst = float((change / value).min())
            if worst < 0:
                longest = min(longest, -share / worst)
    return longest
