import threading

import numpy as np
import pandas as pd
import pytest

from quantray.data.panel import Panel
from quantray.data.quality.examining import examine
from quantray.data.quality.treatment import QualitySettings
from quantray.data.store import MarketStore
from quantray.data.universe import RankBand, Symbols
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError

FIELDS = ["open", "high", "low", "close", "volume"]


@pytest.fixture(scope="module")
def bars(market):
    """Rows of the first 20 assets over the last 120 days."""
    panel = market.panel.select(market.panel.assets[:20]).between(market.panel.dates[-120], market.panel.dates[-1])
    long = panel.to_long()[["date", "symbol", *FIELDS]]
    return long.assign(date=long["date"].astype("datetime64[s]"))


@pytest.fixture
def store(tmp_path):
    return MarketStore(tmp_path / "market")


def raw(frame):
    return RawBars(frame.reset_index(drop=True), ("bars",))


def days_of(bars):
    return np.unique(bars["date"].to_numpy().astype("datetime64[D]"))


def up_to(bars, row):
    """The bars until a day, and those after it."""
    past = bars["date"] <= pd.Timestamp(days_of(bars)[row])
    return bars[past], bars[~past]


def assert_same(one: Panel, other: Panel):
    assert one.fingerprint() == other.fingerprint()


def test_what_goes_in_comes_out(store, bars):
    report = store.import_bars(raw(bars))
    assert_same(store.load(), Panel.from_long(bars))
    assert report.n_rows_read == report.n_rows_kept == len(bars)
    assert report.n_assets == bars["symbol"].nunique()
    assert report.first == str(days_of(bars)[0])
    assert repr(store) == f"MarketStore({store.uri!r})"


def test_import_from_a_file_reads_and_writes_the_same(store, bars, tmp_path):
    bars.to_csv(tmp_path / "bars.csv", index=False)
    report = store.import_bars(tmp_path / "bars.csv")
    np.testing.assert_allclose(store.load().field("close"), Panel.from_long(bars).field("close"), rtol=1e-14)
    assert report.files == (str(tmp_path / "bars.csv"),)


def test_load_cuts_dates_fields_and_assets(store, bars):
    store.import_bars(raw(bars))
    days = days_of(bars)
    panel = store.load(start=days[10], end=str(days[30]), fields=["volume", "close"])
    np.testing.assert_array_equal(panel.dates, days[10:31])
    assert list(panel.fields) == ["close", "volume"]
    names = ("S03", "S01")
    assert store.load(Symbols(names)).assets.tolist() == sorted(names)
    np.testing.assert_array_equal(store.load(end=days[5]).dates, days[:6])
    np.testing.assert_array_equal(store.load(start=days[-3]).dates, days[-3:])


def test_load_gives_the_fields_that_the_data_has(store, bars):
    store.import_bars(raw(bars[["date", "symbol", "close"]]))
    assert list(store.load().fields) == ["close"]
    with pytest.raises(DataError, match="has no volume; it has close"):
        store.load(fields=["close", "volume"])


def test_membership_looks_back_before_the_start(store, bars):
    store.import_bars(raw(bars))
    days = days_of(bars)
    band = RankBand(1, 5, window=21, min_days=21, review="weekly", buffer=0.0)
    whole = store.load(band)
    late = store.load(band, start=days[80])
    assert late.member[0].sum() == 5
    late_members = [set(late.assets[row]) for row in late.member]
    assert late_members == [set(whole.assets[row]) for row in whole.member[80:]]
    assert late.member.any(axis=0).all()


def test_append_equals_one_import(store, bars, tmp_path):
    past, new = up_to(bars, 99)
    store.import_bars(raw(past))
    report = store.append(raw(new))
    assert (report.n_rows_read, report.first) == (len(new), str(days_of(new)[0]))
    assert_same(store.load(), Panel.from_long(bars))


