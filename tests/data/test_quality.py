import numpy as np
import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from quantray.data.calendar import trading_days
from quantray.data.checks import CHECKS
from quantray.data.events import normalise_events
from quantray.data.examining import examine
from quantray.data.importing import read_bars
from quantray.data.quality import QualityReport, QualitySettings, clean
from quantray.errors import DataError

DAYS = trading_days("2020-01-02", "2020-06-30")
N = len(DAYS)


def sound(n_symbols=5, seed=0):
    """Bars that nothing is wrong with."""
    generator = np.random.default_rng(seed)
    close = 50 * np.cumprod(1 + generator.normal(0, 0.01, (N, n_symbols)), axis=0)
    frame = pd.DataFrame(
        {
            "date": np.repeat(DAYS.astype("datetime64[s]"), n_symbols),
            "symbol": [f"S{i}" for i in range(n_symbols)] * N,
            "open": (close * 1.001).ravel(),
            "high": (close * 1.01).ravel(),
            "low": (close * 0.99).ravel(),
            "close": close.ravel(),
            "volume": generator.integers(900, 1100, close.size).astype(float),
        }
    )
    return normalise_events(frame)[0].sort_values(["symbol", "date"], ignore_index=True)


def put(frame, asset, rows, **values):
    """The frame with values set in some rows of one asset, counted from its first."""
    frame = frame.copy()
    frame.loc[frame.index[frame["symbol"] == asset][rows], list(values)] = list(values.values())
    return frame


def scaled(frame, asset, rows, factor):
    """The frame with all prices of some rows of an asset multiplied."""
    frame = frame.copy()
    at = frame.index[frame["symbol"] == asset][rows]
    prices = ["open", "high", "low", "close"]
    frame.loc[at, prices] = frame.loc[at, prices].to_numpy() * np.reshape(factor, (-1, 1))
    return frame


def treat(frame, **treatments):
    """The treated bars and the findings by check, in July 2020."""
    treated, findings = clean(frame, QualitySettings(treatments=treatments, today="2020-07-15"))
    return treated, {finding.check: finding for finding in findings}


def test_sound_bars_stay_as_they_are():
    frame = sound()
    treated, findings = clean(frame)
    assert findings == ()
    pd.testing.assert_frame_equal(treated, frame)


