"""Strategies that share capital: what each contributed, by the policy it had, by timing, and what netting saved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from quantray.analytics.attribution.breakdown import Breakdown, break_down, known
from quantray.analytics.attribution.holdings import CASH
from quantray.analytics.attribution.linking import Linking
from quantray.arrays import Bool, Dates, Float
from quantray.errors import InputError

__all__ = ["MOVING", "NETTING", "StrategyAttribution", "StrategyShares", "attribute_strategies"]

NETTING, MOVING = "netting", "moving capital"


@dataclass(frozen=True, eq=False, kw_only=True)
class StrategyShares:
    """S strategies on T days of one book."""

    names: Sequence[str]
    weights: Float
    """(T, S) of capital at the start of each day; what is left is cash."""
    returns: Float
    """(T, S) of each strategy alone, after what it is charged."""
    policy: Float | None = None
    """(S,) weights that were meant; by default the mean ones."""
    cash: Float | None = None
    """(T,) return of what is left; by default zero."""
    netting: Float | None = None
    """(T,) fraction of NAV that the one book saved because its strategies' trades cancel; by default zero."""
    moving: Float | None = None
    """(T,) fraction of NAV that moving capital would have cost strategies alone; by default zero."""

    def on(self, keep: Bool) -> "StrategyShares":
        """Some of the days; the policy stays."""
        days = ("weights", "returns", "cash", "netting", "moving")
        cut: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[keep] for name in days
        }
        policy = self.weights.mean(axis=0) if self.policy is None else self.policy
        return replace(self, policy=policy, **cut)


@dataclass(frozen=True, eq=False)
class StrategyAttribution:
    """The requirement's table. For each strategy, ``contribution`` is the sum of its effects."""

    breakdown: Breakdown
    """Effects of each strategy: ``benchmark`` (policy weight at the benchmark's return), ``selection`` (policy weight
    times excess return), ``allocation`` (weight beyond policy at the benchmark's return) and ``interaction``; cash,
    netting and moving capital in rows of their own."""
    contribution: dict[str, float]
    """Linked, by strategy; with those of cash, netting and moving capital they sum to the total return."""
    average_weight: dict[str, float]
    weight_volatility: dict[str, float]
    """Standard deviation through time, of a day."""


def attribute_strategies(
    dates: Dates,
    shares: StrategyShares,
    *,
    total: Float | None = None,
    benchmark: Float | None = None,
    method: Linking = "carino",
) -> StrategyAttribution:
    """Split the return of a book among strategies.

    Parameters
    ----------
    total : (T,) returns of the book after costs, which the parts must sum to; by default what they sum to.
    benchmark : (T,) return that each strategy is measured against; by default zero.

    Raises
    ------
    InputError
        Shapes disagree or a value is missing.
    DataError
        The strategies, cash and netting do not sum to ``total``.
    """
    names = list(shares.names)
    weights, returns = known(shares.weights, dates, "weights"), known(shares.returns, dates, "strategy returns")
    if weights.shape != (len(dates), len(names)) or returns.shape != weights.shape:
        raise InputError(
            f"weights {weights.shape} and returns {returns.shape} must be (days, {len(names)} strategies)."
        )
    if len(set(names)) != len(names) or {CASH, NETTING, MOVING} & set(names):
        raise InputError(f"strategy names must differ from one another and from {CASH}, {NETTING} and {MOVING}.")
    policy = weights.mean(axis=0) if shares.policy is None else np.asarray(shares.policy, dtype=np.float64)
    none = np.zeros(len(dates))
    market = (none if benchmark is None else known(benchmark, dates, "benchmark returns"))[:, None]
    beyond, excess = weights - policy, returns - market
    interest = none if shares.cash is None else known(shares.cash, dates, "returns of cash")
    idle = (1 - weights.sum(axis=1)) * interest
    netting = none if shares.netting is None else known(shares.netting, dates, NETTING)
    moving = none if shares.moving is None else known(shares.moving, dates, MOVING)
    blocks = {
        "benchmark": policy * market,
        "selection": policy * excess,
        "allocation": beyond * market,
        "interaction": beyond * excess,
    }
    parts = np.column_stack([*blocks.values(), idle, netting, -moving])
    split = break_down(
        "Strategies",
        dates,
        names * len(blocks) + [CASH, NETTING, MOVING],
        [effect for effect in blocks for _ in names] + [CASH, NETTING, MOVING],
        parts,
        parts.sum(axis=1) if total is None else total,
        method=method,
    )
    return StrategyAttribution(
        breakdown=split,
        contribution=split.by_row(),
        average_weight=dict(zip(names, weights.mean(axis=0).tolist(), strict=True)),
        weight_volatility=dict(zip(names, weights.std(axis=0, ddof=min(1, len(dates) - 1)).tolist(), strict=True)),
    )
