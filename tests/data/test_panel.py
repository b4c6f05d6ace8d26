import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pandas as pd
import pytest

from quantray.arrays import frozen_copy
from quantray.data.panel import Panel
from quantray.errors import DataError, InputError

NAN = np.nan


@pytest.fixture
def panel():
    return Panel(
        dates=np.array(["2020-01-02", "2020-01-03", "2020-01-06"], dtype="datetime64[D]"),
        assets=np.array(["AA", "B"]),
        fields={
            "close": np.array([[1.0, NAN], [2.0, 20.0], [3.0, 30.0]]),
            "volume": np.array([[10.0, NAN], [11.0, 12.0], [NAN, 14.0]]),
        },
        member=np.array([[True, False], [True, True], [False, True]]),
    )


def arrays(panel):
    return [panel.dates, panel.assets, panel.member, *panel.fields.values()]


def assert_equal(one, other):
    assert list(one.fields) == list(other.fields)
    for a, b in zip(arrays(one), arrays(other), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shape_and_repr(panel):
    assert panel.shape == (3, 2)
    assert repr(panel) == "Panel(3 dates, 2020-01-02 to 2020-01-06; 2 assets; fields close, volume)"
    assert "no dates" in repr(panel.until("2019-01-01"))


def test_every_array_is_read_only(panel):
    for made in (panel, panel.until(1), panel.select(["B"]), panel.between("2020-01-03", "2020-01-06")):
        for array in arrays(made):
            assert not array.flags.writeable
    with pytest.raises(TypeError, match="does not support item assignment"):
        panel.fields["close"] = panel.field("close")
    with pytest.raises(FrozenInstanceError, match="cannot assign to field"):
        panel.member = None


def test_long_round_trip(panel):
    long = panel.to_long()
    assert list(long.columns) == ["date", "symbol", "close", "volume", "member"]
    assert len(long) == 5
    assert_equal(Panel.from_long(long), panel)


def test_long_round_trip_keeps_members_without_a_price(panel):
    halted = panel.with_member(np.ones(panel.shape, dtype=bool))
    assert_equal(Panel.from_long(halted.to_long()), halted)


def test_from_long_takes_rows_in_any_order(panel):
    long = panel.to_long()
    assert_equal(Panel.from_long(long.sample(frac=1, random_state=3)), panel)


def test_from_long_marks_members_where_the_close_is_known(panel):
    made = Panel.from_long(panel.to_long().drop(columns="member"))
    np.testing.assert_array_equal(made.member, [[True, False], [True, True], [True, True]])
    by_volume = Panel.from_long(panel.to_long().drop(columns="member"), fields=["volume"])
    np.testing.assert_array_equal(by_volume.member, [[True, False], [True, True], [False, True]])
    assert list(by_volume.fields) == ["volume"]


def test_from_long_agrees_with_pandas(market):
    long = market.panel.to_long()
    frame = long.pivot(index="date", columns="symbol", values="close")
    pd.testing.assert_frame_equal(
        Panel.from_long(long).to_frame("close"),
        frame,
        check_names=False,
        check_column_type=False,
        check_index_type=False,
    )


LONG = pd.DataFrame({"date": pd.to_datetime(["2020-01-02", "2020-01-03"]), "symbol": ["A", "B"], "close": [1.0, 2.0]})


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (pd.concat([LONG, LONG.iloc[[1]]]), "B on 2020-01-03 appears twice"),
        (LONG.drop(columns="symbol"), r"lacks \['symbol'\]"),
        (LONG.iloc[:0], "no rows or no fields"),
        (LONG[["date", "symbol"]], "no rows or no fields"),
        (LONG.assign(symbol=["A", None]), "row 1 of the long frame has no symbol"),
        (LONG.assign(date=[pd.NaT, pd.Timestamp("2020-01-03")]), "row 0 of the long frame has no date"),
    ],
    ids=["duplicate", "no symbols", "no rows", "no fields", "blank symbol", "blank date"],
)
def test_from_long_refuses(frame, text):
    with pytest.raises(DataError, match=text):
        Panel.from_long(frame)


def test_from_long_names_an_unknown_field():
    with pytest.raises(DataError, match="field 'open' is not in the frame"):
        Panel.from_long(LONG, fields=["open"])


def test_until_takes_a_date_or_a_row(panel):
    expected = ["2020-01-02", "2020-01-03"]
    for cut in (1, np.int64(1), "2020-01-03", "2020-01-05", pd.Timestamp("2020-01-03")):
        assert panel.until(cut).dates.astype(str).tolist() == expected
    assert_equal(panel.until(99), panel)
    assert panel.until("2019-12-31").shape == (0, 2)


def test_until_refuses_rows_from_the_end(panel):
    with pytest.raises(InputError, match="row -1 is negative"):
        panel.until(-1)


def test_between_includes_both_ends(panel):
    assert panel.between("2020-01-03", "2020-01-06").dates.astype(str).tolist() == ["2020-01-03", "2020-01-06"]
    assert panel.between("2020-01-04", "2020-01-05").shape == (0, 2)
    with pytest.raises(InputError, match="start 2020-01-06 is after end 2020-01-02"):
        panel.between("2020-01-06", "2020-01-02")