def test_the_input_is_never_changed():
    frame = scaled(put(sound(), "S1", slice(3, 5), open=0.0, high=1.0), "S2", slice(30, None), 0.5)
    before = frame.copy(deep=True)
    clean(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_rows_in_any_order_give_the_same_bars_and_findings():
    frame = scaled(put(sound(), "S1", slice(3, 5), open=0.0), "S2", slice(30, None), 0.5)
    one, other = clean(frame), clean(frame.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(one[0], other[0])
    assert one[1] == other[1]


def test_missing_symbol():
    treated, found = treat(put(sound(), "S1", slice(3, 6), symbol=""))
    assert found["missing_symbol"].n_flagged == found["missing_symbol"].n_changed == 3
    assert len(treated) == 5 * N - 3


def test_duplicate_rows_keep_the_last():
    frame = sound()
    double = frame[frame["symbol"] == "S1"].iloc[4:6].assign(volume=7.0)
    treated, found = treat(pd.concat([frame, double], ignore_index=True))
    assert found["duplicate_rows"].n_flagged == found["duplicate_rows"].n_changed == 2
    assert len(treated) == len(frame)
    assert (treated["volume"] == 7.0).sum() == 2
    assert found["duplicate_rows"].worst == {"S1": 2}


def test_rows_of_one_day_with_other_prices_are_refused():
    frame = PLANTED["conflicting_rows"]()
    with pytest.raises(
        DataError, match="1 rows fail conflicting_rows, such as S0 2020-01-09.*conflicting_rows: drop_row"
    ):
        treat(frame)
    treated, found = treat(frame, conflicting_rows="drop_row")
    assert (found["conflicting_rows"].n_flagged, found["conflicting_rows"].n_changed) == (1, 1)
    assert len(treated) == 5 * N
    # The last row stands, as with rows that are repeated.
    assert treated["close"].iloc[5] == frame["close"].iloc[-1]
    with pytest.raises(DataError, match="44.8 times as high; give each listing a symbol of its own"):
        treat(PLANTED["two_listings"]())


def test_future_bars_are_dropped():
    treated, found = treat(PLANTED["future_bar"]())
    assert found["future_bar"].examples == ("S0 2020-08-03 is yet to come",)
    assert len(treated) == 5 * N
    assert "future_bar" not in treat(sound())[1]


def test_bars_of_another_calendar_are_refused_with_the_one_that_fits():
    every_day = pd.date_range("2020-01-02", "2020-06-30")
    frame = pd.DataFrame({"date": every_day, "symbol": "BTC", "close": 50.0 + np.arange(len(every_day)) % 7})
    frame = frame.assign(dividend=0.0, split=1.0)
    with pytest.raises(DataError, match="69% of the days are days of XNYS; 24/7 fits best, 100% of the days: name the"):
        clean(frame)
    treated, findings = clean(frame, QualitySettings(exchange="24/7"))
    assert len(treated) == len(every_day)
    assert [f.check for f in findings] == []


def test_weekly_bars_are_refused_until_they_are_said_to_be_weekly():
    frame = PLANTED["not_daily"]()
    with pytest.raises(DataError, match="fail not_daily.*say `bars: weekly`"):
        treat(frame)
    days = pd.date_range("2020-01-03", "2020-06-26", freq="7D")
    weekly = pd.DataFrame({"date": days, "symbol": "A", "close": 50.0 + np.arange(len(days)) % 7})
    treated, findings = clean(weekly.assign(dividend=0.0, split=1.0).drop(index=5), QualitySettings(bars="weekly"))
    assert len(treated) == len(days) - 1
    assert [(f.check, f.n_flagged) for f in findings] == [("gap", 1)]


def test_prices_are_held_by_the_columns_that_there_are():
    frame = sound()[["date", "symbol", "low", "close", "dividend", "split"]]
    treated, found = treat(put(frame, "S1", slice(3, 4), low=90.0))
    assert found["price_range"].n_flagged == found["price_range"].n_changed == 1
    assert "high" not in treated
    assert treated["low"].iloc[N + 3] == treated["close"].iloc[N + 3]


def test_missing_close():
    treated, found = treat(put(sound(), "S1", slice(None), close=np.nan))
    assert found["missing_close"].n_flagged == N
    assert found["missing_close"].examples == ("S1 2020-01-02 has no close",)
    assert "S1" not in set(treated["symbol"])
    paid = put(put(sound(), "S1", slice(4, 6), close=np.nan), "S1", slice(5, 6), dividend=0.5)
    kept, found = treat(paid)
    assert found["missing_close"].n_flagged == 1
    assert kept["dividend"].sum() == 0.5


def test_non_trading_day():
    frame = sound()
    holiday = frame.groupby("symbol").head(1).iloc[:3].assign(date=pd.Timestamp("2020-01-20"))
    weekend = holiday.iloc[:1].assign(date=pd.Timestamp("2020-01-18"))
    frame = pd.concat([frame, holiday, weekend], ignore_index=True)
    treated, found = treat(frame)
    assert found["non_trading_day"].n_flagged == found["non_trading_day"].n_changed == 4
    assert found["non_trading_day"].n_assets == 3
    assert len(treated) == 5 * N
    kept, found = treat(frame, non_trading_day="keep")
    assert len(kept) == len(frame)
    assert found["non_trading_day"].n_changed == 0


def test_another_exchange_has_other_days():
    _, findings = clean(sound(), QualitySettings(exchange="XLON"))
    # London rested on Easter Monday and on 8 May 2020, New York did not.
    assert {f.check: f.n_flagged for f in findings}["non_trading_day"] == 5 * 2


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


def test_gaps_count_the_ends_of_holes():
    frame = sound()
    rows = frame.index[frame["symbol"] == "S1"]
    _, found = treat(frame.drop(rows[[5, 6, 7, 20]]).drop(rows[-3:]))
    assert found["gap"].n_flagged == 2
    assert found["gap"].examples == (f"S1 {DAYS[8]} after 3 missing days",)


def test_thin_days():
    frame = sound(20)
    thin = [40 + k * N for k in range(10)] + [60 + k * N for k in range(12)]
    treated, found = treat(frame.drop(index=thin), thin_day="drop_row")
    assert found["thin_day"].n_flagged == 10 + 8
    # One example per day, the thinnest first.
    assert [example.split(" ", 1)[1] for example in found["thin_day"].examples] == [
        f"{DAYS[60]} a day of 8 symbols",
        f"{DAYS[40]} a day of 10 symbols",
    ]
    assert not set(pd.DatetimeIndex(DAYS[[40, 60]])) & set(treated["date"])


PLANTED = {
    "missing_symbol": lambda: put(sound(), "S1", slice(3, 4), symbol=""),
    "duplicate_rows": lambda: pd.concat([sound(), sound().iloc[:1]], ignore_index=True),
    "missing_close": lambda: put(sound(), "S1", slice(3, 4), close=np.nan),
    "non_trading_day": lambda: pd.concat([sound(), sound().iloc[:1].assign(date=pd.Timestamp("2020-01-20"))]),
    "non_positive_price": lambda: put(sound(), "S1", slice(3, 4), open=0.0),
    "negative_volume": lambda: put(sound(), "S1", slice(3, 4), volume=-1.0),
    "price_range": lambda: put(sound(), "S1", slice(3, 4), high=1.0),
    "alternating_levels": lambda: scaled(sound(), "S1", slice(20, 60), np.where(np.arange(40) % 2, 4.0, 1.0)),
    "reverting_move": lambda: scaled(sound(), "S1", slice(20, 22), 10.0),
    "unadjusted_event": lambda: scaled(sound(), "S1", slice(30, None), 0.5),
    "extreme_move": lambda: put(scaled(sound(), "S1", slice(30, None), 1.95), "S1", slice(30, 31), volume=9e4),
    "stale_price": lambda: put(sound(), "S1", slice(20, 35), open=50.0, high=50.0, low=50.0, close=50.0),
    "gap": lambda: sound().drop(index=5),
    "thin_day": lambda: sound(20).drop(index=[40 + k * N for k in range(10)]),
    "future_bar": lambda: pd.concat([sound(), sound().iloc[:1].assign(date=pd.Timestamp("2020-08-03"))]),
    "two_listings": lambda: pd.concat([sound(), scaled(sound(1), "S0", slice(20, 60), 40.0).iloc[20:60]]),
    "conflicting_rows": lambda: pd.concat([sound(), scaled(sound(1), "S0", slice(5, 6), 1.01).iloc[5:6]]),
    "not_daily": lambda: sound().groupby("symbol").nth(list(range(0, N, 5))).reset_index(drop=True),
    "calendar_mismatch": lambda: pd.concat([sound(), on_closed_days(sound())], ignore_index=True),
    "ambiguous_adjustment": lambda: put(sound().assign(doubt=""), "S1", slice(3, 4), doubt="S1: may be 1 or 2"),
    "non_positive_adjusted": lambda: put(sound().assign(adj_close=1.0), "S1", slice(3, 4), adj_close=-1.0),
    "impossible_return": lambda: put(sound().assign(delist_return=np.nan), "S1", slice(-1, None), delist_return=-1.5),
}


def on_closed_days(frame):
    """Bars of all assets on eight Saturdays."""
    first = frame.groupby("symbol").head(1)
    return pd.concat([first.assign(date=day) for day in pd.date_range("2020-02-01", periods=8, freq="7D")])


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_every_check_may_refuse_and_names_an_example(check):
    assert "refuse" in check.allowed
    with pytest.raises(DataError, match=rf"rows fail {check.name}, such as S?\d* ?2020-"):
        treat(PLANTED[check.name](), **{check.name: "refuse"})


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_what_is_kept_is_not_changed(check):
    keep = {c.name: "keep" for c in CHECKS if "keep" in c.allowed}
    frame = PLANTED[check.name]()
    refused = {c.name: "drop_row" for c in CHECKS if c.name != check.name and c.name == "conflicting_rows"}
    if "keep" not in check.allowed:
        keep[check.name] = next(treatment for treatment in check.allowed if treatment != "refuse")
    treated, found = treat(frame, **(refused | keep))
    assert found[check.name].n_flagged > 0
    if "keep" in check.allowed:
        assert found[check.name].n_changed == 0
        ordered = frame.sort_values(["symbol", "date"], ignore_index=True)
        pd.testing.assert_frame_equal(treated, ordered)


def test_every_allowed_treatment_works_and_says_what_it_did():
    for check in CHECKS:
        frame = PLANTED[check.name]()
        for treatment in set(check.allowed) - {"refuse", "keep"}:
            keep = {c.name: "keep" for c in CHECKS if "keep" in c.allowed}
            treated, found = treat(frame, **(keep | {check.name: treatment}))
            assert found[check.name].treatment == treatment
            assert found[check.name].n_changed > 0
            if treatment in {"drop_row", "drop_asset"}:
                assert len(frame) - len(treated) >= found[check.name].n_changed


def test_yaml_overrides_thresholds_and_treatments():
    text = "{treatments: {extreme_move: drop_cell}, extreme: 0.3, jump: 0.6, stale_days: 5}"
    chosen = QualitySettings(**yaml.safe_load(text))
    _, findings = clean(scaled(sound(), "S1", slice(30, None), 1.4), chosen)
    assert [(f.check, f.treatment, f.n_flagged) for f in findings] == [("extreme_move", "drop_cell", 1)]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"treatments": {"typo": "keep"}}, "'typo' is no check; the checks are missing_symbol"),
        ({"treatments": {"gap": "drop_row"}}, "gap allows keep, refuse, not 'drop_row'"),
        ({"treatments": {"gap": "burn"}}, "Input should be 'keep', 'repair'"),
        ({"thin_share": 1.5}, "less than 1"),
        ({"stale_days": 1}, "greater than or equal to 2"),
        ({"stale": 3}, "Extra inputs are not permitted"),
    ],
    ids=["check", "treatment of the check", "treatment", "share", "days", "key"],
)
def test_settings_that_make_no_sense(change, text):
    with pytest.raises(ValidationError, match=text):
        QualitySettings(**change)


