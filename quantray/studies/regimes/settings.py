"""Settings of a study of regimes: which methods, on days and weeks, fitted again when, and which episodes."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Literal

from pydantic import Field, model_validator

from quantray.errors import InputError
from quantray.regimes.episodes import KNOWN_EPISODES, Episode
from quantray.regimes.lens_settings import LensSettings
from quantray.research.kind import StudySettings
from quantray.research.market import MarketSettings, SimulatedData
from quantray.settings import SettingsModel
from quantray.studies.evaluation.regime_choice import RegimeChoice, RegimeMethod, RegimeTerms

__all__ = ["EpisodeSettings", "RegimesSettings", "WeekFits"]

LENSES: tuple[RegimeMethod, ...] = ("market", "volatility", "liquidity", "correlation", "sector")


class WeekFits(SettingsModel):
    """When lenses on weeks are fitted, in weeks; what else they hold is as on days."""

    warmup: int = Field(104, ge=20)
    """Before the first fit."""
    every: int = Field(26, ge=1)
    """From one fit to the next."""
    memory: int = Field(520, ge=20)
    """The most recent ones that fits learn from."""

    def of(self, lenses: LensSettings) -> LensSettings:
        """Settings of the lenses on weeks."""
        return replace(lenses, warmup=self.warmup, every=self.every, memory=self.memory)


class EpisodeSettings(SettingsModel):
    """A fall of the market."""

    name: str = Field(min_length=1, max_length=40)
    peak: date
    trough: date

    @model_validator(mode="after")
    def _order(self) -> "EpisodeSettings":
        try:
            self.build()
        except InputError as error:
            raise ValueError(str(error)) from error
        return self

    def build(self) -> Episode:
        """The episode."""
        return Episode(name=self.name, peak=self.peak, trough=self.trough)


class RegimesSettings(RegimeTerms, MarketSettings, StudySettings):
    """Regimes of a market, by several methods."""

    kind: Literal["regimes"] = "regimes"
    methods: tuple[RegimeMethod, ...] | None = Field(None, min_length=1)
    """Of ``evaluation.regime_choice``; by default the five lenses, without that on sectors where data name none."""
    timeframes: tuple[Literal["1day", "1week"], ...] = ("1day", "1week")
    """Bars that the lenses look at; the hidden Markov model and the ensemble look at days."""
    weeks: WeekFits = WeekFits()
    refits: int = Field(4, ge=0, le=50)
    """Dates, the last one the end of the data, at which each method is fitted once more and tells the past again."""
    episodes: tuple[EpisodeSettings, ...] | None = None
    """Falls to look at; by default those of US stocks since 2000, and none in a simulated market."""

    @model_validator(mode="after")
    def _once(self) -> "RegimesSettings":
        for name, values in (("methods", self.methods or ()), ("timeframes", self.timeframes)):
            if len(set(values)) != len(values):
                raise ValueError(f"{name} {values} repeat; name each once")
        if "1day" not in self.timeframes:
            raise ValueError("timeframes must hold 1day, which weeks are compared with")
        names = [episode.name for episode in self.episodes or ()]
        if len(set(names)) != len(names):
            raise ValueError(f"episodes {names} repeat; give each a name of its own")
        try:
            self.weeks.of(self.lenses)
        except InputError as error:
            raise ValueError(f"weeks: {error}") from error
        return self

    def chosen(self, sectors: Mapping[str, str]) -> tuple[RegimeMethod, ...]:
        """The methods of the study.

        Parameters
        ----------
        sectors : asset -> sector, as the data name them.
        """
        return self.methods or tuple(name for name in LENSES if name != "sector" or sectors)

    def choice(self, method: RegimeMethod, timeframe: str = "1day") -> RegimeChoice:
        """What a method is made by."""
        lenses = self.lenses if timeframe == "1day" else self.weeks.of(self.lenses)
        return RegimeChoice(
            method=method, states=self.states, dwell_days=self.dwell_days, lenses=lenses, seed=self.seed
        )

    def falls(self) -> tuple[Episode, ...]:
        """The episodes to look at."""
        if self.episodes is not None:
            return tuple(episode.build() for episode in self.episodes)
        return () if isinstance(self.data, SimulatedData) else KNOWN_EPISODES
