"""What a search of settings found: its trials, the winner, and how much of the winner's lead is luck."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quantray.analytics.selection import expected_maximum_sharpe
from quantray.arrays import Float
from quantray.errors import InputError
from quantray.research.tunable import HeldOut

__all__ = ["TuningRecord", "TuningTrial"]


@dataclass(frozen=True, eq=False)
class TuningTrial:
    """One set of settings that was tried."""

    key: str
    """Hash of the study and the trial's settings."""
    values: Mapping[str, object]
    """Of the settings that were searched."""
    curve: Float
    """(R,) objective after each round; of a stopped trial, until it was stopped."""
    finished: bool
    """Whether it ran to its end rather than being stopped early."""
    note: str = ""
    """Why it has no objective; empty where it has."""

    @property
    def objective(self) -> float:
        """After the last round; NaN for a trial that failed."""
        return math.nan if self.note else float(self.curve[-1])


@dataclass(frozen=True, eq=False)
class TuningRecord:
    """A finished search.

    Raises
    ------
    InputError
        No trial ran to its end.
    """

    subject: str
    """Name of what was tuned."""
    measure: str
    """What the objective is, in words."""
    maximise: bool
    trials: tuple[TuningTrial, ...]
    """In the order in which they were suggested."""
    held_out: HeldOut | None
    seen_through: np.datetime64
    """Last date whose data the trials may have used; only what comes later is out of sample for the winner."""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not any(trial.finished and not trial.note for trial in self.trials):
            notes = sorted({trial.note for trial in self.trials if trial.note})
            why = f" ({notes[0]})" if notes else ""
            raise InputError(f"none of {len(self.trials)} trials ran to its end{why}; narrow the space.")

    @property
    def best(self) -> TuningTrial:
        """The best of the trials that ran to their end; the earlier of equals."""
        ended = [trial for trial in self.trials if trial.finished and not trial.note]
        sign = 1 if self.maximise else -1
        return max(ended, key=lambda trial: sign * trial.objective)

    @property
    def expected_best(self) -> float:
        """What the best would be expected to show if settings made no difference: mean and expected maximum.

        Of as many draws as there were trials, around the mean and with the deviation of those that ran to their end;
        the others were measured on less and do not compare. Luck that all trials share, because they are measured on
        the same days, is not in it: for that there are the dates held out. NaN for fewer than two that ended.

        Source: Bailey and Lopez de Prado (2014), *The deflated Sharpe ratio*, equation 1, around the trials' mean.
        """
        found = np.array([trial.objective for trial in self.trials if trial.finished and not trial.note])
        if len(found) < 2:
            return math.nan
        reach = expected_maximum_sharpe(len(self.trials), float(found.var(ddof=1)))
        return float(found.mean()) + (reach if self.maximise else -reach)