def parted(frame):
    """The last five days, and the others as their context."""
    late = frame["date"] >= pd.Timestamp(DAYS[-5])
    return {"bars": frame[late], "context": frame[~late]}


def test_context_is_neither_reported_nor_returned():
    frame = put(put(sound(), "S1", slice(10, 11), open=0.0), "S1", slice(-2, -1), open=0.0)
    treated, findings = clean(**parted(frame))
    assert treated["date"].min() == pd.Timestamp(DAYS[-5])
    assert len(treated) == 25
    assert [(f.check, f.n_flagged) for f in findings] == [("non_positive_price", 1)]
    # A jump on the first new day is seen against the last old one.
    _, findings = clean(**parted(scaled(sound(), "S1", slice(-5, None), 0.5)))
    assert [f.check for f in findings] == ["unadjusted_event"]


def test_runs_and_moves_are_seen_across_the_border_of_the_context():
    """What began in the context and goes on in the new bars is what it is in one piece."""
    flat = {"open": 50.0, "high": 50.0, "low": 50.0, "close": 50.0}
    _, findings = clean(**parted(put(sound(), "S1", slice(-12, None), **flat)))
    assert [(f.check, f.n_flagged) for f in findings] == [("stale_price", 3)]
    # Of a print that began in the context, the new days are blanked.
    treated, findings = clean(**parted(scaled(sound(), "S1", slice(-7, -3), 10.0)))
    assert (findings[0].check, findings[0].n_flagged) == ("reverting_move", 2)
    assert treated.loc[treated["close"].isna(), "date"].tolist() == list(pd.DatetimeIndex(DAYS[-5:-3]))


