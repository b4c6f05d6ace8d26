import numpy as np
import pytest

from quantray.errors import InputError
from quantray.regimes.lens_settings import LIQUIDITY, MARKET, LensSettings


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"volatility_levels": (0.5, 0.4, 0.9, 1.0)}, "increase strictly"),
        ({"market_widths": (-1.0, 1.0, 2.0, 3.0)}, "must be positive"),
        ({"market_costs": (1.0, 0.0, 1.0)}, "market_costs"),
        ({"hysteresis": np.nan}, "hysteresis nan"),
        ({"bear_drawdown": 1.0}, "bear_drawdown 1.0"),
        ({"bear_sharpe": 2.0}, "must not exceed bull_sharpe"),
        ({"warmup": 3000}, "warmup 3000"),
        ({"every": 0}, "every 0"),
        ({"crisis_multiple": 0.0}, "crisis_multiple 0.0"),
        ({"spells": (1.0, 5.0, 5.0, 5.0)}, "longer than a day"),
    ],
)
def test_settings_are_checked(changes, text):
    with pytest.raises(InputError, match=text):
        LensSettings(**changes)


def test_each_lens_has_its_costs():
    settings = LensSettings(liquidity_costs=(1.0, 3.0))
    assert settings.costs(LIQUIDITY) == (1.0, 3.0)
    assert settings.costs(MARKET) == (1.0, 1.0, 1.0)
