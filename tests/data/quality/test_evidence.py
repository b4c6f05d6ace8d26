import numpy as np
import pandas as pd
import pytest
from vendor_bars import DAYS, growth, path_of, yfinance

from quantray.data.vendors.formats import Format
from quantray.errors import DataError


def test_prices_that_contain_their_dividends_do_not_earn_them_twice(imported):
    close = path_of(0.1273, noise=0.006)
    paid = np.zeros(300)
    paid[[41, 104, 167, 230]] = 1.0
    assert growth(imported(yfinance(close, dividend=paid), "KO.csv")) == pytest.approx(0.1273, abs=1e-4)
    told = imported.report.adjustment
    assert told.prices == "adjusted for splits and dividends"
    assert told.n_dividends == 0
    assert told.evidence[0].startswith("dividends: 4 of 4 listed are in the prices already; the format says adjusted")


def test_a_split_that_the_prices_contain_is_not_applied_again(imported):
    listed = np.zeros(300)
    listed[[100, 150]] = 1.324, 1.05
    panel = imported(yfinance(path_of(-0.066), split=listed), "T.csv")
    assert growth(panel) == pytest.approx(-0.066, abs=1e-6)
    assert np.abs(np.diff(np.log(panel.field("close")[:, 0]))).max() < 0.05


def test_splits_are_decided_one_by_one_and_not_by_vote(imported):
    """One symbol's prices contain its splits, another's do not, in one file without a word about it."""
    inside, outside = path_of(0.2, 1), path_of(0.3, 2)
    ratio = np.ones(300)
    ratio[[60, 200]] = 1.5, 2.0
    quoted = outside / np.cumprod(ratio)
    long = [
        pd.DataFrame({"date": DAYS, "symbol": s, "close": c, "split": ratio})
        for s, c in (("IN", inside), ("OUT", quoted))
    ]
    panel = imported(pd.concat(long))
    assert growth(panel, "IN") == pytest.approx(0.2)
    assert growth(panel, "OUT") == pytest.approx(0.3)


def test_what_nothing_decides_is_refused_with_both_readings(imported):
    ratio = np.ones(300)
    ratio[100] = 1.02
    bars = pd.DataFrame({"date": DAYS, "symbol": "AA", "close": path_of(0.1, noise=0.03), "split": ratio})
    message = r"ambiguous.*AA: 1 splits may be in the prices \(return \+10.0% from .*\) or not \(\+12.2%\).*--adjusted"
    with pytest.raises(DataError, match=message):
        imported(bars)
    assert growth(imported(bars, form=Format(adjusted="splits"))) == pytest.approx(0.1)
    assert growth(imported(bars, form=Format(adjusted="none"))) == pytest.approx(0.122)