def test_nothing_left_is_an_error():
    with pytest.raises(DataError, match="no bar is left after the quality checks"):
        clean(put(sound(1), "S0", slice(None), close=-1.0))


def test_only_closes_are_enough():
    frame = sound()[["date", "symbol", "close", "dividend", "split"]]
    treated, findings = clean(frame)
    assert findings == ()
    pd.testing.assert_frame_equal(treated, frame)


@pytest.fixture(scope="module")
def report(real_data) -> QualityReport:
    return examine(read_bars(real_data / "us_equities_2010_2017.parquet"))[1]


@pytest.mark.real
@pytest.mark.slow
def test_real_file_names_its_known_warts(report):
    found = {finding.check: finding for finding in report.findings}
    assert report.n_rows_read == 4_439_327
    assert report.n_assets == 2_600
    assert 3_500 < found["non_positive_price"].cells["open"] < 4_100
    assert found["non_trading_day"].n_flagged == 99
    assert found["non_trading_day"].n_assets == 15
    assert found["non_trading_day"].examples[0] == "CEF 2010-01-01 the exchange was closed"
    assert "BBH" in found["alternating_levels"].worst
    assert "ANIP" in found["unadjusted_event"].worst
    assert {"BBH", "ANIP"} <= {name for name, _ in report.worst_assets(10_000)}
    thin = [example.split(" ", 1)[1] for example in found["thin_day"].examples]
    assert thin == ["2017-12-11 a day of 528 symbols", "2010-04-01 a day of 1190 symbols"]
    assert QualityReport.model_validate_json(report.model_dump_json()) == report


