"""What a store said at first and says otherwise now."""

import numpy as np
import pandas as pd
import pytest

from quantray.data.calendar import trading_days
from quantray.data.restatements import as_known, restated, summary
from quantray.data.store import MarketStore
from quantray.data.vendors.importing import RawBars

DAYS = pd.DatetimeIndex(trading_days("2021-01-04", "2021-12-31"))[:120]


def bars(symbol="AA", seed=0, days=DAYS, **columns):
    steps = np.random.default_rng(seed).normal(0, 0.01, len(days))
    return pd.DataFrame({"date": days, "symbol": symbol, "close": 50 * np.exp(np.cumsum(steps)), **columns})


def raw(*frames):
    return RawBars(pd.concat(frames, ignore_index=True), ("made",))


@pytest.fixture
def store(tmp_path):
    return MarketStore(tmp_path / "market")


@pytest.fixture
def corrected(store):
    """100 days, then 20 more together with another close of day 90."""
    whole = bars(volume=1000.0)
    store.import_bars(raw(whole[:100]))
    late = whole[95:].copy()
    store.append(RawBars(pd.concat([whole[90:91].assign(close=whole["close"][90] * 1.02), late]), ("later",)))
    return store, whole


def test_nothing_changed(store):
    whole = bars()
    store.import_bars(raw(whole[:100]))
    store.append(raw(whole[100:]))
    assert restated(store).empty
    assert summary(restated(store)) == "no value has changed since it was first known"
    assert store.load(as_known=True).fingerprint() == store.load().fingerprint()


def test_a_late_correction_is_listed_with_both_values(corrected):
    store, whole = corrected
    (row,) = restated(store).to_dict("records")
    assert (row["symbol"], row["field"], row["kind"], row["version"]) == ("AA", "close", "corrected", 0)
    assert row["first"] == DAYS[90]
    assert (row["then"], row["now"]) == pytest.approx((whole["close"][90], whole["close"][90] * 1.02))
    assert "1 corrected, of 1 symbols; the largest correction: AA close 2021-05-13" in summary(restated(store))


def test_as_known_leaves_the_correction_out(corrected):
    store, whole = corrected
    now, then = store.load(), store.load(as_known=True)
    np.testing.assert_allclose(then.field("close")[:, 0], whole["close"], rtol=1e-12)
    differs = now.field("close")[:, 0] != then.field("close")[:, 0]
    assert np.flatnonzero(differs).tolist() == [90]
    # Version 0 has seen no correction yet.
    assert store.load(version=0, as_known=True).fingerprint() == store.load(version=0).fingerprint()


def test_prices_divided_by_their_largest_value_are_rescaled(store):
    whole = bars()
    whole["close"] *= np.exp(np.linspace(0, 0.3, 120))
    for end in (100, 120):
        part = whole[:end]
        store.import_bars(raw(part.assign(close=part["close"] / part["close"].max())))
    (row,) = restated(store).to_dict("records")
    assert (row["field"], row["kind"], row["cells"]) == ("prices", "rescaled", 100)
    assert row["ratio"] == pytest.approx(whole["close"][:100].max() / whole["close"].max())
    # Returns do not see the scale, then as now.
    then = store.load(as_known=True).field("close")[:, 0]
    np.testing.assert_allclose(
        then[1:] / then[:-1], (whole["close"][1:].values / whole["close"][:-1].values), rtol=1e-9
    )


def test_prices_adjusted_for_a_split_since_are_told_from_corrections(store):
    whole = bars(volume=1000.0)
    store.import_bars(raw(whole[:100]))
    adjusted = whole.copy()
    adjusted["close"] = whole["close"] / 2
    adjusted.loc[:, "volume"] = 2000.0
    adjusted.loc[40, "close"] *= 1.01
    split = np.ones(120)
    split[110] = 2.0
    store.import_bars(raw(adjusted.assign(split=split, basis=np.int8(2))))
    found = restated(store)
    assert found[["field", "kind"]].to_numpy().tolist() == [["prices", "rescaled"], ["close", "corrected"]]
    assert found["first"].iloc[1] == DAYS[40]


def test_bars_that_are_gone_are_withdrawn(store):
    whole = bars()
    store.import_bars(raw(whole, bars("B", 1)))
    store.import_bars(raw(whole))
    (row,) = restated(store).to_dict("records")
    assert (row["symbol"], row["kind"], row["cells"]) == ("B", "withdrawn", 120)


def test_as_known_across_an_import_on_another_basis(store):
    """The history comes again with its dividends in the prices; what follows goes on from what was known."""
    whole = bars(dividend=np.where(np.arange(120) == 50, 0.5, 0.0))
    store.import_bars(raw(whole[:100]))
    total = store.load().field("close")[:, 0]
    inside = whole["close"] * np.where(np.arange(120) < 50, 1 / (1 + 0.5 / whole["close"][50]), 1.0)
    store.import_bars(raw(whole.assign(close=inside, dividend=0.0)))
    known = as_known(store)
    assert known["dividend"].sum() == pytest.approx(0.5)
    panel = store.load(as_known=True).field("close")[:, 0]
    np.testing.assert_allclose(panel[:100], total, rtol=1e-12)
    np.testing.assert_allclose(panel[1:] / panel[:-1], (inside[1:].values / inside[:-1].values), rtol=1e-9)
