import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.data.importing import RawBars
from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.errors import DataError
from quantray.research.config import SimulatedData, StoreData, UniverseSettings
from quantray.research.loading import MarketData, load_market


@pytest.fixture(scope="module")
def store(tmp_path_factory, market):
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    store = MarketStore(tmp_path_factory.mktemp("loading") / "market")
    store.import_bars(RawBars(bars, ("simulated",)))
    return store


@pytest.fixture(scope="module")
def sectors(tmp_path_factory, market):
    path = tmp_path_factory.mktemp("sectors") / "sectors.csv"
    lines = [f"{name},{'Odd' if i % 2 else 'Even'}" for i, name in enumerate(market.panel.assets[:10])]
    path.write_text("\n".join(["symbol,sector", *lines]))
    return str(path)


def test_a_simulated_market_has_its_sectors_and_the_fields_asked_for():
    found = load_market(SimulatedData(n_assets=20, n_days=300, seed=5), "XNYS", ("close", "volume", "nothing"))
    assert list(found.panel.fields) == ["close", "volume"]
    assert set(found.sectors) == set(found.panel.assets.tolist())
    assert (found.description, found.quality) == ("simulated market, seed 5", ())


def test_a_signal_is_planted_where_asked_for():
    plain, planted, again = (
        load_market(SimulatedData(n_assets=20, n_days=300, seed=5, planted_signal=s), "XNYS", ("close",)).panel
        for s in (0.0, 0.5, 0.5)
    )
    assert planted.fingerprint() == again.fingerprint() != plain.fingerprint()


def test_a_store_fills_in_its_version(store, market):
    found = load_market(StoreData(store=store.uri, universe=UniverseSettings(band=(1, 20))), "XNYS", ("close",))
    assert found.settings.version == 0
    assert found.description == f"market store {store.uri}, version 0"
    assert list(found.panel.fields) == ["close"]
    assert found.panel.member.sum(axis=1).max() <= 20
    assert (found.sectors, len(found.quality)) == ({}, 1)
    assert_array_equal(found.panel.dates, market.panel.dates)
    with pytest.raises(DataError, match="has no version 9"):
        load_market(StoreData(store=store.uri, version=9), "XNYS", ("close",))


def test_dates_are_cut(store, market):
    start, end = (market.panel.dates[row].item() for row in (100, 199))
    found = load_market(StoreData(store=store.uri, start=start, end=end), "XNYS", ("close",))
    assert_array_equal(found.panel.dates, market.panel.dates[100:200])


def test_names_without_a_sector_can_be_left_out(store, sectors, market):
    everything = load_market(StoreData(store=store.uri, sectors=sectors), "XNYS", ("close",))
    assert everything.panel.shape[1] == 60
    assert (len(everything.sectors), set(everything.sectors.values())) == (10, {"Odd", "Even"})
    only = load_market(StoreData(store=store.uri, sectors=sectors, only_with_sector=True), "XNYS", ("close",))
    assert_array_equal(only.panel.assets[only.panel.member.any(axis=0)], market.panel.assets[:10])


def test_yearly_exits_are_names_whose_prices_end():
    close = np.ones((504, 8))
    close[300:, 0] = np.nan  # ended
    close[100:110, 1] = np.nan  # came back
    close[490:, 2] = np.nan  # too late to say
    close[:, 3] = np.nan  # never there
    dates = np.datetime64("2020-01-01") + np.arange(504)
    panel = Panel(dates, np.array([f"S{i}" for i in range(8)]), {"close": close}, ~np.isnan(close))
    # One of eight in two years.
    assert MarketData(SimulatedData(), panel, "", {}, ()).yearly_exits == pytest.approx(1 / 16)