def test_daily_appends_equal_one_import(store, bars):
    past, new = up_to(bars, 115)
    store.import_bars(raw(past))
    for _, day in new.groupby("date"):
        assert store.append(raw(day)) is not None
    assert_same(store.load(), Panel.from_long(bars))
    assert [v.operation for v in store.versions()] == ["import", *["append"] * 4]


def altered(bars, symbol, rows, factor=1.0, volume=1.0):
    """The bars with prices and volumes of some days of one asset multiplied."""
    at = bars["symbol"].eq(symbol) & bars["date"].isin(pd.DatetimeIndex(days_of(bars)[rows]))
    bars = bars.copy()
    bars.loc[at, ["open", "high", "low", "close"]] *= factor
    bars.loc[at, "volume"] *= volume
    return bars


def append_found(store, bars, row, **settings):
    """What the checks find when the days after a row are appended to those before."""
    past, new = up_to(bars, row)
    store.import_bars(raw(past), settings=QualitySettings(treatments=settings))
    report = store.append(raw(new), settings=QualitySettings(treatments=settings))
    return {finding.check: (finding.n_flagged, *finding.worst) for finding in report.findings}


def test_an_append_sees_a_run_of_equal_closes_that_began_before(store, bars):
    still = bars["symbol"].eq("S03") & bars["date"].gt(pd.Timestamp(days_of(bars)[91]))
    flat = bars.assign(**{name: bars[name].mask(still, 50.0) for name in ("open", "high", "low", "close")})
    # Eight equal closes are in the store, and twenty come: from the tenth on they are stale.
    assert append_found(store, flat, 99)["stale_price"] == (19, "S03")


def test_an_append_sees_the_start_of_a_move_that_is_taken_back(store, bars):
    # A jump with a surge of trading stands in the store as what it may be; two days of it come, and then the old level.
    print_of_bars = altered(altered(bars, "S03", range(97, 102), 1.9), "S03", range(97, 98), volume=50.0)
    assert append_found(store, print_of_bars, 99)["reverting_move"] == (2, "S03")


def test_a_stored_bad_print_that_is_taken_back_later_is_no_split(store, bars):
    """The stored days stay as they are, up and down again; the way back is not repaired a second time."""
    doubled = altered(altered(bars, "S03", range(97, 102), 2.0), "S03", range(97, 98), volume=50.0)
    past, new = up_to(doubled, 99)
    store.import_bars(raw(past))
    report = store.append(raw(new))
    (told,) = [found for found in report.findings if found.check == "stored_bar_in_doubt"]
    assert told.examples[0].startswith("reverting_move: S03")
    panel = store.load()
    close = panel.field("close")[:, panel.assets.tolist().index("S03")]
    true = bars.loc[bars["symbol"] == "S03"].sort_values("date")["close"].to_numpy()
    assert close[-1] / close[0] == pytest.approx(true[-1] / true[0])


def test_an_append_knows_how_much_is_usually_traded(store, bars):
    # Half the price overnight on five times the trading is true, also on the day after a busy one.
    crash = altered(altered(bars, "S03", range(100, 120), 0.5), "S03", range(99, 101), volume=12.0)
    assert "unadjusted_event" not in append_found(store, crash, 99)
    quiet = altered(bars, "S03", range(100, 120), 0.5)
    assert append_found(store, quiet, 99)["unadjusted_event"] == (1, "S03")


def test_an_append_sees_a_gap_since_the_last_stored_day(store, bars):
    gone = bars["symbol"].eq("S03") & bars["date"].isin(pd.DatetimeIndex(days_of(bars)[80:110]))
    assert append_found(store, bars[~gone], 99)["gap"] == (1, "S03")


def test_appending_again_changes_nothing(store, bars):
    past, new = up_to(bars, 99)
    store.import_bars(raw(past))
    store.append(raw(new))
    assert store.append(raw(new)) is None
    assert store.append(raw(new.sample(frac=1, random_state=1))) is None
    assert store.append(raw(bars)) is None
    assert store.version() == 1


