from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from small_books import small_book

from quantray.daily.positions import Ends, carried, read_positions, starting
from quantray.errors import DataError, InputError

DAYS = pd.to_datetime(["2024-03-28", "2024-04-01", "2024-04-02"])


def quotes(*rows):
    return pd.DataFrame(rows, columns=["date", "symbol", "close", "split", "dividend"]).assign(
        date=lambda frame: pd.to_datetime(frame["date"])
    )


def closes(day, **prices):
    return [(day, symbol, price, 1.0, 0.0) for symbol, price in prices.items()]


FIRST = closes("2024-04-01", AAA=11.0, BBB=20.0, CCC=50.0)
# NAV 1,000,000 with 50,000 AAA at 10, 15,000 BBB at 20 and 2,000 CCC at 50: 100,000 is cash.


def test_orders_fill_at_the_next_close_and_are_paid_for():
    found = carried(small_book(), quotes(*FIRST), costs_bps=10)
    assert found.as_of == date(2024, 4, 1)
    assert found.shares == {"AAA": 40_000, "BBB": 15_000, "CCC": 5_000}
    traded = 10_000 * 11.0 - 3_000 * 50.0
    assert found.cash == pytest.approx(100_000 + traded - (110_000 + 150_000) * 10e-4)
    assert found.prices == {"AAA": 11.0, "BBB": 20.0, "CCC": 50.0}


def test_money_is_conserved():
    """NAV after equals NAV before, plus what was held times its move, less costs."""
    found = carried(small_book(), quotes(*FIRST), costs_bps=10)
    assert found.nav == pytest.approx(1_000_000 + 50_000 * (11.0 - 10.0) - 260_000 * 10e-4)


def test_what_names_earned_and_trades_cost_is_what_the_nav_moved_by():
    """Also through splits, dividends and ends: AAA pays 1 a share and splits, CCC goes."""
    days = [
        *FIRST[:2],
        ("2024-04-02", "AAA", 5.5, 2.0, 0.5),
        *closes("2024-04-02", BBB=21.0),
    ]
    found = carried(small_book(), quotes(*days), costs_bps=10, ends=Ends({"CCC": 9}, returns={"CCC": -0.5}))
    assert found.earned == pytest.approx({"AAA": 50_000 + 80_000 * 0.5, "BBB": 15_000, "CCC": -2_000 * 50 * 0.5})
    assert found.costs == pytest.approx(110_000 * 10e-4)
    assert sum(found.earned.values()) - found.costs == pytest.approx(found.nav - 1_000_000)


def test_a_split_changes_shares_and_no_money():
    half = [("2024-04-01", "AAA", 5.5, 2.0, 0.0), *FIRST[1:]]
    found = carried(small_book(), quotes(*half), costs_bps=0)
    assert found.shares["AAA"] == 80_000
    assert found.nav == pytest.approx(carried(small_book(), quotes(*FIRST), costs_bps=0).nav)


def test_a_split_on_a_day_without_a_close_is_no_money_either():
    found = carried(small_book(), quotes(FIRST[0], ("2024-04-01", "BBB", np.nan, 2.0, 0.0), *FIRST[2:]), costs_bps=0)
    whole = carried(small_book(), quotes(FIRST[0], ("2024-04-01", "BBB", np.nan, 1.0, 0.0), *FIRST[2:]), costs_bps=0)
    assert found.shares["BBB"] == 2 * whole.shares["BBB"]
    assert found.nav == pytest.approx(whole.nav)


def test_a_fraction_of_a_share_is_paid_in_money():
    odd = [*FIRST, ("2024-04-02", "CCC", 150.0, 1 / 3, 0.0), *closes("2024-04-02", AAA=11.0, BBB=20.0)]
    found = carried(small_book(), quotes(*odd), costs_bps=0)
    assert found.shares["CCC"] == 1666
    assert found.nav == pytest.approx(carried(small_book(), quotes(*FIRST), costs_bps=0).nav)


