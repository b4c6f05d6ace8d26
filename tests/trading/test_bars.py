"""The market of a day: drawn or real, in order, and what it lacks is named."""

from datetime import UTC, datetime

import numpy as np
import pytest

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError, InputError
from quantray.trading.bars import MarketDay, replayed_day, synthetic_day


def test_a_day_that_is_drawn():
    day = synthetic_day(3, minutes=30, window=10, seed=4)
    assert (len(day.before), len(day.today)) == (10, 13)
    assert day.time(0) == datetime(2024, 1, 3, 14, 30, tzinfo=UTC)
    assert day.time(13) == datetime(2024, 1, 3, 21, 0, tzinfo=UTC)
    # It goes on where the bars before it ended, and a name is the same whatever others there are.
    assert (day.today.open[0] == day.opening()).all()
    more = synthetic_day(9, minutes=30, window=10, seed=4)
    assert (more.today.close[:, :3] == day.today.close).all()
    assert (synthetic_day(3, minutes=30, window=10, seed=5).today.close != day.today.close).any()


def test_a_real_day_has_the_days_own_bars_and_those_before_it():
    panel = simulate_market(4, 80, seed=2, listing_share=0.0, delisting_share=0.0).panel
    day = replayed_day(panel, panel.dates[-1], minutes=30, window=20)
    assert (len(day.before), len(day.today)) == (20, 13)
    columns = [list(panel.assets).index(symbol) for symbol in day.symbols]
    assert day.today.close[-1] / 1e4 == pytest.approx(panel.field("close")[-1, columns], abs=1e-4)
    assert day.before.close[-1] / 1e4 == pytest.approx(panel.field("close")[-2, columns], abs=1e-4)
    assert day.today.high.max(axis=0) / 1e4 == pytest.approx(panel.field("high")[-1, columns], abs=1e-4)
    assert (np.diff(day.before.times).astype(int) > 0).all()
    with pytest.raises(DataError, match="begin it earlier|known liquidity before it"):
        replayed_day(panel, panel.dates[30], minutes=30, window=2_000)


def test_bars_of_other_names_or_of_later_are_no_bars_before():
    day, other = synthetic_day(3, minutes=30), synthetic_day(4, minutes=30)
    with pytest.raises(InputError, match="of the same symbols, and before it"):
        MarketDay(other.before, day.today)
    with pytest.raises(InputError, match="of the same symbols, and before it"):
        MarketDay(day.today, day.before)
    with pytest.raises(InputError, match="a divisor of 390"):
        synthetic_day(0)
