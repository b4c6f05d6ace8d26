import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.store import MarketStore
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError
from quantray.studies.forecasts.store import Forecasts, ForecastStore

DATES = np.array(["2024-01-02", "2024-01-03", "2024-01-04"], dtype="datetime64[D]")
ASSETS = np.array(["B", "A", "C"])
VALUES = np.array([[1.0, 2.0, np.nan], [np.nan, -1.0, np.nan], [0.5, 0.0, np.nan]])


@pytest.fixture
def store(tmp_path):
    return ForecastStore(tmp_path / "forecasts")


def test_what_goes_in_comes_out_by_date_and_symbol(store):
    assert store.write("gat", DATES, ASSETS, VALUES, {"seed": "3"}) == 0
    found = store.load("gat")
    assert_array_equal(found.dates, DATES)
    # Nothing is known of C, so it does not come back.
    assert found.assets.tolist() == ["A", "B"]
    assert_array_equal(found.values, VALUES[:, [1, 0]])
    assert (found.model, found.version, found.notes) == ("gat", 0, {"seed": "3"})
    assert not found.values.flags.writeable
    assert repr(store) == f"ForecastStore({store.uri!r})"


def test_a_write_replaces_the_model_and_leaves_others_and_old_versions(store):
    store.write("gat", DATES, ASSETS, VALUES, {"fit": "first"})
    store.write("ridge", DATES, ASSETS, -VALUES)
    assert store.write("gat", DATES[1:], ASSETS[:2], VALUES[1:, :2] * 3, {"fit": "second"}) == 2
    assert store.models() == ("gat", "ridge")
    assert store.models(0) == ("gat",)
    new = store.load("gat")
    assert_array_equal(new.dates, DATES[1:])
    assert_array_equal(new.values, VALUES[1:, [1, 0]] * 3)
    assert new.notes == {"fit": "second"}
    old = store.load("gat", version=1)
    assert_array_equal(old.values, VALUES[:, [1, 0]])
    assert (old.version, old.notes) == (1, {"fit": "first"})
    assert_array_equal(store.load("ridge").values, -VALUES[:, [1, 0]])


def test_versions_say_what_was_written(store):
    store.write("gat", DATES, ASSETS, VALUES, {"seed": "3"})
    store.write("GAT v.2", DATES[:2], ASSETS, VALUES[:2])
    first, second = store.versions()
    assert (first.number, first.model, first.first, first.last) == (0, "gat", "2024-01-02", "2024-01-04")
    assert (first.n_rows, first.notes, second.notes) == (5, {"seed": "3"}, {})
    assert (second.number, second.model, second.last, second.n_rows) == (1, "GAT v.2", "2024-01-03", 3)
    assert second.time >= first.time
    assert store.version() == 1


def test_scores_of_a_day_in_any_order_of_assets():
    found = Forecasts("x", DATES, ASSETS, VALUES)
    assert_array_equal(found.on(DATES[0], np.array(["C", "A", "ZZ", "B"])), [np.nan, 2.0, np.nan, 1.0])
    assert_array_equal(found.on(np.datetime64("2024-01-05"), ASSETS), [np.nan] * 3)
    assert_array_equal(found.on(np.datetime64("2023-12-29"), ASSETS), [np.nan] * 3)
    nothing = Forecasts("x", DATES, np.array([], dtype=np.str_), np.empty((3, 0)))
    assert_array_equal(nothing.on(DATES[0], ASSETS), [np.nan] * 3)


def test_many_scores_survive_the_round_trip(store):
    rng = np.random.default_rng(4)
    dates = np.arange("2020-01-01", "2020-07-01", dtype="datetime64[D]")
    assets = np.array([f"S{i:03d}" for i in range(120)])
    values = np.where(rng.random((len(dates), 120)) < 0.2, np.nan, rng.normal(size=(len(dates), 120)))
    order = rng.permutation(120)
    store.write("m", dates, assets[order], values[:, order])
    assert_array_equal(store.load("m").values, values)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"model": "gat' OR '1'='1"}, "model name .* must be letters"),
        ({"model": ""}, "model name '' must be letters"),
        ({"values": VALUES[:2]}, r"forecasts are \(2, 3\) for 3 dates and 3 assets"),
        ({"dates": DATES[::-1]}, "not strictly increasing"),
        ({"assets": np.array(["A", "A", "B"])}, "names of forecasts repeat"),
        ({"values": np.where(np.isnan(VALUES), np.inf, VALUES)}, "4 forecasts are infinite"),
    ],
)
def test_what_are_no_forecasts_is_refused(store, changes, text):
    given = {"model": "gat", "dates": DATES, "assets": ASSETS, "values": VALUES} | changes
    with pytest.raises(InputError, match=text):
        store.write(**given)


def test_what_is_not_there_is_named(store, tmp_path):
    with pytest.raises(DataError, match="there is no forecast store at .*forecasts; write forecasts"):
        store.load("gat")
    with pytest.raises(DataError, match="all 9 scores of gat are NaN"):
        store.write("gat", DATES, ASSETS, VALUES * np.nan)
    store.write("gat", DATES, ASSETS, VALUES)
    with pytest.raises(DataError, match="version 0 has no forecasts of 'gta'; it has gat"):
        store.load("gta")
    with pytest.raises(DataError, match="has no version 7; they run from 0 to 0"):
        store.load("gat", version=7)
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match=r"cannot write|cannot be read"):
        ForecastStore(tmp_path / "file").write("gat", DATES, ASSETS, VALUES)


def test_a_market_store_is_no_forecast_store(tmp_path, market):
    bars = market.panel.select(market.panel.assets[:3]).to_long()[["date", "symbol", "close"]]
    MarketStore(tmp_path / "market").import_bars(RawBars(bars, ("simulated",)))
    for call in (lambda s: s.load("gat"), lambda s: s.versions(), lambda s: s.write("gat", DATES, ASSETS, VALUES)):
        with pytest.raises(
            DataError, match="is a Delta table but no forecast store at version 0; choose an empty folder"
        ):
            call(ForecastStore(tmp_path / "market"))
