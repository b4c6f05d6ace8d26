import numpy as np
import pandas as pd
import pytest
from planted_bars import DAYS, N, put, scaled, sound, treat

from quantray.data.quality.treatment import clean


def test_prices_are_held_by_the_columns_that_there_are():
    frame = sound()[["date", "symbol", "low", "close", "dividend", "split"]]
    treated, found = treat(put(frame, "S1", slice(3, 4), low=90.0))
    assert found["price_range"].n_flagged == found["price_range"].n_changed == 1
    assert "high" not in treated
    assert treated["low"].iloc[N + 3] == treated["close"].iloc[N + 3]


def test_non_positive_prices_are_blanked_cell_by_cell():
    frame = put(put(sound(), "S1", slice(3, 6), open=0.0), "S2", slice(7, 8), open=-1.0, low=-2.0)
    treated, found = treat(frame)
    finding = found["non_positive_price"]
    assert (finding.n_flagged, finding.n_changed, finding.n_assets) == (5, 5, 2)
    assert finding.cells == {"open": 4, "low": 1}
    assert treated["open"].isna().sum() == 4
    assert treated["low"].isna().sum() == 1
    assert treated["close"].notna().all()


@pytest.mark.parametrize(("treatment", "n_left"), [("drop_row", 5 * N - 1), ("drop_asset", 4 * N + 10)])
def test_non_positive_prices_may_cost_the_row_or_the_rest_of_the_asset(treatment, n_left):
    treated, found = treat(put(sound(), "S1", slice(10, 11), close=0.0), non_positive_price=treatment)
    assert len(treated) == n_left
    assert found["non_positive_price"].n_changed == 5 * N - n_left


def test_negative_volume():
    treated, found = treat(put(sound(), "S1", slice(3, 6), volume=-5.0))
    assert found["negative_volume"].n_flagged == found["negative_volume"].n_changed == 3
    assert treated["volume"].isna().sum() == 3
    # Zero volume is a day without trade, not an error.
    assert "negative_volume" not in treat(put(sound(), "S1", slice(3, 6), volume=0.0))[1]


def test_price_range_is_widened_to_hold_open_and_close():
    frame = put(sound(), "S1", slice(3, 4), open=50.0, high=48.0, low=52.0, close=51.0)
    frame = put(frame, "S2", slice(5, 6), open=np.nan, high=40.0)
    treated, found = treat(frame)
    mended = treated[treated["symbol"] == "S1"].iloc[3]
    assert (mended["low"], mended["high"]) == (48.0, 52.0)
    other = treated[treated["symbol"] == "S2"].iloc[5]
    assert other["high"] == other["close"]
    assert np.isnan(other["open"])
    # High and low of the first; of the second also the low, which the high of 40 draws down.
    assert (found["price_range"].n_flagged, found["price_range"].n_changed) == (2, 4)
    left, _ = treat(frame, price_range="drop_row")
    assert len(left) == 5 * N - 2


def test_alternating_levels_lose_the_asset_from_the_first_turn_on():
    factor = np.where(np.arange(40) % 2, 4.0, 1.0)
    treated, found = treat(scaled(sound(), "S1", slice(20, 60), factor))
    finding = found["alternating_levels"]
    assert finding.treatment == "drop_asset"
    assert finding.worst == {"S1": 40}
    assert (treated["symbol"] == "S1").sum() == 21
    assert finding.n_changed == N - 21
    assert finding.examples[0].startswith("S1 2020-03-06 close 50.1988, 0.245 times")


def test_a_bad_print_is_blanked():
    treated, found = treat(scaled(sound(), "S1", slice(20, 22), 10.0))
    finding = found["reverting_move"]
    assert finding.n_flagged == 2
    assert finding.n_changed == 8
    assert finding.examples[0].endswith("10.1 times the last, then back")
    assert treated["close"].isna().sum() == 2
    assert set(found) == {"reverting_move"}
    # Beyond revert_days it is two moves, not a print.
    _, later = treat(scaled(sound(), "S1", slice(20, 26), 10.0))
    assert "reverting_move" not in later