def test_append_replaces_single_rows(store, bars):
    store.import_bars(raw(bars))
    row = bars.iloc[[1000]]
    assert store.append(raw(row.assign(volume=12345.0))).n_rows_kept == 1
    before, after = store.load(version=0).to_long(), store.load().to_long()
    changed = (before != after) & ~(before.isna() & after.isna())
    assert changed.to_numpy().sum() == 1
    assert after["volume"][changed["volume"]].tolist() == [12345.0]


def test_versions_say_what_was_committed_when(store, bars):
    past, new = up_to(bars, 99)
    store.import_bars(raw(past))
    store.append(raw(new))
    store.import_bars(raw(new))
    versions = store.versions()
    assert [(v.number, v.operation, v.n_rows) for v in versions] == [
        (0, "import", len(past)),
        (1, "append", len(new)),
        (2, "import", len(new)),
    ]
    assert [v.first for v in versions] == [str(days_of(part)[0]) for part in (past, new, new)]
    assert versions[0].time < versions[1].time < versions[2].time
    assert store.version() == 2
    assert len(store.quality_reports()) == 1
    assert_same(store.load(version=0), Panel.from_long(past))
    assert_same(store.load(version=1), Panel.from_long(bars))
    assert_same(store.load(), Panel.from_long(new))


def test_reports_are_those_since_the_last_import(store, bars):
    past, new = up_to(bars, 99)
    zero = past.copy()
    zero.loc[zero.index[5], "open"] = 0.0
    first, second = store.import_bars(raw(zero)), store.append(raw(new))
    assert store.quality_reports() == (first, second)
    assert second.adjustment.source == "none"
    assert [f.check for f in first.findings] == ["non_positive_price"]
    assert np.isnan(store.load().field("open")).sum() == 1 + np.isnan(store.load().field("close")).sum()


def test_reports_of_an_earlier_version_are_those_it_came_from(store, bars):
    past, new = up_to(bars, 99)
    first, second, third = store.import_bars(raw(past)), store.append(raw(new)), store.import_bars(raw(past))
    assert store.quality_reports() == (third,)
    assert store.quality_reports(1) == (first, second)
    assert store.quality_reports(0) == (first,)


@pytest.mark.parametrize("operation", ["import_bars", "append"])
def test_what_fails_leaves_the_previous_version(store, bars, operation, tmp_path):
    past, new = up_to(bars, 99)
    store.import_bars(raw(past))
    zero = new.copy()
    zero.loc[zero.index[5], "open"] = 0.0
    refuse = QualitySettings(treatments={"non_positive_price": "refuse"})
    with pytest.raises(DataError, match="1 rows fail non_positive_price"):
        getattr(store, operation)(raw(zero), settings=refuse)
    with pytest.raises(DataError, match="no bar is left after the quality checks"):
        getattr(store, operation)(raw(new.assign(close=-1.0)))
    with pytest.raises(DataError, match="does not exist"):
        getattr(store, operation)(tmp_path / "none.csv")
    assert store.version() == 0
    assert_same(store.load(), Panel.from_long(past))


def test_a_first_import_that_fails_leaves_no_store(store, bars):
    with pytest.raises(DataError, match="no bar is left"):
        store.import_bars(raw(bars.assign(close=-1.0)))
    with pytest.raises(DataError, match="there is no market store at"):
        store.version()


def test_an_appended_split_and_dividend_count_from_that_day(store, bars):
    past, new = up_to(bars, 99)
    day = days_of(new)[0]
    name = new["symbol"].iloc[0]
    plain = Panel.from_long(bars)
    split = new["symbol"].eq(name)
    prices = ["open", "high", "low", "close"]
    quoted = new.assign(split=1.0, dividend=0.0)
    quoted.loc[split, prices] = quoted.loc[split, prices] / 2
    quoted.loc[split, "volume"] *= 2
    quoted.loc[split & new["date"].eq(pd.Timestamp(day)), ["split", "dividend"]] = [2.0, 0.0]
    last = split & new["date"].eq(new["date"].max())
    quoted.loc[last, "dividend"] = 0.01 * quoted.loc[last, "close"]
    store.import_bars(raw(past))
    report = store.append(raw(quoted))
    assert (report.adjustment.n_splits, report.adjustment.n_dividends) == (1, 1)
    loaded = store.load()
    expected = plain.field("close").copy()
    expected[-1, plain.assets == name] *= 1.01
    np.testing.assert_allclose(loaded.field("close"), expected, rtol=1e-12)
    assert np.flatnonzero(loaded.field("dividend_yield").any(axis=0)).tolist() == [plain.assets.tolist().index(name)]


