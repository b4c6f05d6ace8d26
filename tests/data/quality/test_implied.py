import numpy as np
import pandas as pd
import pytest
from quoted_bars import NAN, bars, events

from quantray.data.adjustment import total_return
from quantray.data.panel import Panel
from quantray.data.quality.events import normalise_events


def test_adj_close_alone_gives_dividends_and_splits():
    # The adjusted close is flat: the close halves by a split and then pays 1 on 50.
    split, dividend, adjustment = events(bars(close=[100.0, 50.0, 49.0], adj_close=[49.0, 49.0, 49.0]))
    np.testing.assert_allclose(split, [1, 2, 1])
    np.testing.assert_allclose(dividend, [0, 0, 1], atol=1e-12)
    assert (adjustment.source, adjustment.prices) == ("adj_close", "unadjusted")
    assert (adjustment.n_splits, adjustment.n_dividends) == (1, 1)


def test_adj_close_alone_gives_back_the_vendors_returns():
    generator = np.random.default_rng(5)
    adjusted = np.cumprod(1 + generator.normal(0, 0.02, 60)) * 30
    factor = np.where(generator.random(60) < 0.1, 1.01, 1.0)
    factor[20] = 3.0
    close = adjusted * np.cumprod(factor[::-1])[::-1] / factor
    out, _ = normalise_events(bars(close=close, adj_close=adjusted))
    made = total_return(Panel.from_long(out)).field("close")[:, 0]
    np.testing.assert_allclose(made[1:] / made[:-1], adjusted[1:] / adjusted[:-1], rtol=1e-12)


def test_rounding_of_adj_close_is_no_dividend():
    close = np.array([50.0, 50.3, 49.9, 50.1])
    _, dividend, _ = events(bars(close=close, adj_close=close * 0.97 * (1 + np.array([0, 2e-5, -2e-5, 0]))))
    assert dividend == [0.0] * 4


@pytest.mark.parametrize("level", [12.0, 50.0])
def test_adjusted_closes_rounded_to_cents_tell_their_dividends_and_no_others(level):
    """Rounding moves the daily factor by more than a dividend would; the levels between dividends do not move."""
    generator = np.random.default_rng(8)
    total = level * np.exp(np.cumsum(generator.normal(0, 0.012, 400)))
    paid = np.ones(400)
    paid[[90, 280]] = 1.011
    close = total * np.cumprod(paid[::-1])[::-1] / paid
    frame = bars(close=close.round(2), adj_close=total.round(2))
    out, told = normalise_events(frame)
    assert told.n_dividends == 2
    assert told.n_splits == 0
    made = total_return(Panel.from_long(out.drop(columns="implied"))).field("close")[:, 0]
    assert made[-1] / made[0] == pytest.approx(total[-1] / total[0], rel=2e-3)


def test_what_a_file_does_not_list_its_adjusted_close_tells():
    """Splits are listed, dividends are not: an absent column is no column of zeros."""
    total = 50 * np.exp(np.cumsum(np.random.default_rng(9).normal(0, 0.01, 120)))
    paid = np.where(np.isin(np.arange(120), [30, 90]), 1.004, 1.0)
    close = total * np.cumprod(paid[::-1])[::-1] / paid
    split = np.where(np.arange(120) == 60, 2.0, 1.0)
    out, told = normalise_events(bars(close=close, adj_close=total, split=split, basis=np.int8(2)))
    assert (told.n_splits, told.n_dividends) == (0, 2)
    assert told.source == "dividend and split columns, adj_close"
    made = total_return(Panel.from_long(out.drop(columns=["implied", "inside_split"]))).field("close")[:, 0]
    np.testing.assert_allclose(made / made[0], total / total[0], rtol=1e-6)


def test_adj_close_across_a_blank_day_and_a_duplicate():
    blank = bars(close=[100.0, NAN, 98.0, 98.0], adj_close=[98.0, NAN, 98.0, 98.0])
    assert events(blank)[1] == pytest.approx([0, 0, 2, 0])
    paid = bars(close=[100.0, 98.0, 98.0], adj_close=[98.0, 98.0, 98.0])
    # Whichever of the two rows of the day is kept, it carries the dividend.
    assert events(pd.concat([paid, paid.iloc[[1]]]))[1] == pytest.approx([0, 2, 2, 0])
