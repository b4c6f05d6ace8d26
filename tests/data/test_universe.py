import numpy as np
import pytest

from quantray.data.calendar import trading_days
from quantray.data.panel import Panel
from quantray.data.universe import PRESETS, Everything, MembershipFile, RankBand, Symbols, read_sectors
from quantray.errors import DataError, InputError

NAN = np.nan


def panel_of(volumes, dates=None):
    """A panel whose closes are one, so that volume is the money traded; no close where the volume is NaN."""
    volumes = np.asarray(volumes, dtype=float)
    dates = trading_days("2020-01-02", "2021-12-31")[: len(volumes)] if dates is None else dates
    close = np.where(np.isnan(volumes), NAN, 1.0)
    assets = np.array([f"S{i}" for i in range(volumes.shape[1])])
    return Panel(dates, assets, {"close": close, "volume": volumes}, ~np.isnan(close))


@pytest.fixture
def membership_file(tmp_path, market):
    """A spell inside the data, one that goes on, one that ended before, two of one asset, a symbol without data."""
    dates, names = market.panel.dates, market.panel.assets
    path = tmp_path / "members.csv"
    path.write_text(
        "symbol,start,end\n"
        f"{names[0]},{dates[100]},{dates[200]}\n"
        f"{names[1]},{dates[50]},\n"
        f"{names[2]},1999-01-04,1999-12-31\n"
        f"{names[3]},{dates[10]},{dates[20]}\n"
        f"{names[3]},{dates[400]},\n"
        "GONE,2000-01-03,\n"
    )
    return MembershipFile(str(path))


@pytest.fixture(params=["everything", "symbols", "file", "band", "daily band", "middle band"])
def universe(request, market, membership_file):
    return {
        "everything": Everything(),
        "symbols": Symbols(tuple(market.panel.assets[:7])),
        "file": membership_file,
        "band": RankBand(1, 20, window=63, min_days=21),
        "daily band": RankBand(1, 10, window=10, min_days=5, review="daily", buffer=0.3),
        "middle band": RankBand(15, 30, window=42, min_days=42, review="quarterly", buffer=0.2),
    }[request.param]


@pytest.mark.parametrize("cut", [0, 41, 62, 100, 399, 400, 655])
def test_membership_uses_nothing_of_the_future(universe, market, cut):
    whole = universe.membership(market.panel)
    np.testing.assert_array_equal(universe.membership(market.panel.until(cut)), whole[: cut + 1])


def test_membership_follows_the_assets(universe, market):
    order = np.random.default_rng(4).permutation(market.panel.shape[1])
    turned = universe.membership(market.panel.select(market.panel.assets[order]))
    np.testing.assert_array_equal(turned, universe.membership(market.panel)[:, order])


def test_members_have_a_close(universe, market):
    member = universe.membership(market.panel)
    assert member.any()
    assert not np.isnan(market.panel.field("close")[member]).any()


def test_everything_is_where_a_close_is(market):
    np.testing.assert_array_equal(Everything().membership(market.panel), market.truth.listed)
    assert Everything().warm_up_days == 0


def test_symbols_are_the_names_given(market):
    names = market.panel.assets[[3, 5]]
    member = Symbols(tuple(names)).membership(market.panel)
    np.testing.assert_array_equal(member[:, [3, 5]], market.truth.listed[:, [3, 5]])
    assert member.sum() == market.truth.listed[:, [3, 5]].sum()
    with pytest.raises(DataError, match="2 symbols of the universe are not in the data, such as X1"):
        Symbols((names[0], "X2", "X1")).membership(market.panel)


def test_membership_file_includes_both_ends(market, membership_file):
    listed, member = market.truth.listed, membership_file.membership(market.panel)
    rows = np.arange(len(listed))
    np.testing.assert_array_equal(member[:, 0], listed[:, 0] & (rows >= 100) & (rows <= 200))
    np.testing.assert_array_equal(member[:, 1], listed[:, 1] & (rows >= 50))
    assert not member[:, 2].any()
    np.testing.assert_array_equal(member[:, 3], listed[:, 3] & ((rows >= 400) | ((rows >= 10) & (rows <= 20))))
    assert not member[:, 4:].any()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("symbol,start\nAA,2020-01-02\n", r"lacks the columns \['end'\]; it needs symbol,start,end"),
        ("symbol,start,end\nAA,2020-01-02,\nB,01/03/2020,\n", "row 3: '01/03/2020' is not a date; write YYYY-MM-DD"),
        ("symbol,start,end\nAA,2020-01-02,soon\n", "row 2: 'soon' is not a date; write YYYY-MM-DD"),
        ("symbol,start,end\nAA,,2020-01-02\n", "row 2: '' is not a date; write YYYY-MM-DD"),
        ("symbol,start,end\nAA,2020-01-02,2019-01-02\n", "row 2: AA ends on 2019-01-02, before its start 2020-01-02"),
        ("symbol,start,end\nAA,2020-01-02,,x\n", "row 2: 4 fields for 3 columns"),
        ("", "lacks the columns .*; it needs symbol,start,end"),
        ("symbol,start,end\nA\udcff,2020-01-02,\n", "cannot be read as a CSV with symbol,start,end"),
    ],
    ids=["column", "start", "end", "no start", "backwards", "too many", "empty", "not text"],
)
def test_membership_file_errors(tmp_path, market, text, message):
    path = tmp_path / "members.csv"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(DataError, match=message):
        MembershipFile(str(path)).membership(market.panel)