def test_an_appended_jump_is_seen_against_the_stored_bars(store, bars):
    past, new = up_to(bars, 118)
    store.import_bars(raw(past))
    prices = ["open", "high", "low", "close"]
    halved = new.copy()
    chosen = halved["symbol"].eq(halved["symbol"].iloc[0])
    halved.loc[chosen, prices] = halved.loc[chosen, prices] / 2
    report = store.append(raw(halved))
    assert [(f.check, f.n_flagged) for f in report.findings] == [("unadjusted_event", 1)]
    np.testing.assert_allclose(store.load().field("close"), Panel.from_long(bars).field("close"), rtol=1e-12)


def test_what_an_import_dropped_stays_out_of_appends(store, bars):
    past, new = up_to(bars, 99)
    symbol = str(past["symbol"].iloc[0])
    mine = past.index[past["symbol"] == symbol]
    # Two instruments under one symbol: every seventh close is three times the others.
    two = past.copy()
    two.loc[mine[20:70:7], ["open", "high", "low", "close"]] *= 3
    (dropped,) = store.import_bars(raw(two)).findings
    assert (dropped.check, dropped.dropped) == ("alternating_levels", (symbol,))
    left_out = store.append(raw(new)).findings[0]
    assert (left_out.check, left_out.worst) == ("dropped_before", {symbol: int((new["symbol"] == symbol).sum())})
    late = store.load().between(days_of(new)[0], days_of(new)[-1])
    assert symbol not in late.assets[~np.isnan(late.field("close")).all(axis=0)]
    with pytest.raises(DataError, match=f"an import dropped \\({symbol}\\); import the whole history again"):
        store.append(raw(new[new["symbol"] == symbol]))


def test_adj_close_alone_cannot_be_appended(store, bars):
    past, new = up_to(bars, 99)
    store.import_bars(raw(past))
    with pytest.raises(DataError, match="an adjusted close does not say what was paid on the first new day"):
        store.append(raw(new.assign(adj_close=new["close"])))


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"start": "2030-01-01"}, DataError, "holds no bars between 2030-01-01 and the last day; `quantray data info`"),
        ({"end": "1990-01-01"}, DataError, "holds no bars between the first day and 1990-01-01"),
        ({"start": "2024-12-31", "end": "2024-12-01"}, InputError, "start 2024-12-31 is after end 2024-12-01"),
        ({"start": "soon"}, InputError, "'soon' is not a date; write YYYY-MM-DD"),
        ({"fields": ["bid"]}, DataError, "field 'bid' is not one of open, high"),
        ({"version": 7}, DataError, "has no version 7; they run from 0 to 0"),
        ({"version": -1}, DataError, "has no version -1"),
        ({"universe": Symbols(("XX",))}, DataError, "1 symbols of the universe are not in the data, such as XX"),
        (
            {"universe": RankBand(30, 40)},
            DataError,
            "the universe selects nothing from 19 assets between the first day and the last",
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_load_refuses(store, bars, arguments, error, text):
    store.import_bars(raw(bars))
    with pytest.raises(error, match=text):
        store.load(**arguments)


@pytest.mark.parametrize("call", ["load", "versions", "version", "quality_reports", "append"])
def test_without_a_store_there_is_a_remedy(store, bars, call):
    arguments = (raw(bars),) if call == "append" else ()
    with pytest.raises(DataError, match=r"there is no market store at .*; run `quantray data import FILE --store"):
        getattr(store, call)(*arguments)


def test_a_place_that_cannot_be_written(tmp_path, bars):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="cannot write"):
        MarketStore(tmp_path / "file" / "market").import_bars(raw(bars))


