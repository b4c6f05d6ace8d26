"""Two portfolios of one simulated market, with dividends, interest and costs, and what explains them."""

from dataclasses import dataclass

import numpy as np
import pytest

from quantray.analytics.track import TrackRecord
from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.covariance.factor import FactorModel, fundamental_factors
from quantray.data.panel import Panel


@dataclass(frozen=True, eq=False)
class Accounts:
    panel: Panel
    record: TrackRecord
    benchmark: TrackRecord
    sectors: dict[str, str]
    """One name, the fourth, has none."""
    model: FactorModel


@pytest.fixture(scope="session")
def accounts(market) -> Accounts:
    panel = market.panel
    rng, n = np.random.default_rng(0), len(panel.assets)
    yields = np.where(rng.random(panel.shape) < 0.01, 0.005, 0.0)
    panel = panel.with_fields(dividend_yield=yields)
    days = panel.dates[300::21]
    chosen = rng.normal(0.5, 1.0, (len(days), n))
    chosen /= np.abs(chosen).sum(axis=1, keepdims=True)
    equal = np.full((len(days), n), 1 / n)
    terms = Accounting(dividends="cash", cash_rate=0.02)
    record = backtest(
        panel, Decisions(days, panel.assets, chosen), costs=LinearCosts(5, 1), accounting=terms, name="L/S"
    )
    other = backtest(panel, Decisions(days, panel.assets, equal), accounting=terms, name="Equal")
    labels = market.truth.sectors.tolist()
    model = fundamental_factors(panel.field("close")[:301], panel.field("volume")[:301], sectors=labels)
    sectors = dict(zip(panel.assets.tolist(), labels, strict=True))
    del sectors[panel.assets[3]]
    return Accounts(panel, record, other, sectors, model)
