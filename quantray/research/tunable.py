"""What a kind of study must give so that its settings can be searched, on dates that leave the last ones alone."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from quantray.analytics.bootstrap import Estimate, Resampling
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError
from quantray.research.executor import Executor
from quantray.research.kind import Source, StudySettings
from quantray.research.numerics import Numerics
from quantray.research.space import Dimension, Point, SearchSpace
from quantray.research.terms import ClusterSettings
from quantray.settings import SettingsModel, config_hash

__all__ = [
    "HeldOut",
    "Progress",
    "SearchTerms",
    "Subject",
    "Target",
    "Tunable",
    "check_held_out",
    "day_before",
    "finite",
]

_FEWEST = 20
"""Held-out days below which nothing can be said."""


class Target(SettingsModel):
    """What is tuned."""

    study: str
    """YAML of the study; what is not searched stays as it is there."""
    subject: str
    """Name of a network, another forecaster with parameters, or an allocator in it."""
    objective: str | None = None
    """Of a portfolio, ``volatility``, to be low, or ``sharpe``, to be high; forecasters have their validation IC."""
    seeds: int = Field(1, ge=1)
    """Fits of each fold of a network whose validation IC is averaged; more make luck smaller and the search longer."""


@dataclass(frozen=True, eq=False)
class SearchTerms:
    """What a search asks of a study."""

    target: Target
    space: Mapping[str, Dimension]
    held_out: int
    """Last folds that no trial may see."""
    cluster: ClusterSettings
    numerics: Numerics
    runs: str

    @property
    def here(self) -> dict[str, object]:
        """Settings of the study that are the search's: where it runs, and on which kernels."""
        return {"cluster": self.cluster, "numerics": self.numerics, "runs": self.runs}


@dataclass(frozen=True)
class Progress:
    """Where a trial stands after a round."""

    objective: float
    finished: bool = False
    note: str = ""
    """Why the settings cannot be used; then the objective is the worst there is."""


class Subject(Protocol):
    """Something that is tuned; it travels to the workers with all it needs and nothing of what is held out."""

    @property
    def space(self) -> SearchSpace[Any]:
        """What may be tried."""
        ...

    @property
    def most_rounds(self) -> int:
        """Rounds that a trial has at most."""
        ...

    def rounds(self, point: Point) -> Iterator[Progress]:
        """The progress of a trial, round by round; begun again, it repeats what was computed before without work."""
        ...

    def elsewhere(self, runs: Path) -> "Subject":
        """The same, but what it computes is kept in another folder of runs."""
        ...


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The winner and the study's own settings on dates that no trial saw."""

    first: np.datetime64
    last: np.datetime64
    winner: Estimate
    base: Estimate
    difference: Estimate
    """The winner's less the base's, on the same days."""


@dataclass(frozen=True, eq=False)
class Tunable:
    """A study made ready for a search."""

    name: str
    """Of what is tuned."""
    measure: str
    """What the objective is, in words."""
    maximise: bool
    """Whether more of it is better."""
    source: Source[Any, Any]
    """The study with versions filled in, and all dates; it runs where the search does."""
    subject: Subject
    seen_through: np.datetime64
    first_held_out: np.datetime64
    best: Callable[[Point], StudySettings]
    """The study as its file says, with the values of a point in the place of its own."""
    held_out_trials: float
    """How many whole trials take as long as what is held out."""
    held_out: Callable[[Point, Executor, Resampling], HeldOut]
    """The winner and the study's own settings on the dates that no trial saw, on the same days."""

    def trial_key(self, point: Point) -> str:
        """Hash of the study and a trial's settings."""
        tried = config_hash(self.subject.space.settings(point), exclude=set(self.source.settings.where))
        return f"{self.source.settings.identity}-{tried}"


def check_held_out(panel: Panel, first: np.datetime64, unknown: int) -> None:
    """See that enough days are held out.

    Parameters
    ----------
    unknown : days at the end of the panel whose outcome is not known yet.

    Raises
    ------
    InputError
        There are fewer than 20.
    """
    days = len(panel.dates) - panel.row(first) - unknown
    if days < _FEWEST:
        raise InputError(
            f"only {days} days from {first} on are held out, and {_FEWEST} are needed; raise held_out, or end the data "
            "at the end of a fold."
        )


def day_before(panel: Panel, date: np.datetime64) -> np.datetime64:
    """The trading day before one."""
    return np.datetime64(panel.dates[panel.row(date) - 1])


def finite(objective: float) -> float:
    """An objective, which must be a number.

    Raises
    ------
    DataError
        It is none.
    """
    if not np.isfinite(objective):
        raise DataError(
            f"the objective is {objective}: no label or return is known where it is measured; check the data."
        )
    return objective