def test_select_keeps_the_order_asked_for(panel):
    turned = panel.select(["B", "AA"])
    np.testing.assert_array_equal(turned.field("close"), panel.field("close")[:, ::-1])
    np.testing.assert_array_equal(turned.member, panel.member[:, ::-1])
    with pytest.raises(DataError, match="2 assets are not in the panel, such as X, Y"):
        panel.select(["AA", "X", "Y"])
    with pytest.raises(InputError, match="names repeat"):
        panel.select(["AA", "AA"])


def test_field_frame_and_row(panel):
    assert panel.to_frame("close").loc["2020-01-06", "B"] == 30.0
    assert panel.row("2020-01-03") == 1
    with pytest.raises(DataError, match="no field 'open'; it has close, volume"):
        panel.field("open")
    with pytest.raises(DataError, match="2020-01-04 is not a date of this panel"):
        panel.row("2020-01-04")
    with pytest.raises(DataError, match="2020-01-07 is not a date of this panel"):
        panel.row("2020-01-07")


def test_with_fields_and_with_member_leave_the_panel_alone(panel):
    before = panel.fingerprint()
    more = panel.with_fields(spread=np.ones(panel.shape))
    assert list(more.fields) == ["close", "spread", "volume"]
    none = panel.with_member(np.zeros(panel.shape, dtype=bool))
    assert not none.member.any()
    assert panel.fingerprint() == before


def test_equal_slices_have_equal_fingerprints(market):
    panel = market.panel
    names = panel.assets[[5, 2, 40]]
    one = panel.select(names).between(panel.dates[10], panel.dates[50])
    other = panel.until(50).between(panel.dates[10], panel.dates[-1]).select(names)
    assert one.fingerprint() == other.fingerprint()
    assert Panel.from_long(panel.to_long()).fingerprint() == panel.fingerprint()


def test_any_change_changes_the_fingerprint(panel):
    close = panel.field("close").copy()
    close[2, 1] = np.nextafter(close[2, 1], 31)
    member = panel.member.copy()
    member[0, 1] = True
    changed = [
        panel,
        panel.with_fields(close=close),
        panel.with_member(member),
        panel.with_fields(spread=close),
        panel.select(["B", "AA"]),
        panel.until(1),
        replace(panel, assets=np.array(["AA", "C"])),
        replace(panel, dates=panel.dates + 1),
        replace(panel, fields={"close": panel.field("close"), "shares": panel.field("volume")}),
        replace(panel, fields={"close": panel.field("volume"), "volume": panel.field("close")}),
    ]
    assert len({p.fingerprint() for p in changed}) == len(changed)


@pytest.mark.parametrize("send", [lambda p: pickle.loads(pickle.dumps(p)), frozen_copy], ids=["pickle", "worker"])
def test_a_sent_panel_is_equal_and_read_only(panel, send):
    back = send(panel)
    assert_equal(back, panel)
    assert back.fingerprint() == panel.fingerprint()
    assert not any(array.flags.writeable for array in arrays(back))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"dates": np.array(["2020-01-02", "2020-01-02", "2020-01-06"], "datetime64[D]")}, "not strictly increasing"),
        ({"dates": np.array(["2020-01-03", "2020-01-02", "2020-01-06"], "datetime64[D]")}, "not strictly increasing"),
        ({"dates": np.array(["2020-01-03", "NaT", "2020-01-06"], "datetime64[D]")}, "not strictly increasing"),
        ({"assets": np.array(["AA", "AA"])}, "names repeat"),
        ({"fields": {"close": np.ones((2, 3))}}, r"field 'close' is \(2, 3\) for 3 dates and 2 assets"),
        ({"member": np.ones((3, 1), dtype=bool)}, r"field 'member' is \(3, 1\)"),
    ],
    ids=["equal dates", "falling dates", "no date", "names", "field", "member"],
)
def test_a_panel_that_does_not_fit_together_cannot_be_made(panel, change, text):
    with pytest.raises(InputError, match=text):
        replace(panel, **change)


def test_periods_of_a_year_go_wherever_the_panel_goes(panel):
    weekly = replace(panel, periods_per_year=52)
    made = (
        weekly.until(1),
        weekly.between("2020-01-03", "2020-01-06"),
        weekly.select(["B"]),
        weekly.with_member(~weekly.member),
        weekly.with_fields(other=weekly.field("close")),
        weekly.with_only("close"),
        pickle.loads(pickle.dumps(weekly)),
        frozen_copy(weekly),
    )
    assert [one.periods_per_year for one in made] == [52] * len(made)
    assert panel.periods_per_year == 252


def test_the_same_bars_of_another_calendar_are_other_data(panel):
    assert replace(panel, periods_per_year=365).fingerprint() != panel.fingerprint()
    # What is kept by content is found again.
    assert panel.fingerprint() == "e86acc788d6325a2d25617395e027c9d"


def test_a_year_has_periods(panel):
    with pytest.raises(InputError, match="periods_per_year 0 must be 1 or more, such as 252, 365 or 52"):
        replace(panel, periods_per_year=0)


def test_some_fields_alone(panel):
    assert list(panel.with_only("volume", "nothing").fields) == ["volume"]
