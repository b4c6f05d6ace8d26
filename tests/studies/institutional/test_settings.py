import pytest
from pydantic import ValidationError

from quantray.strategies.catalogue import CATALOGUE


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"strategies": ("momentum",)}, "strategy .momentum. is unknown"),
        ({"strategies": ("rsi_14",)}, "one strategy needs no weights"),
        ({"strategies": ("rsi_14", "rsi_14")}, "strategies repeat: rsi_14, rsi_14"),
        ({"strategies": ("tail_hedge",), "parts": 40}, "tail_hedge has fewer than 40 sets; make fewer parts"),
        ({"aums": (1e9, 1e8)}, "must be positive, ascending and different"),
        ({"aums": (0.0,)}, "must be positive"),
        ({"execution": {"participations": (0.1, 0.1)}}, "execution.participations .* repeat"),
        ({"execution": {"rebalances": ("monthly", "weekly")}}, "from the most frequent to the least"),
        ({"regimes": {"methods": ("hmm", "hmm")}}, "regimes.methods .* repeat"),
        ({"regimes": {"timeframes": ("5min",)}}, "Input should be '1day' or '1week'"),
        ({"impact": {"aum": 1e9}}, "give aums and execution.participations"),
        ({"weights": {"correlation_days": 60, "min_days": 90}}, "must not exceed correlation_days"),
        ({"weights": {"correlation_days": 252}}, "must not exceed folds.train_days 150"),
        ({"objectives": {"weights": {}}}, "at least 1 item"),
        ({"objectives": {"weights": {"sharpe": -1}}}, "give each a positive number"),
        ({"risk": {"volatilities": (0.0,)}}, "greater than 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, settings_of, changed, said):
    with pytest.raises(ValidationError, match=said):
        settings_of(tmp_path, **changed)


def test_a_hundred_strategies_of_twelve_rules(tmp_path, settings_of):
    names = [family.name for family in settings_of(tmp_path, strategies=tuple(CATALOGUE), parts=9).families()]
    assert len(set(names)) == 108


def test_strategies_of_a_rule_are_numbered(tmp_path, settings_of):
    families = settings_of(tmp_path, parts=2).families()
    assert [family.name for family in families][:3] == ["momentum_10_50 1/2", "momentum_10_50 2/2", "rsi_14 1/2"]