def test_a_store_that_cannot_be_read(tmp_path):
    log = tmp_path / "market" / "_delta_log" / f"{0:020d}.json"
    log.parent.mkdir(parents=True)
    log.write_text("{damaged")
    with pytest.raises(DataError, match="market cannot be read: "):
        MarketStore(tmp_path / "market").load()


def test_an_address_that_cannot_be_reached():
    store = MarketStore("s3://bucket/market", storage_options={"aws_endpoint": "http://127.0.0.1:1", "aws_region": "x"})
    with pytest.raises(DataError, match="s3://bucket/market cannot be read: "):
        store.versions()


def test_another_table_is_no_store(tmp_path, bars):
    from deltalake import write_deltalake

    write_deltalake(str(tmp_path / "other"), pd.DataFrame({"x": [1, 2]}))
    with pytest.raises(DataError, match="is a Delta table but no market store"):
        MarketStore(tmp_path / "other").versions()


def test_examine_writes_nothing_and_says_what_an_import_would_do(store, bars):
    zero = bars.copy()
    zero.loc[zero.index[5], "open"] = 0.0
    treated, report = examine(raw(zero))
    assert report == store.import_bars(raw(zero))
    assert len(treated) == len(bars)


def test_two_readers_and_a_writer_at_once_see_whole_versions(store, bars):
    past, new = up_to(bars, 109)
    store.import_bars(raw(past))
    parts = [day for _, day in new.groupby("date")]
    steps = [past, *(bars[bars["date"] <= part["date"].iloc[0]] for part in parts)]
    whole = {Panel.from_long(step).fingerprint() for step in steps}
    start, done = threading.Barrier(3), threading.Event()
    seen: list[list[str]] = [[], []]
    failures: list[Exception] = []

    def write():
        try:
            start.wait()
            for part in parts:
                store.append(raw(part))
        except Exception as error:
            failures.append(error)
        finally:
            done.set()

    def read(mine):
        try:
            start.wait()
            while not mine or not done.is_set():
                mine.append(MarketStore(store.uri).load().fingerprint())
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write), *(threading.Thread(target=read, args=(mine,)) for mine in seen)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(seen)
    assert set(seen[0]) | set(seen[1]) <= whole
    assert_same(store.load(), Panel.from_long(bars))


def test_an_append_says_how_many_rows_it_replaced(tmp_path, market):
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("simulated",)))
    last = bars[bars["date"] == bars["date"].max()]
    changed = last.assign(close=np.where(np.arange(len(last)) < 3, (last["high"] + last["low"]) / 2, last["close"]))
    assert store.append(RawBars(changed, ("revised",))).n_rows_replaced == 3


def test_a_store_of_closes_serves_a_study(tmp_path, market):
    bars = market.panel.to_long()[["date", "symbol", "close"]]
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("closes",)))
    assert set(store.load().fields) == {"close"}
    with pytest.raises(DataError, match="a band of ranks needs volumes"):
        store.load(RankBand(1, 5))


def test_an_append_around_stored_days_has_no_gap(tmp_path, market):
    """A correction and a new day in one file: the stored day between them is no missing one."""
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    days = np.unique(bars["date"])
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars[bars["date"] < days[-1]], ("simulated",)))
    file = bars[bars["date"].isin(days[[-3, -1]])]
    report = store.append(RawBars(file, ("update",)))
    assert [finding.check for finding in report.findings if finding.check == "gap"] == []
    assert report.n_rows_kept == len(file)
    assert report.n_rows_replaced == 0
    whole = MarketStore(tmp_path / "whole")
    whole.import_bars(RawBars(bars, ("simulated",)))
    assert store.load().fingerprint() == whole.load().fingerprint()