def test_a_name_that_has_gone_is_paid_out_however_often_a_book_is_made():
    """Day by day: how long it has had no close is known from before the book."""
    day = closes("2024-04-01", AAA=11.0, BBB=20.0)
    assert carried(small_book(), quotes(*day), costs_bps=0, ends=Ends({"CCC": 8})).shares["CCC"] > 0
    found = carried(small_book(), quotes(*day), costs_bps=0, ends=Ends({"CCC": 9, "ELSEWHERE": 40}))
    assert "CCC" not in found.shares
    assert "1 names without a close for 10 days were paid out: CCC" in found.notes
    assert found.nav == pytest.approx(carried(small_book(), quotes(*day), costs_bps=0).nav)


def test_dividends_go_to_who_holds_on_the_day():
    paid = [("2024-04-01", "AAA", 10.0, 1.0, 1.0), *FIRST[1:]]
    found = carried(small_book(), quotes(*paid), costs_bps=0)
    # Held before the trade at the close: 50,000.
    assert found.nav == pytest.approx(1_000_000 + 50_000)
    later = [*FIRST, ("2024-04-02", "AAA", 10.0, 1.0, 1.0), *closes("2024-04-02", BBB=20.0, CCC=50.0)]
    assert carried(small_book(), quotes(*later), costs_bps=0).nav == pytest.approx(1_050_000 - 40_000 + 40_000)


def test_what_has_no_close_does_not_fill_and_is_said():
    found = carried(small_book(), quotes(*closes("2024-04-01", BBB=20.0, CCC=50.0)), costs_bps=0)
    assert found.shares == {"AAA": 50_000, "BBB": 15_000, "CCC": 5_000}
    assert found.prices["AAA"] == 10.0
    assert found.notes == ("1 orders without a close did not fill: AAA",)


def test_what_is_gone_is_paid_out_at_its_last_close():
    days = pd.bdate_range("2024-04-01", periods=12).strftime("%Y-%m-%d")
    rows = [row for day in days for row in closes(day, BBB=20.0, CCC=50.0, **({"AAA": 11.0} if day == days[0] else {}))]
    found = carried(small_book(), quotes(*rows), costs_bps=0)
    assert "AAA" not in found.shares
    assert found.nav == pytest.approx(1_050_000)
    assert "1 names without a close for 10 days were paid out: AAA" in found.notes


def test_holders_of_what_has_gone_get_what_the_data_say():
    """CCC, of which 2,000 are held at 50, returns nothing to its holders, or what is assumed where nothing is known."""
    day = closes("2024-04-01", AAA=11.0, BBB=20.0)
    for ends, lost in (
        (Ends({"CCC": 9}, returns={"CCC": -1.0}), 100_000),
        (Ends({"CCC": 9}, otherwise=-0.3), 30_000),
        (Ends({"CCC": 4}, returns={"CCC": 0.2}, after=5), -20_000),
    ):
        found = carried(small_book(), quotes(*day), costs_bps=0, ends=ends)
        assert found.nav == pytest.approx(1_050_000 - lost)


def on(day, **shares):
    """Slices of a session."""
    return [
        {"symbol": name, "shares": count, "time": pd.Timestamp(f"{day}T15:00", tz="UTC")}
        for name, count in shares.items()
    ]


def sliced(*rows):
    """The small book with its order of AAA, and of CCC, in other slices."""
    tables = small_book().tables
    parents = {"AAA": "1", "CCC": "2"}
    columns = pa.Table.from_pylist(
        [
            {"parent": parents[row["symbol"]], "child": str(n), "venue": "NYSE", "algorithm": "AC", "limit": np.nan}
            | row
            for n, row in enumerate(rows)
        ],
        schema=tables["children"].schema,
    )
    return small_book(tables={**tables, "children": columns})


STRETCHED = sliced(
    *on("2024-04-01", AAA=-4_000, CCC=3_000), *on("2024-04-02", AAA=-4_000), *on("2024-04-03", AAA=-2_000)
)


