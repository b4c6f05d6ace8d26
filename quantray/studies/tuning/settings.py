"""Settings of a search for better settings: what is tuned, the space that is searched, and how."""

from typing import Literal

from pydantic import Field

from quantray.research.kind import StudySettings
from quantray.research.space import Dimension
from quantray.research.tunable import Target
from quantray.settings import Seed, SettingsModel

__all__ = ["StoppingSettings", "TuningSettings"]


class StoppingSettings(SettingsModel):
    """Asynchronous successive halving (ASHA): trials that lag behind the others are stopped early.

    Source: Li et al. (2020), *A system for massively parallel hyperparameter tuning*, MLSys 2.
    """

    grace: int = Field(3, ge=1)
    """Rounds before a trial may be stopped: epochs of a network, folds of another forecaster, test ranges of a
    portfolio."""
    reduction: float = Field(3.0, gt=1)
    """At each rung, ``grace`` times a power of this, one in so many trials goes on."""


class TuningSettings(StudySettings):
    """A search of settings. ``cluster`` is the search's, whatever the study's; its CPUs and GPUs are those of a trial.

    Trials are tracked as one run each, the search as another.
    """

    kind: Literal["tuning"] = "tuning"
    target: Target
    space: dict[str, Dimension] = Field(min_length=1)
    """What is searched, by dotted names below the subject (``training.learning_rate`` of a network,
    ``parameters.depth`` of a forecaster or rule that has it), or, of a study of portfolios, ``folds.lookback_days``,
    ``rebalance``, ``min_history``, ``min_volatility`` and ``policy``."""
    trials: int = Field(24, ge=1)
    """Sets of settings that are tried; the study's own are the first, where they lie in the space."""
    concurrent: int = Field(4, ge=1)
    """Trials at a time. With 1 the search is the same every time; with more it depends on who ends first."""
    seed: Seed = 0
    stopping: StoppingSettings = StoppingSettings()
    held_out: int = Field(1, ge=1)
    """Last folds that no trial sees, on which the winner is measured once."""
