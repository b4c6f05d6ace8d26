"""A market whose peers lead one another, so that only a model of peers reads its signal in full."""

from dataclasses import dataclass

import numpy as np

from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.data.synthetic import LeadLag, MarketTruth, simulate_market
from quantray.features.cross_section import standardised
from quantray.features.feature_set import Features, feature_set
from quantray.features.labels import forward_returns
from quantray.models.scoring import TimeReading
from quantray.models.structures import GraphSettings
from quantray.models.training import TrainingSettings
from quantray.research.folds import walk_forward

GRAPH = GraphSettings(k=8, window=252, n_factors=1)
TRAINING = TrainingSettings(epochs=6, patience=4, learning_rate=1e-2, reading=TimeReading(steps=10, warm_up=20))


@dataclass(frozen=True, eq=False)
class Planted:
    """The market, its one fold and what is known of it."""

    panel: Panel
    features: Features
    fold: Split
    truth: MarketTruth

    @property
    def test(self) -> slice:
        """Rows of the test range."""
        return self.fold.rows(self.panel.dates).test

    def ic(self, values: np.ndarray) -> float:
        """Mean daily information coefficient of forecasts of the test range."""
        labels = standardised(forward_returns(self.panel.field("close"), horizon=1, lag=1), self.panel.member)
        daily = []
        for x, y in zip(values, labels[self.test], strict=True):
            known = ~np.isnan(x) & ~np.isnan(y)
            if known.any():
                daily.append(np.corrcoef(x[known], y[known])[0, 1])
        return float(np.mean(daily))


def planted(n_assets: int, n_days: int, train_days: int, seed: int) -> Planted:
    """One market factor, no styles: what remains are groups of nine, of which a graph finds 95 %."""
    market = simulate_market(
        n_assets,
        n_days,
        seed=seed,
        n_sectors=1,
        n_styles=0,
        lead_lag=LeadLag(group_correlation=0.45),
        listing_share=0.05,
        delisting_share=0.05,
    )
    panel = market.panel
    fold = walk_forward(panel.dates[260:], train_days=train_days, valid_days=60, test_days=190, horizon=1, lag=1)[0]
    features = feature_set(panel, names=("return_1", "volatility_21", "volume_surprise_21"))
    return Planted(panel, features, fold, market.truth)
