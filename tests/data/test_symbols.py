"""Permanent ids: a reused ticker is two assets, a renamed company is one."""

import numpy as np
import pandas as pd
import pytest

from quantray.data.calendar import trading_days
from quantray.data.store import MarketStore
from quantray.data.universe import MembershipFile, Symbols
from quantray.errors import DataError

DAYS = pd.DatetimeIndex(trading_days("2020-01-02", "2020-12-31"))


@pytest.fixture
def crsp(tmp_path):
    """FB becomes META on day 100; its old ticker goes to a new company on day 150; a third is delisted on day 80."""
    rng = np.random.default_rng(0)

    def firm(permno, tickers, first=0, last=200, **columns):
        rows = np.arange(first, last)
        price = 50 * np.exp(np.cumsum(rng.normal(0, 0.01, len(rows))))
        frame = pd.DataFrame({"PERMNO": permno, "date": DAYS[rows].strftime("%Y%m%d"), "PRC": price, "VOL": 1000})
        moved = price / np.append(np.nan, price[:-1]) - 1
        return frame.assign(TICKER=[tickers(row) for row in rows], RET=moved, CFACPR=1.0, DLRET=np.nan, **columns)

    first = firm(13407, lambda row: "FB" if row < 100 else "META")
    second = firm(99001, lambda row: "FB", first=150)
    third = firm(10001, lambda row: "GONE", last=80)
    third.loc[third.index[-1], "DLRET"] = -0.3
    third.loc[third.index[-3], "PRC"] *= -1
    frame = pd.concat([first, second, third])
    frame["RET"] = frame["RET"].map("{:.8f}".format).replace("nan", "C")
    path = tmp_path / "crsp.csv"
    frame.to_csv(path, index=False)
    store = MarketStore(tmp_path / "market")
    store.report = store.import_bars(path)
    return store


def test_assets_go_by_their_last_symbol(crsp):
    assert crsp.load().assets.tolist() == ["GONE", "META", "FB"]
    spells = crsp.symbols().spells
    assert [(s.id, s.symbol) for s in spells] == [
        ("10001", "GONE"),
        ("13407", "FB"),
        ("13407", "META"),
        ("99001", "FB"),
    ]
    assert spells[1].last == DAYS[99].to_datetime64().astype("datetime64[D]")
    assert crsp.report.readings[0].format == "crsp"


def test_midpoints_are_closes_and_delisting_returns_are_kept(crsp):
    panel = crsp.load()
    close, left = panel.field("close")[:, 0], panel.field("delist_return")[:, 0]
    assert (close[:80] > 0).all()
    assert left[79] == -0.3
    assert np.isnan(np.delete(left, 79)).all()
    assert [f.examples for f in crsp.report.findings if f.check == "midpoint_price"] == [("1 rows of crsp.csv",)]


def test_members_by_id_by_old_and_by_new_symbol(crsp, tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("symbol,start,end\nFB,2020-01-02,\nMETA,2020-01-02,\n10001,2020-02-03,2020-03-02\n")
    panel = crsp.load(MembershipFile(str(path)))
    member = dict(zip(panel.assets.tolist(), panel.member.T, strict=True))
    assert member["META"].sum() == 200
    assert member["FB"].sum() == 50
    inside = (panel.dates >= np.datetime64("2020-02-03")) & (panel.dates <= np.datetime64("2020-03-02"))
    np.testing.assert_array_equal(member["GONE"], inside)
    # The ticker alone is the firm that had it on each day.
    path.write_text("symbol,start,end\nFB,2020-01-02,\n")
    panel = crsp.load(MembershipFile(str(path)))
    assert {n: int(m.sum()) for n, m in zip(panel.assets.tolist(), panel.member.T, strict=True)} == {
        "META": 100,
        "FB": 50,
    }
    assert crsp.load(Symbols(("META",))).assets.tolist() == ["META"]


def test_members_without_data_and_overlapping_spells_are_named(crsp, tmp_path):
    path = tmp_path / "members.csv"
    path.write_text(
        "symbol,start,end\nMETA,2020-01-02,2020-06-01\nMETA,2020-05-01,\nNVDA,2020-01-02,\nOLD,1990-01-01,1991-01-01\n"
    )
    universe = MembershipFile(str(path))
    assert universe.notes(crsp.load(universe)) == (
        "1 of 2 members have no data: NVDA",
        f"spells of META overlap in {path} and count once",
    )


def test_two_assets_of_one_last_symbol_show_their_ids(tmp_path):
    frame = pd.DataFrame(
        {
            "permno": np.repeat([1, 2], 5),
            "date": np.tile(DAYS[:5], 2),
            "prc": 1.0 + np.arange(10) % 3,
            "ret": 0.0,
            "ticker": "AA",
        }
    )
    frame.loc[5:, "date"] = DAYS[20:25]
    frame.to_parquet(tmp_path / "crsp.parquet")
    store = MarketStore(tmp_path / "market")
    store.import_bars(tmp_path / "crsp.parquet")
    assert store.load().assets.tolist() == ["AA (1)", "AA (2)"]


def test_an_append_by_symbol_goes_to_the_id_that_has_it(crsp, tmp_path):
    new = pd.DataFrame({"date": DAYS[200:203], "symbol": ["META"] * 3, "close": [50.0, 51.0, 50.5]})
    new.to_csv(tmp_path / "new.csv", index=False)
    crsp.append(tmp_path / "new.csv")
    panel = crsp.load()
    assert panel.assets.tolist() == ["GONE", "META", "FB"]
    assert panel.field("close")[-1, 1] > 0
    new.assign(symbol="NEWCO").to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match="by permanent ids, and has none for 1 symbols of the file, such as NEWCO"):
        crsp.append(tmp_path / "new.csv")
