"""What is known at the close of a day: the panel up to it, its quotes as they were, and who belongs to which sector."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from quantray.daily.settings import LearningSettings, RebalanceSettings
from quantray.data.panel import Panel
from quantray.data.quality.findings import QualityReport
from quantray.data.store import MarketStore
from quantray.data.universe import Among, read_sectors
from quantray.errors import DataError
from quantray.features.returns import DELIST_RETURN

__all__ = ["RISK_DAYS", "WARM_UP_DAYS", "DayMarket", "learning_days", "load_day"]

_FIELDS = ("high", "low", "close", "volume", DELIST_RETURN)
RISK_DAYS = 500
"""Trading days of the past that estimates of risk replay."""
_REGIME_DAYS = 1300
"""Trading days that the lenses' trailing distributions reach back."""
WARM_UP_DAYS = 320
"""Trading days before a training range, for the look-backs of features, graphs and the LSTM."""
_SPARE_DAYS = 30
_YEAR = 365.25 / 252


@dataclass(frozen=True, eq=False)
class DayMarket:
    """A day, after its close."""

    day: date
    version: int
    """Of the store."""
    panel: Panel
    """Its last row is the day's; total returns."""
    quotes: pd.DataFrame
    """Rows of date, symbol, close and, where there are any, split and dividend, as quoted, of the last days."""
    sectors: dict[str, str]
    quality: QualityReport | None
    """Of the append that brought the day; None where an import did."""

    @property
    def closes(self) -> dict[str, float]:
        """Symbol -> the day's close as quoted."""
        today = self.quotes[self.quotes["date"] == pd.Timestamp(self.day)]
        return dict(zip(today["symbol"].tolist(), today["close"].astype(float).tolist(), strict=True))


def learning_days(training: LearningSettings) -> int:
    """Trading days that a fit reaches back, but for those between its ranges."""
    return WARM_UP_DAYS + training.train_days + training.valid_days


def load_day(settings: RebalanceSettings, day: date | None = None, *, since: date | None = None) -> DayMarket:
    """The market of a day.

    Parameters
    ----------
    day : by default the last of the store.
    since : the quotes begin after it; by default they are of the day alone.

    Raises
    ------
    DataError
        There is no store, or it has no bars of the day.
    """
    store = MarketStore(settings.data.store)
    version = store.version()
    reports = store.quality_reports(version)
    last = max(date.fromisoformat(report.last) for report in reports) if day is None else day
    learning = 0 if settings.training is None else learning_days(settings.training)
    reach = max(settings.lookback_days, RISK_DAYS, _REGIME_DAYS if settings.regimes else 0, learning) + _SPARE_DAYS
    start = settings.data.start or last - timedelta(days=int(reach * _YEAR) + 10)
    sectors = read_sectors(settings.data.sectors) if settings.data.sectors else {}
    universe = settings.data.universe.build(reports[0].exchange)
    if settings.data.only_with_sector:
        universe = Among(tuple(sorted(sectors)), universe)
    panel = store.load(universe, start, last, _FIELDS, version, absent="leave out")
    if panel.dates[-1] != np.datetime64(last):
        raise DataError(f"the store has no bars of {last}; its last before are of {panel.dates[-1]}. Append the day's.")
    bars = store.bars(last if since is None else since + timedelta(days=1), last, version=version)
    kept = [name for name in ("date", "symbol", "close", "split", "dividend") if name in bars]
    quotes = bars[kept].assign(symbol=store.symbols(version).shown(bars["symbol"].to_numpy(dtype=np.str_)))
    brought = [report for report in reports[1:] if report.first <= str(last) <= report.last]
    return DayMarket(last, version, panel, quotes, sectors, brought[-1] if brought else None)
