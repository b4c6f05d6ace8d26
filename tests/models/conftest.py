"""Small markets with listings, delistings and gaps, their features and a fold."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from quantray.data.panel import Panel
from quantray.data.splits import Split
from quantray.data.synthetic import simulate_market
from quantray.features.feature_set import Features, feature_set
from quantray.research.folds import walk_forward

NAMES = ("return_1", "return_5", "volatility_21", "average_gap_10", "volume_surprise_21")


@pytest.fixture(autouse=True)
def random_numbers() -> Iterator[None]:
    """Training seeds torch's global generator; other tests must not notice."""
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)


@dataclass(frozen=True, eq=False)
class Study:
    """Training rows 150-229, validation 232-251, test 254-333; a quarter begins on row 316."""

    panel: Panel
    features: Features
    fold: Split


def study_of(n_assets: int, seed: int) -> Study:
    panel = simulate_market(n_assets, 380, seed=seed, listing_share=0, delisting_share=0).panel
    there = np.ones(panel.shape, dtype=np.bool_)
    for name, away in enumerate(
        (
            slice(0, 180),  # listed in training
            slice(0, 300),  # listed between the fit and the next quarter
            slice(0, 325),  # and after it
            slice(200, 380),  # delisted in training
            slice(295, 380),  # and in the test
            slice(285, 297),  # away for so long that it begins anew
            slice(310, 316),  # away for a while
            slice(320, 322),
        )
    ):
        there[away, name] = False
    there[:160, 8] = there[318:, 9] = False
    fields = {name: np.where(there, values, np.nan) for name, values in panel.fields.items()}
    member = there.copy()
    # Names that trade without being members, one of them for some time only.
    member[:, 10] = member[305:, 11] = member[:328, 12] = False
    panel = Panel(panel.dates, panel.assets, fields, member)
    fold = walk_forward(panel.dates[150:], train_days=80, valid_days=20, test_days=80, horizon=1, lag=1)[0]
    return Study(panel, feature_set(panel, names=NAMES), fold)


@pytest.fixture(scope="session")
def study() -> Study:
    return study_of(40, seed=2)


@pytest.fixture(scope="session")
def large_study() -> Study:
    return study_of(200, seed=3)