def test_a_membership_file_may_name_na_and_leave_out_the_last_comma(tmp_path):
    path = tmp_path / "members.csv"
    path.write_text("Symbol, start, end\nNA,2020-01-01\n\nNULL,2020-01-01,2020-01-02\n")
    panel = panel_of(np.ones((3, 2)))
    panel = Panel(panel.dates, np.array(["NA", "NULL"]), panel.fields, panel.member)
    expected = [[True, True], [True, False], [True, False]]
    np.testing.assert_array_equal(MembershipFile(str(path)).membership(panel), expected)


def test_membership_file_that_is_missing(tmp_path, market):
    with pytest.raises(DataError, match="does not exist; write a CSV with the columns symbol,start,end"):
        MembershipFile(str(tmp_path / "none.csv")).membership(market.panel)


def daily_band(first, last, **change):
    """A band by the day's volume alone, reviewed daily: ranks can be read off the table."""
    return RankBand(first, last, **({"window": 1, "min_days": 1, "review": "daily", "buffer": 0.0} | change))


def test_a_band_by_hand():
    volumes = [[50, 40, 30, 20], [50, 40, 45, 20], [10, 40, 45, 60]]
    np.testing.assert_array_equal(
        daily_band(1, 2).membership(panel_of(volumes)),
        [[True, True, False, False], [True, False, True, False], [False, False, True, True]],
    )
    np.testing.assert_array_equal(
        daily_band(2, 3).membership(panel_of(volumes)),
        [[False, True, True, False], [False, True, True, False], [False, True, True, False]],
    )


def test_a_buffer_keeps_members_that_fall_a_little():
    # The third asset overtakes the second by one rank: within a buffer of half of two places.
    volumes = [[50, 40, 30, 20], [50, 40, 45, 20], [50, 10, 45, 40]]
    np.testing.assert_array_equal(
        daily_band(1, 2, buffer=0.5).membership(panel_of(volumes)),
        [[True, True, False, False], [True, True, False, False], [True, False, True, False]],
    )


@pytest.mark.parametrize(
    ("buffer", "expected"),
    [(0.0, [["S1", "S2"], ["S0", "S2"], ["S0", "S3"]]), (0.5, [["S1", "S2"], ["S1", "S2"], ["S0", "S1"]])],
    ids=["without buffer", "buffer of one rank"],
)
def test_members_leave_a_middle_band_on_both_sides(buffer, expected):
    # Band 2-3. First S1 rises to rank 1, then S2 falls to rank 5.
    panel = panel_of([[50, 40, 30, 20, 10], [35, 40, 30, 20, 10], [35, 40, 5, 20, 10]])
    member = daily_band(2, 3, buffer=buffer).membership(panel)
    assert [panel.assets[row].tolist() for row in member] == expected


def test_the_median_counts_days_without_trade_as_zero():
    # The first trades more in all, but nothing on most days.
    volumes = [[0, 2], [0, 2], [90, 2]]
    member = RankBand(1, 1, window=3, min_days=3, review="daily", buffer=0.0).membership(panel_of(volumes))
    assert member[2].tolist() == [False, True]
    assert not member[:2].any()


def test_too_few_days_give_no_rank():
    volumes = [[NAN, 1], [90, 1], [90, 1]]
    member = RankBand(1, 1, window=3, min_days=3, review="daily", buffer=0.0).membership(panel_of(volumes))
    assert member[2].tolist() == [False, True]


def test_a_member_goes_when_its_close_does_and_its_place_stays_free_until_the_review():
    dates = trading_days("2020-01-30", "2020-03-02")
    volumes = np.tile([9.0, 5.0], (len(dates), 1))
    volumes[5:, 0] = NAN
    member = RankBand(1, 1, window=2, min_days=1, review="monthly", buffer=0.0).membership(panel_of(volumes, dates))
    reviews = [1, len(dates) - 2]
    assert not member[: reviews[0]].any()
    assert member[reviews[0] : 5, 0].all()
    assert not member[5 : reviews[1]].any()
    assert member[reviews[1] :, 1].all()