def test_an_order_of_several_sessions_has_filled_as_far_as_it_has_come():
    first = carried(STRETCHED, quotes(*FIRST), costs_bps=0)
    assert first.shares == {"AAA": 46_000, "BBB": 15_000, "CCC": 5_000}
    assert first.cash == pytest.approx(100_000 + 4_000 * 11.0 - 150_000)
    second = carried(STRETCHED, quotes(*FIRST, *closes("2024-04-02", AAA=12.0, BBB=20.0, CCC=50.0)), costs_bps=0)
    assert second.shares["AAA"] == 42_000
    assert second.cash == pytest.approx(first.cash + 4_000 * 12.0)


def test_what_is_left_of_an_order_is_split_with_the_shares():
    later = [*FIRST, ("2024-04-02", "AAA", 5.5, 2.0, 0.0), *closes("2024-04-02", BBB=20.0, CCC=50.0)]
    assert carried(STRETCHED, quotes(*later), costs_bps=0).shares["AAA"] == 2 * (46_000 - 4_000)


def test_sessions_are_those_of_the_exchange():
    """Sydney opens on the day before by UTC."""
    night = [
        {"symbol": "AAA", "shares": -6_000, "time": pd.Timestamp("2024-03-31T23:30", tz="UTC")},
        {"symbol": "AAA", "shares": -4_000, "time": pd.Timestamp("2024-04-01T04:00", tz="UTC")},
        *on("2024-04-01", CCC=3_000),
    ]
    assert carried(sliced(*night), quotes(*FIRST), costs_bps=0, exchange="XASX").shares["AAA"] == 40_000


def test_without_a_later_day_nothing_is_carried():
    with pytest.raises(DataError, match="no bars after the book of 2024-03-28; append"):
        carried(small_book(), quotes(*closes("2024-03-28", AAA=10.0)), costs_bps=0)


def test_at_the_start_there_is_cash():
    assert starting(date(2024, 1, 2), 5e6).nav == 5e6


def test_what_a_broker_says_counts():
    frame = pd.DataFrame({"symbol": ["AAA", "CASH", "BBB"], "shares": ["10", "99.5", "0"]})
    found = read_positions(frame, date(2024, 1, 2), {"AAA": 3.0})
    assert (found.shares, found.cash, found.nav) == ({"AAA": 10}, 99.5, 129.5)


def test_a_share_may_be_called_cash():
    frame = pd.DataFrame({"symbol": ["CASH", "$CASH"], "shares": [10, 99.5]})
    found = read_positions(frame, date(2024, 1, 2), {"CASH": 3.0})
    assert (found.shares, found.cash) == ({"CASH": 10}, 99.5)
    with pytest.raises(InputError, match="no row of money .CASH is a share with a close"):
        read_positions(frame[:1], date(2024, 1, 2), {"CASH": 3.0})


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"symbol": ["AAA"]}, "lack the column shares"),
        ({"symbol": ["AAA", "AAA"], "shares": [1, 2]}, "name a symbol twice"),
        ({"symbol": ["AAA", "CASH"], "shares": [1.5, 0]}, "1.5 shares of AAA; give a whole number"),
        ({"symbol": ["AAA", "CASH"], "shares": ["many", 0]}, "nan shares of AAA"),
        ({"symbol": ["ZZZ", "CASH"], "shares": [1, 0]}, "ZZZ is held and has no close on 2024-01-02"),
        ({"symbol": ["CASH"], "shares": [np.nan]}, "the money in the row CASH"),
        ({"symbol": ["AAA"], "shares": [10]}, "no row of money; add one with symbol"),
    ],
)
def test_what_a_broker_cannot_mean_is_refused(rows, said):
    with pytest.raises(InputError, match=said):
        read_positions(pd.DataFrame(rows), date(2024, 1, 2), {"AAA": 3.0})
