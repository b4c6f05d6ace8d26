"""One small study of the five phases that all tests read."""

import pytest

from quantray.research.executor import Serial
from quantray.studies.institutional.settings import InstitutionalSettings
from quantray.studies.institutional.study import load_institutional, run_institutional

SMALL = {
    "name": "small",
    "data": {"kind": "simulated", "n_assets": 12, "n_days": 420, "seed": 2},
    "strategies": ("momentum_10_50", "rsi_14", "tail_hedge"),
    "aums": (1e7, 1e9),
    "objectives": {"weights": {"sharpe": 1, "return_at_drawdown": 2}, "constraints": {"gross": 0.5, "weight": 0.08}},
    "regimes": {"methods": ("hmm", "clustering"), "timeframes": ("1day",), "states": 2, "first_days": 100},
    "parameters": {"trials": 3, "starts": 1, "generation": 3, "min_days": 30},
    "weights": {"methods": ("risk_parity", "sharpe"), "correlation_days": 60, "min_days": 30},
    "risk": {"volatilities": (0.05,)},
    "execution": {"rebalances": ("weekly", "monthly"), "participations": (0.1,)},
    "folds": {"warm_up_days": 60, "train_days": 150, "test_days": 110},
    "resampling": {"samples": 100},
    "cluster": {"kind": "serial"},
}


@pytest.fixture(scope="session")
def settings_of():
    """Makes settings from those of the small study and changes."""
    return lambda folder, **changes: InstitutionalSettings(**(SMALL | {"runs": str(folder)} | changes))


@pytest.fixture(scope="session")
def study(settings_of, tmp_path_factory):
    """The small study: its source and what it found."""
    source = load_institutional(settings_of(tmp_path_factory.mktemp("institutional")))
    return source, run_institutional(source, Serial())
