import numpy as np
import pandas as pd
import pytest
from planted_bars import DAYS, PLANTED, N, put, scaled, sound, treat

from quantray.data.calendar import trading_days
from quantray.data.quality.treatment import QualitySettings, clean
from quantray.errors import DataError


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


def test_seoul_is_looked_for_only_where_its_holidays_were_kept(monkeypatch):
    """Its calendar takes longest to make; here it is one that keeps nothing but the days that are sure."""
    weekdays = pd.bdate_range("2019-01-02", "2020-12-31")
    kept = weekdays[~weekdays.strftime("%m-%d").isin(["01-01", "03-01", "05-05", "08-15", "10-03", "12-25"])]
    tried = []

    def made(first, last, *, exchange):
        tried.append(exchange)
        fits = kept if exchange == "XKRX" else weekdays[::2]
        return fits.to_numpy().astype("datetime64[D]")

    monkeypatch.setattr("quantray.data.quality.row_checks.sessions_within", made)
    frames = [
        pd.DataFrame({"date": days.astype("datetime64[s]"), "symbol": "A", "close": 50.0 + np.arange(len(days)) % 7})
        for days in (kept, weekdays)
    ]
    with pytest.raises(DataError, match="XKRX fits best, 100% of the days"):
        clean(frames[0].assign(dividend=0.0, split=1.0))
    assert tried[-1] == "XKRX"
    tried.clear()
    clean(frames[1].assign(dividend=0.0, split=1.0))
    assert "XLON" in tried
    assert "XKRX" not in tried
