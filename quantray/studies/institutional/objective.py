"""What the phases optimise: measures of a return series, what it must keep to, and the choice among candidates."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from quantray.analytics.metrics import Performance, drawdown, performance, varies
from quantray.arrays import TRADING_DAYS, Float
from quantray.settings import SettingsModel

__all__ = ["Candidate", "Choice", "Constraints", "Objective", "Objectives", "choose", "scored"]

Objective = Literal["sharpe", "sortino", "calmar", "annual_return", "return_at_drawdown"]
"""``return_at_drawdown`` is the yearly return, less in proportion where the largest fall exceeds what is allowed."""


class Constraints(SettingsModel):
    """What a portfolio must keep to."""

    max_drawdown: float = Field(0.15, gt=0, le=1)
    """Largest fall below a high; candidates that fell deeper in training come after those that did not."""
    turnover: float = Field(20.0, gt=0)
    """One-way a year, of NAV; likewise."""
    gross: float = Field(1.0, gt=0, le=10)
    """Most of the sum of absolute weights, on every day of decision."""
    weight: float = Field(0.1, gt=0, le=10)
    """Most of one name's absolute weight, likewise."""
    risk_budget: float = Field(1.0, gt=0, le=100)
    """Times 2 % of NAV: the most that the strategies together may lose in a day at 99 %, by their look-back."""


class Objectives(SettingsModel):
    """What is made large in training, and within which bounds."""

    weights: Mapping[Objective, float] = Field({"sharpe": 1.0}, min_length=1)
    """Measure -> how much it counts; a score is the sum."""
    constraints: Constraints = Constraints()

    @field_validator("weights")
    @classmethod
    def _counts(cls, weights: Mapping[Objective, float]) -> Mapping[Objective, float]:
        if not all(0 < weight < float("inf") for weight in weights.values()):
            raise ValueError(f"the objectives count {dict(weights)}; give each a positive number, or leave it out")
        return dict(sorted(weights.items()))

    def score(self, returns: Float, periods_per_year: int = TRADING_DAYS) -> float:
        """The weighted sum of the measures of (D,) daily returns; 0 where they do not vary."""
        if len(returns) < 2 or not varies(returns):
            return 0.0
        found = performance(returns, periods_per_year=periods_per_year)
        return float(sum(w * np.nan_to_num(self._measure(name, found)) for name, w in self.weights.items()))

    def _measure(self, name: Objective, found: Performance) -> float:
        if name != "return_at_drawdown":
            return float(getattr(found, name))
        allowed, fall = self.constraints.max_drawdown, found.max_drawdown
        return found.annual_return * min(1.0, allowed / fall) if fall > 0 else found.annual_return


@dataclass(frozen=True)
class Candidate:
    """One way to do a phase, and how it did in training."""

    name: str
    score: float
    max_drawdown: float
    turnover: float | None
    """One-way a year; None where it is not counted."""
    excess: float
    """Sum of what it is beyond the constraints, each as a fraction of its bound; 0 where all are kept."""


@dataclass(frozen=True)
class Choice:
    """The candidates of a phase in one fold, and which was taken."""

    candidates: tuple[Candidate, ...]
    chosen: str

    @property
    def best(self) -> Candidate:
        """The one taken."""
        return next(each for each in self.candidates if each.name == self.chosen)

    def note(self) -> dict[str, str]:
        """As it is noted beside a result."""
        return {"choice": json.dumps(asdict(self))}

    @classmethod
    def of_notes(cls, notes: Mapping[str, str]) -> "Choice":
        """What ``note`` wrote."""
        content = json.loads(notes["choice"])
        return cls(tuple(Candidate(**each) for each in content["candidates"]), content["chosen"])


def scored(
    name: str, returns: Float, objectives: Objectives, *, turnover: float | None = None, periods_per_year: int
) -> Candidate:
    """A candidate by its (D,) daily returns in training and its yearly one-way turnover."""
    bounds = objectives.constraints
    fall = drawdown(returns)[0] if len(returns) else 0.0
    beyond = [fall / bounds.max_drawdown, (turnover or 0.0) / bounds.turnover]
    excess = sum(max(0.0, part - 1) for part in beyond)
    return Candidate(name, objectives.score(returns, periods_per_year), fall, turnover, excess)


def choose(candidates: Sequence[Candidate]) -> Choice:
    """Take the best score among those that keep to the constraints, or those nearest to it; the first of equals."""
    best = max(candidates, key=lambda each: (-each.excess, each.score))
    return Choice(tuple(candidates), best.name)
