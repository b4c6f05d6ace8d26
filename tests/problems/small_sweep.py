"""Settings of a sweep that takes a second."""

from quantray.research.market import SimulatedData
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.sweep.settings import SearchSettings, SweepFolds, SweepSettings


def settings_in(folder, **changes):
    values = {
        "name": "small",
        "data": SimulatedData(n_assets=12, n_days=700, seed=3),
        "regimes": RegimeChoice(method="volatility"),
        "strategies": ("momentum_10_50", "bollinger_20"),
        "screen": True,
        "search": SearchSettings(trials=4, min_days=40),
        "folds": SweepFolds(warm_up_days=60, train_days=300, test_days=150),
        "blocks": 6,
        "resampling": {"samples": 150},
        "runs": str(folder),
    }
    return SweepSettings(**(values | changes))