def test_ties_go_to_the_asset_that_stands_first():
    assert daily_band(1, 2).membership(panel_of([[5, 5, 5]])).tolist() == [[True, True, False]]


def test_bands_are_as_large_as_they_can_be(market):
    panel = market.panel
    band = RankBand(11, 30, window=63, min_days=42, buffer=0.2)
    member = band.membership(panel)
    rows = np.flatnonzero(member.any(axis=1) & ~np.roll(member.any(axis=1), 1))
    assert rows[0] >= 41
    assert member.sum(axis=1).max() == 20
    assert (member[rows[0] :].sum(axis=1) >= 15).all()
    # Two bands that touch share no asset without a buffer.
    upper = RankBand(1, 10, window=63, min_days=42, buffer=0.0).membership(panel)
    lower = RankBand(11, 20, window=63, min_days=42, buffer=0.0).membership(panel)
    assert not (upper & lower).any()
    both = RankBand(1, 20, window=63, min_days=42, buffer=0.0).membership(panel)
    np.testing.assert_array_equal(upper | lower, both)


def test_a_buffer_lowers_churn(market):
    def changes(buffer):
        member = RankBand(1, 20, window=21, min_days=10, buffer=buffer).membership(market.panel)
        return int((member[1:] != member[:-1]).sum())

    assert changes(0.5) < changes(0.0)


def test_reviews_follow_the_calendar_of_the_exchange():
    # Tokyo's last session of 2021 was 30 December, New York's the 31st.
    dates = trading_days("2021-12-01", "2022-01-07", exchange="XTKS")
    before = (dates < np.datetime64("2021-12-30"))[:, None]
    panel = panel_of(np.where(before, [[2.0, 1.0]], [[1.0, 2.0]]), dates)
    band = RankBand(1, 1, window=1, min_days=1, buffer=0, exchange="XTKS")
    assert band.membership(panel)[dates == np.datetime64("2021-12-30")].tolist() == [[False, True]]


def test_warmup_covers_window_and_review():
    assert RankBand(1, 10, window=100, review="monthly").warm_up_days == 123
    assert RankBand(1, 10, window=100, review="daily").warm_up_days == 101


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"first": 0}, "rank band 0-5 is empty; ranks start at 1"),
        ({"first": 6}, "rank band 6-5 is empty"),
        ({"buffer": -0.1}, "buffer -0.1 must be 0 to 1"),
        ({"buffer": 1.5}, "buffer 1.5 must be 0 to 1"),
        ({"min_days": 200}, "min_days 200 1 to window 126"),
        ({"min_days": 0}, "min_days 0 1 to window"),
    ],
    ids=str,
)
def test_bands_that_cannot_be(change, text):
    with pytest.raises(InputError, match=text):
        RankBand(**({"first": 1, "last": 5} | change))


def test_presets_are_the_bands_of_the_indices():
    assert {name: (band.first, band.last) for name, band in PRESETS.items()} == {
        "sp500-like": (1, 500),
        "sp400-like": (501, 900),
        "russell1000-like": (1, 1000),
        "russell2000-like": (1001, 3000),
        "top2000": (1, 2000),
    }


def test_read_sectors(tmp_path):
    path = tmp_path / "sectors.csv"
    path.write_text("\ufeffSymbol,Name, Sector \nAA,Alcoa, Materials\nB,Barnes,\nC,Citi,Financials\n", encoding="utf-8")
    assert read_sectors(path) == {"AA": "Materials", "C": "Financials"}
    path.write_text("symbol,industry\nAA,Metals\n")
    with pytest.raises(DataError, match=r"lacks the columns \['sector'\]; it needs symbol,sector"):
        read_sectors(path)
    path.write_bytes(b"symbol,sector\nA\xff,Metals\n")
    with pytest.raises(DataError, match="cannot be read as a CSV with symbol,sector"):
        read_sectors(path)
    with pytest.raises(DataError, match="does not exist; write a CSV with the columns symbol,sector"):
        read_sectors(tmp_path / "none.csv")


def test_a_universe_among_some_names_is_that_of_their_panel(market):
    from quantray.data.universe import Among

    panel = market.panel
    names = tuple(panel.assets[::3])
    band = RankBand(1, 8, window=42, min_days=21)
    member = Among(names, band).membership(panel)
    assert not member[:, ~np.isin(panel.assets, names)].any()
    assert (member[:, np.isin(panel.assets, names)] == band.membership(panel.select(names))).all()
    assert Among(names, band).warm_up_days == band.warm_up_days
    with pytest.raises(DataError, match="none of the 1 names"):
        Among(("NONE",), band).membership(panel)
