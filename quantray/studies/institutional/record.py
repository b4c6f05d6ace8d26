"""What the five phases found: the choices of each, and what the study earns with each of them left out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from quantray.analytics.bootstrap import Estimate, Resampling
from quantray.analytics.sharpe_intervals import sharpe_difference, sharpe_interval
from quantray.arrays import TRADING_DAYS, Dates, Float, Int, digest
from quantray.studies.institutional.execution import Replay
from quantray.studies.institutional.objective import Choice
from quantray.studies.institutional.parameters import ParameterChoice

__all__ = [
    "ALL",
    "NOTHING",
    "PHASES",
    "VARIANTS",
    "Gain",
    "InstitutionalRecord",
    "LastTrades",
    "PhaseChoice",
    "Variant",
    "gains_of",
]

PHASES = ("regimes", "parameters", "weights", "risk", "execution")
"""In the order in which they build on one another."""


@dataclass(frozen=True, order=True)
class Variant:
    """The study with some of its phases."""

    name: str
    on: tuple[str, ...]

    def __contains__(self, phase: str) -> bool:
        return phase in self.on

    @property
    def book(self) -> tuple[bool, bool, bool]:
        """What its book depends on: regimes, parameters and weights; regimes count through parameters alone."""
        return "regimes" in self and "parameters" in self, "parameters" in self, "weights" in self


ALL = Variant("All phases", PHASES)
NOTHING = Variant("No phase", ())
VARIANTS = (
    ALL,
    *(Variant(f"Without {phase}", tuple(other for other in PHASES if other != phase)) for phase in PHASES),
    NOTHING,
)


@dataclass(frozen=True)
class PhaseChoice:
    """What one phase took in one fold of the study with all phases."""

    phase: str
    fold: int
    aum: float | None
    """Of execution, which depends on it."""
    choice: Choice


@dataclass(frozen=True)
class Gain:
    """What the study with all phases has over one without some, at some size of money."""

    variant: str
    aum: float
    sharpe: Estimate | None
    """Yearly, of the variant itself; None where it held nothing."""
    gain: Estimate | None
    """Sharpe ratio of all phases less its own, paired by day; None for all phases."""


@dataclass(frozen=True, eq=False)
class LastTrades:
    """What the newest decision with all phases that changed anything did."""

    decided: np.datetime64
    change: Float
    """(N,) weight decided less the one decided before."""
    participation: float
    """Most of a day's volume that it is traded at."""


@dataclass(frozen=True, eq=False)
class InstitutionalRecord:
    """All that a study of the five phases found. D out-of-sample days, F folds."""

    dates: Dates
    """(D,)."""
    regimes: tuple[str, ...]
    labels: Int
    """(D,) regime in force out of sample, of the path that each fold chose."""
    folds: tuple[str, ...]
    choices: tuple[PhaseChoice, ...]
    parameters: tuple[ParameterChoice, ...]
    strategies: tuple[str, ...]
    shares: Float
    """(D, S) capital of the strategies with all phases."""
    agreement: Float
    """(P, P) share of days on which two regime paths name the same regime."""
    paths: tuple[str, ...]
    """(P,)."""
    replays: Mapping[tuple[str, float], Replay]
    """Variant and money -> what it left out of sample."""
    gains: tuple[Gain, ...]
    last: Mapping[float, LastTrades]
    """By money."""
    n_computed: int
    n_reused: int
    seconds: float
    phase_seconds: Mapping[str, float]
    periods_per_year: int = TRADING_DAYS

    @property
    def years(self) -> float:
        """Length of the test."""
        return len(self.dates) / self.periods_per_year

    def gain(self, variant: str, aum: float) -> Gain:
        """How a variant did at some size of money."""
        return next(each for each in self.gains if (each.variant, each.aum) == (variant, aum))

    @property
    def aums(self) -> tuple[float, ...]:
        """Ascending."""
        return tuple(sorted({aum for _, aum in self.replays}))

    @property
    def digest(self) -> str:
        """Hash of all streams and choices: equal for equal numbers, wherever they were computed."""
        parts: list[str | np.ndarray] = [self.dates, self.labels, self.shares, self.agreement]
        parts += [repr((c.phase, c.fold, c.aum, c.choice.chosen)) for c in self.choices]
        parts += [repr((c.strategy, c.fold, c.scope, c.parameters)) for c in self.parameters]
        for (name, aum), each in self.replays.items():
            parts += [f"{name} {aum!r}", each.net, each.cost, each.turnover, each.gross]
        return digest(parts)


def gains_of(
    replays: Mapping[tuple[str, float], Replay],
    aums: Sequence[float],
    *,
    resampling: Resampling | None = None,
    periods_per_year: int = TRADING_DAYS,
) -> tuple[Gain, ...]:
    """How each variant did and what all phases have over it, on the same resampled days."""
    found, year = [], periods_per_year
    for aum in aums:
        whole = replays[ALL.name, aum].net
        for variant in VARIANTS:
            net = replays[variant.name, aum].net
            own = sharpe_interval(net, resampling=resampling, periods_per_year=year) if np.ptp(net) > 0 else None
            gain = None
            if variant != ALL:
                gain = sharpe_difference(whole, net, resampling=resampling, periods_per_year=year)
            found.append(Gain(variant.name, aum, own, gain))
    return tuple(found)
