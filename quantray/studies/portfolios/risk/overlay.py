"""Decisions held down by a risk overlay: cut to a budget and to limits, and held at an exposure that moves.

Everything is known at the close of the day on which it is decided; trades follow with the lag of the accounts and cost
what all trades cost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from threadpoolctl import threadpool_limits

from quantray.analytics.track import TrackRecord
from quantray.arrays import Float, Int
from quantray.backtest.accounts import Decisions
from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.data.panel import Panel
from quantray.features.liquidity import dollar_volume
from quantray.risk.drawdown import protected_exposure
from quantray.risk.limiting.cure import smallest_cure
from quantray.risk.limiting.limit_levels import LevelChange
from quantray.risk.limits import breaches, check
from quantray.risk.liquidity import liquidation_days, liquidity_scores
from quantray.risk.overlay import whipsaws
from quantray.risk.positions.book import Book
from quantray.risk.scaling import dynamic_scaling
from quantray.risk.sizing import volatility_exposure
from quantray.studies.portfolios.risk.levels import MovingLevels
from quantray.studies.portfolios.risk.settings import OverlaySettings, RiskSettings, overlay_name
from quantray.studies.portfolios.trial import Trial, eligible

__all__ = ["OverlayUse", "RiskOverlay"]

_VOLUME_DAYS = 21
_NONE = 1e-12
"""Of a weight or an exposure: nothing."""


@dataclass(frozen=True)
class OverlayUse:
    """How much an overlay did to a portfolio."""

    name: str
    """Of the portfolio without it."""
    scaled: int
    """Decisions that were cut to the risk budget."""
    cured: int
    """Decisions that were traded back within the limits."""
    decisions: int
    mean_exposure: float
    """Of the days, at which the decisions were held."""
    lowest_exposure: float
    undone: int
    """Cuts of the exposure that were taken back."""
    dearer: int
    """Those of them at a higher price."""
    changes: tuple[LevelChange, ...] = ()
    """Of levels of limits that move, each with its reason."""


@dataclass(frozen=True, eq=False)
class _Cut:
    """Decisions within the budget and the limits, how many were not, and levels that moved on the way."""

    decisions: Decisions
    scaled: int = 0
    cured: int = 0
    changes: tuple[LevelChange, ...] = ()


@dataclass(frozen=True, eq=False)
class RiskOverlay:
    """The overlay of a study.

    Parameters
    ----------
    trial : any of the study's, whose look-back and whose rule for who takes part the risk models share.
    sectors : name -> sector.
    nav : money that volumes are compared with.
    lag : of the accounts.
    """

    settings: RiskSettings
    panel: Panel
    trial: Trial
    sectors: Mapping[str, str]
    nav: float
    lag: int
    _models: dict[int, tuple[Int, FactorModel]] = field(default_factory=dict)

    def apply(
        self, decisions: Decisions, replay: Callable[[Decisions, str], TrackRecord], name: str
    ) -> tuple[TrackRecord, OverlayUse]:
        """The record of a portfolio with the overlay on its decisions, and how much that did.

        Parameters
        ----------
        replay : decisions and a name to a record, as the study replays them.
        """
        with threadpool_limits(limits=self.trial.threads):
            made = self._cut(decisions)
        cut = made.decisions
        full = replay(cut, overlay_name(name))
        exposure = self._exposure(full)
        held, traded = self._held(cut, full, exposure)
        record = replay(held, overlay_name(name)) if traded.any() else full
        undone, dearer = whipsaws(full.returns, traded)
        level = 1 + np.cumsum(traded)
        use = OverlayUse(
            name,
            made.scaled,
            made.cured,
            len(decisions.dates),
            float(level.mean()),
            float(level.min()),
            undone,
            dearer,
            made.changes,
        )
        return record, use

    @property
    def _terms(self) -> OverlaySettings:
        assert self.settings.overlay is not None, "made only with one"
        return self.settings.overlay

    def _cut(self, decisions: Decisions) -> "_Cut":
        """Decisions within the risk budget and the limits, and how many were not."""
        scaled = cured = 0
        weights = decisions.weights.copy()
        if self._terms.risk_budget is None and not self._terms.obey:
            return _Cut(decisions)
        levels = MovingLevels(self.settings.limits if self._terms.obey else (), self.panel)
        for day, decided in zip(decisions.dates, weights, strict=True):
            held = np.flatnonzero(np.abs(decided) > _NONE)
            if len(held) == 0:
                continue
            row = self.panel.row(day)
            limits, book = levels.at(row), self._book(row, held, decided[held])
            levels.decided(row, decided.copy(), book.needed("model", "the overlay").variance(book.weights))
            if self._terms.risk_budget is not None:
                scores = liquidity_scores(liquidation_days(book.weights, book.adv))
                # Without any volume there is no telling who is liquid.
                ease = None if np.isnan(book.adv).all() else scores
                scaling = dynamic_scaling(book, risk_budget=self._terms.risk_budget, scores=ease)
                scaled += bool((scaling.factors < 1).any())
                book = book.at(scaling.weights)
            if self._terms.obey and breaches(check(limits, book), "hard"):
                book, cured = smallest_cure(limits, book).book, cured + 1
            decided[held] = book.weights
        made = Decisions(decisions.dates, decisions.assets, weights)
        return _Cut(made, scaled, cured, tuple(levels.changes))

    def _book(self, row: int, held: Int, weights: Float) -> Book:
        """What was decided at the close of a row, by its own names, with the risk model of that day."""
        panel, names = self.panel, self.panel.assets[held]
        columns, model = self._model(row)
        places = np.searchsorted(columns, held)
        adv = np.full(len(held), np.nan)
        if "volume" in panel.fields:
            days = slice(max(row - _VOLUME_DAYS + 1, 0), row + 1)
            money = dollar_volume(panel.field("close")[days, held], panel.field("volume")[days, held])
            known = ~np.isnan(money).all(axis=0)
            adv[known] = np.nanmedian(money[:, known], axis=0) / self.nav
        sectors = np.array([self.sectors.get(name, "") for name in names.tolist()], dtype=np.str_)
        return Book(
            names=names,
            weights=weights,
            model=model.select(places),
            groups={"sector": sectors},
            adv=adv,
            universe={"name": panel.assets, "sector": sorted(set(self.sectors.values()))},
        )

    def _model(self, row: int) -> tuple[Int, FactorModel]:
        """Who may be held at the close of a row, and the risk model of them; all portfolios share it."""
        if row not in self._models:
            among = eligible(self.panel, row, self.trial)
            self._models[row] = among.columns, statistical_factors(among.returns)
        return self._models[row]

    def _exposure(self, full: TrackRecord) -> Float:
        """(T - 1,) exposure wanted at the close of each day of a record but the last, from its returns up to that."""
        returns, out = full.returns, np.ones(len(full.dates) - 1)
        if (target := self._terms.volatility) is not None:
            out *= volatility_exposure(
                returns,
                target=target.target,
                half_life=target.half_life,
                most=target.most,
                periods_per_year=full.periods_per_year,
            )
        if self._terms.protection is not None:
            out *= protected_exposure(returns, self._terms.protection)
        return out

    def _held(self, cut: Decisions, full: TrackRecord, exposure: Float) -> tuple[Decisions, Float]:
        """Decisions at the exposure of their day, and more of them on days on which it is far from what is held.

        Between two decisions what is held is that of the record at full size, at another exposure.

        Returns
        -------
        The decisions, and the (T - 1,) exposure bought before each day of the record's returns.
        """
        made = dict(zip(cut.dates.tolist(), cut.weights, strict=True))
        dates, weights, traded, now = [], [], np.zeros(len(exposure)), 1.0
        newest, since = None, 0
        for day, (date, wanted) in enumerate(zip(full.dates[:-1], exposure.tolist(), strict=True)):
            decided = made.get(date.item())
            if decided is not None:
                newest, since = decided, day
            moved = abs(wanted - now) > self._terms.band or (wanted != now and wanted in (0.0, 1.0))
            if newest is None or (decided is None and not moved):
                continue
            # What was decided but is not traded yet counts as held.
            base = newest if day < since + self.lag else full.weights[day]
            if day + self.lag < len(traded):
                traded[day + self.lag] = wanted - now
            now = wanted
            dates.append(date)
            weights.append(wanted * base)
        return Decisions(np.array(dates), cut.assets, np.array(weights)), traded