def test_without_volumes_a_missing_split_shows_in_the_price_alone():
    frame = scaled(sound(), "S0", slice(-20, None), 0.5)
    _, findings = clean(frame.drop(columns="volume"))
    (found,) = [finding for finding in findings if finding.check == "unadjusted_event"]
    assert found.n_flagged == 1


def test_bars_within_the_day_are_refused():
    frame = sound(2)
    hours = pd.concat([scaled(frame, "S0", slice(None), 1 + 0.001 * hour) for hour in range(4)], ignore_index=True)
    hours.loc[hours["symbol"] == "S1", "close"] *= 1 + 0.001 * np.repeat(range(4), N)
    with pytest.raises(DataError, match="fail not_daily, such as .*; several bars of a day: give one"):
        treat(hours)


def test_another_exchange_is_named_and_filled_holidays_are_not_one():
    london = trading_days("2019-01-02", "2020-12-31", exchange="XLON").astype("datetime64[s]")
    frame = pd.DataFrame({"date": london, "symbol": "VOD", "close": 50.0 + np.arange(len(london)) % 7})
    frame = frame.assign(dividend=0.0, split=1.0)
    with pytest.raises(DataError, match="XLON fits best, 100% of the days"):
        clean(frame)
    weekdays = pd.bdate_range("2019-01-02", "2020-12-31")
    filled = pd.DataFrame({"date": weekdays, "symbol": "A", "close": 50.0 + np.arange(len(weekdays)) % 7})
    treated, findings = clean(filled.assign(dividend=0.0, split=1.0))
    assert [(f.check, f.n_changed) for f in findings] == [("non_trading_day", len(weekdays) - len(treated))]
    assert len(treated) == len(trading_days("2019-01-02", "2020-12-31"))