@pytest.mark.parametrize(("back", "reverts"), [(0.25, True), (0.29, True), (0.32, False), (0.5, False), (0.1, False)])
def test_a_move_is_taken_back_where_the_old_level_is_nearly_reached(back, reverts):
    """Four times the price for two days, then 1.0, 1.16, 1.28, 2.0 and 0.4 times: only the first two are near one."""
    factor = np.where(np.arange(N - 20) < 2, 4.0, 4.0 * back)
    frame = sound()
    # Prices without moves of their own, so that the factors are all there is.
    frame = frame.assign(open=50.0, high=50.5, low=49.5, close=50.0)
    found = treat(scaled(frame, "S1", slice(20, None), factor))[1]
    assert ("reverting_move" in found) == reverts


def test_what_one_asset_does_another_does_not_take_back():
    """S1 rises fourfold on its last day, and S2, whose rows come next, falls to a quarter on its second."""
    frame = scaled(scaled(sound(), "S1", slice(-1, None), 4.0), "S2", slice(1, None), 0.25)
    assert "reverting_move" not in treat(frame)[1]


@pytest.mark.parametrize(("factor", "split"), [(0.5, 2.0), (1 / 3, 3.0), (5.0, 0.2), (0.01, 100.0)])
def test_a_split_missing_from_prices_is_inserted(factor, split):
    treated, found = treat(scaled(sound(), "S1", slice(30, None), factor))
    finding = found["unadjusted_event"]
    assert (finding.n_flagged, finding.n_changed) == (1, 1)
    assert finding.examples[0].startswith(f"S1 {DAYS[30]} close")
    mended = treated[treated["symbol"] == "S1"]
    assert mended["split"].iloc[30] == pytest.approx(split)
    assert (mended["split"].drop(mended.index[30]) == 1).all()
    gross = mended["close"] * mended["split"] / mended["close"].shift()
    assert (gross.dropna().sub(1).abs() < 0.05).all()
    assert set(found) == {"unadjusted_event"}


def test_a_merger_at_an_odd_ratio_makes_the_day_flat():
    treated, found = treat(scaled(sound(), "S1", slice(30, None), 7.4))
    mended = treated[treated["symbol"] == "S1"]
    assert (mended["close"] * mended["split"] / mended["close"].shift()).iloc[30] == pytest.approx(1)
    assert found["unadjusted_event"].n_changed == 1


def test_a_crash_with_a_surge_of_trading_is_true():
    frame = put(scaled(sound(), "S1", slice(30, None), 0.5), "S1", slice(30, 31), volume=50_000.0)
    treated, found = treat(frame)
    assert "unadjusted_event" not in found
    assert (treated["split"] == 1).all()


def test_a_split_that_the_file_knows_is_no_jump():
    frame = put(scaled(sound(), "S1", slice(30, None), 0.5), "S1", slice(30, 31), split=2.0)
    treated, findings = clean(frame)
    assert findings == ()
    pd.testing.assert_frame_equal(treated, frame)


def test_extreme_moves_are_reported_and_kept():
    frame = put(scaled(sound(), "S1", slice(30, None), 1.95), "S1", slice(30, 31), volume=90_000.0)
    treated, found = treat(frame)
    assert (found["extreme_move"].n_flagged, found["extreme_move"].n_changed) == (1, 0)
    pd.testing.assert_frame_equal(treated, frame)
    blanked, found = treat(frame, extreme_move="drop_cell")
    assert found["extreme_move"].n_changed == 4
    assert blanked["close"].isna().sum() == 1
    gone, _ = treat(frame, extreme_move="drop_asset")
    assert (gone["symbol"] == "S1").sum() == 30


def test_stale_prices():
    flat = {"open": 50.0, "high": 50.0, "low": 50.0, "close": 50.0}
    treated, found = treat(put(sound(), "S1", slice(20, 35), **flat))
    assert (found["stale_price"].n_flagged, found["stale_price"].n_changed) == (6, 0)
    assert len(treated) == 5 * N
    assert "stale_price" not in treat(put(sound(), "S1", slice(20, 29), **flat))[1]
    # A range within the day is trading.
    assert "stale_price" not in treat(put(sound(), "S1", slice(20, 35), **(flat | {"high": 50.5})))[1]
    dropped, _ = treat(put(sound(), "S1", slice(20, 35), **flat), stale_price="drop_row")
    assert len(dropped) == 5 * N - 6


def test_without_volumes_a_missing_split_shows_in_the_price_alone():
    frame = scaled(sound(), "S0", slice(-20, None), 0.5)
    _, findings = clean(frame.drop(columns="volume"))
    (found,) = [finding for finding in findings if finding.check == "unadjusted_event"]
    assert found.n_flagged == 1
