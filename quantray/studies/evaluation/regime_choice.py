"""Settings that say which market we are in: a lens, a hidden Markov model, or the ensemble of statistical methods."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from quantray.data.panel import Panel
from quantray.errors import InputError
from quantray.regimes.ensemble import EnsembleSettings, ensemble_regimes
from quantray.regimes.hmm import HmmSettings, hmm_regimes
from quantray.regimes.indicators import lens_of
from quantray.regimes.lens_measures import MarketMeasures
from quantray.regimes.lens_settings import LENS_NAMES, LensSettings
from quantray.regimes.observations import daily_observations, state_names
from quantray.regimes.path import RegimePath, minimum_dwell
from quantray.regimes.schedule import OneFit, RefitSchedule, Schedule
from quantray.settings import Seed, SettingsModel

__all__ = ["STATISTICAL", "RegimeChoice", "RegimeMethod", "RegimeTerms"]

RegimeMethod = Literal["market", "trend", "volatility", "liquidity", "correlation", "sector", "hmm", "ensemble"]


STATISTICAL = ("hmm", "ensemble")
"""Methods that look at days and learn all that they know; the others are lenses."""


class RegimeTerms(SettingsModel):
    """What methods are set by."""

    states: Literal[2, 3, 4] = 3
    """Named regimes of the hidden Markov model and the ensemble; some may not have come yet."""
    dwell_days: int = Field(5, ge=1)
    """Days running that a new regime of the hidden Markov model or the ensemble must be seen before it counts; lenses
    have their hysteresis instead."""
    lenses: LensSettings = LensSettings()
    """What the lenses hold beforehand, and what their mistakes cost."""
    seed: Seed = 0


class RegimeChoice(RegimeTerms):
    """Which market we are in, day by day; see ``quantray.regimes``."""

    method: RegimeMethod = "hmm"
    """One of the lenses (``trend`` is that of the market by its rule), a hidden Markov model, or the ensemble of all
    statistical methods."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the regimes, in the order of a path's."""
        if self.method in STATISTICAL:
            return tuple(state_names(self.states).tolist())
        return LENS_NAMES[self.method]

    @property
    def by_rule(self) -> bool:
        """Whether it learns nothing."""
        return self.method == "trend" or (self.method == "market" and self.lenses.market_by == "trend")

    @property
    def first(self) -> int:
        """Days with all that it looks at before it says anything."""
        return self.lenses.trend_days if self.by_rule else self.schedule.first

    @property
    def schedule(self) -> RefitSchedule:
        """When it is fitted."""
        return RefitSchedule() if self.method in STATISTICAL else self.lenses.schedule

    @property
    def terms(self) -> dict[str, object]:
        """Of the settings those that this method reads."""
        read = {"states", "dwell_days", "seed"} if self.method in STATISTICAL else {"lenses"}
        return self.model_dump(mode="json", include={"method", *read})

    def once(self) -> OneFit:
        """One fit on all days, which tells all of them."""
        return OneFit(first=self.schedule.first, window=self.schedule.window)

    def build(
        self, panel: Panel, sectors: Mapping[str, str] | None = None, *, schedule: Schedule | None = None
    ) -> RegimePath:
        """The path of regimes, each day's known at its close.

        Parameters
        ----------
        sectors : asset -> sector, for the lens on sectors.
        schedule : when to fit; by default its own.

        Raises
        ------
        InputError
            The lens on sectors has fewer than two of them.
        DataError, SolverError
            As the method's function in ``quantray.regimes``.
        """
        fits = schedule or self.schedule
        if self.method == "ensemble":
            settings = EnsembleSettings(states=self.states, dwell_days=self.dwell_days, schedule=fits, seed=self.seed)
            return ensemble_regimes(panel, settings).path
        if self.method == "hmm":
            hidden = HmmSettings.of_regimes(self.states, schedule=fits, seed=self.seed)
            return minimum_dwell(hmm_regimes(daily_observations(panel), hidden).path, self.dwell_days)
        if self.method == "sector" and not sectors:
            raise InputError("regimes of sectors need to know them; set data.sectors to a file of symbol and sector.")
        seen = MarketMeasures.of_panel(panel, sectors, weighting=self.lenses.weighting)
        return lens_of(self.method, seen, self.lenses, fits).path
