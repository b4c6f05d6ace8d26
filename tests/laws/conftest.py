"""Small studies of every kind, on one store, for the laws that all kinds obey."""

from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from quantray.data.store import MarketStore
from quantray.data.synthetic import LeadLag, simulate_market
from quantray.data.vendors.importing import RawBars
from quantray.research.executor import Serial
from quantray.research.folder import read_run
from quantray.research.run import carry_out
from quantray.settings import checked
from quantray.studies.kinds import find_kind
from quantray.studies.scale import study as scale_study
from quantray.studies.scale.study import EpochCost

FOLDS = {"train_days": 100, "valid_days": 15, "test_days": 30, "horizon": 1, "warm_up_days": 130}
NETWORK = {
    "name": "Net",
    "attention": "complete",
    "width": 8,
    "layers": 1,
    "heads": 2,
    "training": {"epochs": 1, "patience": 1, "steps": 10, "warm_up_days": 10},
}
PORTFOLIOS = {
    "allocators": [
        {"name": "Low risk", "rule": "minimum_variance", "estimator": "oas"},
        {"name": "HRP", "rule": "hrp"},
        {"name": "Equal", "rule": "equal_weight"},
    ],
    "benchmark": "Equal",
    "folds": {"lookback_days": 126, "test_days": 42},
}
SMALL: dict[str, dict[str, Any]] = {
    "portfolios": PORTFOLIOS,
    "capacity": PORTFOLIOS | {"aums": [1.0e6, 1.0e9], "execution_days": [1, 3]},
    "forecasts": {"models": [NETWORK], "seeds": 1, "folds": FOLDS | {"most": 2}},
    "scale": {"models": [NETWORK], "seeds": 1, "folds": FOLDS | {"most": 2}, "sizes": [20], "measured_epochs": 1},
    "sweep": {
        "strategies": ["momentum_10_50", "bollinger_20"],
        "regimes": {"method": "volatility", "lenses": {"warmup": 60, "every": 60}},
        "search": {"trials": 3, "min_days": 40},
        "folds": {"warm_up_days": 60, "train_days": 150, "test_days": 60},
        "blocks": 4,
    },
    "combination": {
        "strategies": [{"entry": "momentum_5_20", "count": 2}, {"entry": "rsi_14", "count": 2}],
        "lookback_days": 90,
        "min_days": 45,
        "warm_up_days": 60,
        "ensemble": False,
    },
    "regimes": {
        "methods": ["market", "volatility"],
        "lenses": {"warmup": 60, "every": 100},
        "weeks": {"warmup": 20, "every": 20, "memory": 60},
        "refits": 2,
    },
    "institutional": {
        "strategies": ["momentum_10_50", "bollinger_20"],
        "aums": [1.0e8],
        "regimes": {"methods": ["hmm", "clustering"], "timeframes": ["1day"], "first_days": 150},
        "parameters": {"trials": 3, "starts": 1, "generation": 2, "min_days": 40},
        "weights": {"methods": ["risk_parity", "equal"], "correlation_days": 60, "min_days": 30},
        "risk": {"volatilities": [0.05]},
        "execution": {"rebalances": ["weekly"], "participations": [0.1, 0.5]},
        "folds": {"warm_up_days": 60, "train_days": 150, "test_days": 110},
    },
}
"""Kind -> settings beside the name, the data and where the study runs. A search needs Ray, so it is not here."""


@dataclass(frozen=True)
class Studies:
    """Makes and runs small studies of every kind in a folder."""

    store: str
    small: dict[str, dict[str, Any]]

    def settings(self, kind: str, folder: Any, **changes: Any) -> Any:
        content = {
            "kind": kind,
            "name": "small",
            "data": {"kind": "store", "store": self.store},
            "resampling": {"samples": 100},
            "cluster": {"kind": "serial"},
            "runs": str(folder),
        } | self.small[kind]
        return checked(find_kind(kind).settings, yaml.safe_load(yaml.safe_dump(content | changes)), kind)

    def run(self, settings: Any, executor: Any = None) -> Any:
        """The run of settings: its folder and what it says of itself."""
        kind = find_kind(settings.kind)
        with pytest.MonkeyPatch.context() as patched:
            # Measured in a new process each time, for seconds; tests/studies/scale has that.
            patched.setattr(scale_study, "measure_epoch", lambda *_: EpochCost(0.1, 2**28, 2**20))
            return read_run(carry_out(kind, kind.load(settings), executor or Serial()))


def stored(folder, seed):
    """A store of two versions: the second corrects a close of the first."""
    market = simulate_market(24, 430, seed=seed, lead_lag=LeadLag(strength=0.3), listing_share=0.1, delisting_share=0.1)
    frame = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    store = MarketStore(folder)
    store.import_bars(RawBars(frame, ("simulated",)))
    row = frame.index[frame["symbol"] == frame["symbol"].iloc[-1]][200]
    bar = frame.loc[[row]]
    store.append(RawBars(bar.assign(close=(bar["high"] + bar["low"]) / 2), ("a correction",)))
    return store.uri


@pytest.fixture(scope="session")
def studies(tmp_path_factory):
    return Studies(stored(tmp_path_factory.mktemp("laws") / "market", 5), SMALL)


@pytest.fixture(scope="session")
def other_store(tmp_path_factory):
    """Another market."""
    return stored(tmp_path_factory.mktemp("other") / "market", 6)


@pytest.fixture(scope="session")
def finished(studies, tmp_path_factory):
    """Kind -> a finished run of it, in a folder of its own: some kinds share units of work."""
    return {kind: studies.run(studies.settings(kind, tmp_path_factory.mktemp(kind))) for kind in SMALL}
