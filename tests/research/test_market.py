import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from quantray.data.panel import Panel
from quantray.data.quality.treatment import QualitySettings
from quantray.data.store import MarketStore
from quantray.data.universe import RankBand
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError
from quantray.research.market import MarketData, SimulatedData, StoreData, UniverseSettings, load_market
from quantray.settings import to_yaml
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.combination.settings import CombinationSettings, StrategyChoice
from quantray.studies.combination.study import load_combination
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.forecasts.settings import ForecastFolds, ForecastSettings, GraphChoice, ModelSettings
from quantray.studies.forecasts.study import load_forecasts
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios
from quantray.studies.scale.settings import ScaleSettings
from quantray.studies.scale.study import load_size
from quantray.studies.sweep.settings import SweepSettings
from quantray.studies.sweep.study import load_sweep
from quantray.studies.tuning.settings import TuningSettings
from quantray.studies.tuning.study import load_tuning


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


def test_members_are_counted_on_the_days_that_were_tested(make_panel):
    member = np.ones((6, 3), dtype=np.bool_)
    member[4, 1:] = False
    panel = make_panel(np.ones((6, 3)), member)
    sample = MarketData(SimulatedData(), panel, "", {}, ()).sample(panel.dates[[2, 4]])
    assert sample.names == "3 names, 2 members on an average day"
    assert sample.facts == {"first": "2020-01-03", "last": "2020-01-07", "n_assets": 3, "mean_members": 2.0}


@pytest.fixture(scope="module")
def open_always(tmp_path_factory):
    """A store of a market that never closes."""
    store = MarketStore(tmp_path_factory.mktemp("open") / "market")
    store.import_bars(RawBars(every_day(400), ("simulated",)), settings=QualitySettings(exchange="24/7"))
    return store


def every_day(n_days):
    days = pd.date_range("2020-01-01", periods=n_days)
    close = 100 * np.exp(np.random.default_rng(0).normal(0, 0.02, n_days).cumsum())
    return pd.DataFrame({"date": days.astype("datetime64[s]"), "symbol": "COIN", "close": close, "volume": 1e6})


def test_data_keep_the_calendar_of_their_store(store, open_always):
    found = load_market(StoreData(store=open_always.uri), None, ("close",))
    assert (found.exchange, found.panel.periods_per_year, len(found.panel.dates)) == ("24/7", 365, 400)
    assert load_market(StoreData(store=open_always.uri), "24/7", ("close",)).exchange == "24/7"
    usual = load_market(StoreData(store=store.uri), None, ("close",))
    assert (usual.exchange, usual.panel.periods_per_year) == ("XNYS", 252)
    assert load_market(SimulatedData(n_assets=5, n_days=300), None, ("close",)).exchange == "XNYS"


def test_a_version_has_the_calendar_that_it_was_imported_on(tmp_path):
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(every_day(100), ("first",)), settings=QualitySettings(exchange="24/7"))
    other = QualitySettings(exchange="XNYS", treatments={"calendar_mismatch": "drop_row"})
    store.import_bars(RawBars(every_day(100), ("second",)), settings=other)
    data = StoreData(store=store.uri)
    found = [load_market(data.model_copy(update={"version": v}), None, ("close",)) for v in (0, 1, None)]
    assert [one.exchange for one in found] == ["24/7", "XNYS", "XNYS"]
    assert [one.panel.periods_per_year for one in found] == [365, 252, 252]


def test_weekly_bars_have_52_periods(tmp_path):
    weekly = every_day(7 * 300).iloc[2::7]
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(weekly, ("weekly",)), settings=QualitySettings(exchange="24/7", bars="weekly"))
    assert store.quality_reports()[0].bars == "weekly"
    panel = store.load(start="2022-01-01")
    assert panel.periods_per_year == 52
    # A band of ranks looks back over weeks, of which a start leaves enough before it.
    banded = store.load(RankBand(1, 1), start="2022-09-01")
    assert banded.member.all()


@pytest.mark.parametrize("exchange", ["XNYS", "XLON"])
def test_another_calendar_than_the_stores_is_refused(open_always, exchange):
    with pytest.raises(InputError, match=f"settings say exchange {exchange}, but .* was imported on the calendar 24/7"):
        load_market(StoreData(store=open_always.uri), exchange, ("close",))


def test_a_simulated_market_has_one_calendar():
    with pytest.raises(InputError, match="settings say exchange 24/7, but a simulated market keeps the calendar XNYS"):
        load_market(SimulatedData(n_assets=5, n_days=300), "24/7", ("close",))


def kept(**delist):
    close = np.ones((40, 4))
    close[20:, 0] = close[20:, 1] = np.nan  # gone
    close[35:, 2] = np.nan  # too late to say
    fields = {"close": close}
    if delist:
        fields["delist_return"] = np.full(close.shape, np.nan)
        fields["delist_return"][19, 1] = -0.5
    dates = np.datetime64("2020-01-01") + np.arange(40)
    return MarketData(SimulatedData(), Panel(dates, np.array(list("ABCD")), fields, ~np.isnan(close)), "", {}, ())


def test_what_is_known_of_delistings_in_words():
    with_one, without = kept(known=True).delistings, kept().delistings
    assert with_one == "Names that stop trading: 2, of which 1 with their delisting return and 1 at their last close."
    assert without == "Names that stop trading: 2, of which 0 with their delisting return and 2 at their last close."
    assert load_market(SimulatedData(n_assets=3, n_days=300), None, ("close",)).delistings == "No name stops trading."


def test_bars_as_they_were_known(tmp_path, market, capsys):
    bars = market.panel.to_long()[["date", "symbol", "close", "volume"]]
    store = MarketStore(tmp_path / "market")
    store.import_bars(RawBars(bars, ("first",)))
    late = bars[bars["symbol"] == market.panel.assets[3]].tail(1)
    store.append(RawBars(late.assign(close=late["close"] * 1.05), ("correction",)))
    now = load_market(StoreData(store=store.uri), None, ("close",))
    then = load_market(StoreData(store=store.uri, as_known=True), None, ("close",))
    changed = now.panel.field("close") != then.panel.field("close")
    changed &= ~np.isnan(now.panel.field("close"))
    assert int(changed.sum()) == 1
    assert then.settings.version == 1
    assert "bars as first known; values that were different when first known: 1 corrected" in then.description
    assert "bars as first known" in capsys.readouterr().err
    assert "first known" not in now.description


def test_members_without_data_are_named_in_the_run(store, market, tmp_path, capsys):
    path = tmp_path / "members.csv"
    path.write_text(f"symbol,start,end\n{market.panel.assets[0]},1990-01-01,\nNOWHERE,1990-01-01,\n")
    found = load_market(StoreData(store=store.uri, universe=UniverseSettings(members=str(path))), None, ("close",))
    assert found.description.endswith("1 of 2 members have no data: NOWHERE")
    assert "1 of 2 members have no data: NOWHERE" in capsys.readouterr().err


NAMES, DAYS = 30, 560
MODEL = ModelSettings(name="GAT", width=8, layers=1, heads=2, graph=GraphChoice(k=3, window=60))
FOLDS = ForecastFolds(train_days=100, valid_days=20, test_days=60, warm_up_days=100)
ALLOCATOR = AllocatorSettings(name="EW", rule="equal_weight")


@pytest.fixture(scope="module")
def never_closed(tmp_path_factory):
    """Data settings of a store of names that trade every day."""
    returns = np.random.default_rng(1).normal(0, 0.02, (DAYS, NAMES))
    close = 100 * np.exp(np.cumsum(returns, axis=0))
    dates = np.datetime64("2020-01-01") + np.arange(DAYS)
    fields = {"close": close, "high": close * 1.01, "low": close * 0.99, "volume": np.full(close.shape, 1e6)}
    bars = Panel(dates, np.array([f"C{i}" for i in range(NAMES)]), fields, ~np.isnan(close)).to_long()
    store = MarketStore(tmp_path_factory.mktemp("coins") / "market")
    store.import_bars(RawBars(bars.drop(columns="member"), ("coins",)), settings=QualitySettings(exchange="24/7"))
    return StoreData(store=store.uri)


def portfolios(data, folder, **change):
    folds = FoldSettings(lookback_days=60, test_days=63)
    study = PortfolioSettings(
        name="s", data=data, allocators=(ALLOCATOR,), benchmark="EW", folds=folds, runs=str(folder), **change
    )
    return load_portfolios(study)


def forecasts(data, folder, **change):
    return load_forecasts(
        ForecastSettings(name="s", data=data, models=(MODEL,), folds=FOLDS, runs=str(folder), **change)
    )


def sizes(data, folder, **change):
    return load_size(
        ScaleSettings(name="s", data=data, sizes=(20, 30), models=(MODEL,), folds=FOLDS, runs=str(folder), **change), 20
    )


def sweeps(data, folder, **change):
    regimes = RegimeChoice(method="volatility")
    return load_sweep(SweepSettings(name="s", data=data, regimes=regimes, runs=str(folder), **change))


def combinations(data, folder, **change):
    strategies = (StrategyChoice(entry=next(iter(CATALOGUE)), count=2),)
    return load_combination(CombinationSettings(name="s", data=data, strategies=strategies, runs=str(folder), **change))


def tunings(data, folder, **change):
    study = PortfolioSettings(
        name="s",
        data=data,
        allocators=(ALLOCATOR,),
        benchmark="EW",
        folds=FoldSettings(lookback_days=60, test_days=63),
        **change,
    )
    path = folder / "study.yaml"
    path.write_text(to_yaml(study))
    target = {"study": str(path), "subject": "EW"}
    space = {"folds.lookback_days": {"kind": "integers", "low": 60, "high": 80}}
    return load_tuning(
        TuningSettings(name="t", target=target, space=space, held_out=1, runs=str(folder))
    ).prepared.source


KINDS = [portfolios, forecasts, sizes, sweeps, combinations, tunings]


@pytest.mark.parametrize("load", KINDS)
def test_every_kind_of_study_takes_the_calendar_of_its_store(load, never_closed, tmp_path):
    source = load(never_closed, tmp_path)
    assert (source.settings.exchange, source.data.panel.periods_per_year) == ("24/7", 365)
    assert source.settings == load(never_closed, tmp_path, exchange="24/7").settings


@pytest.mark.parametrize("load", KINDS)
def test_every_kind_of_study_refuses_another_calendar(load, never_closed, tmp_path):
    with pytest.raises(InputError, match="leave exchange out of the settings"):
        load(never_closed, tmp_path, exchange="XNYS")


def test_a_universe_of_ones_own(store):
    own = UniverseSettings(rule="own_universes:traded", parameters={"least": 1e7}, history_days=10, fields=("volume",))
    found = load_market(StoreData(store=store.uri, universe=own), "XNYS", ("close", "volume")).panel
    assert_array_equal(found.member, found.field("close") * found.field("volume") > 1e7)
    assert UniverseSettings.model_validate(own.model_dump(mode="json")) == own
    assert "rule" not in UniverseSettings(band=(1, 20)).model_dump()
    with pytest.raises(ValueError, match="give one of preset, band, members, symbols and rule, not band and rule"):
        UniverseSettings(band=(1, 20), rule="a:b")
    with pytest.raises(ValueError, match="parameters and fields need a rule of your own"):
        UniverseSettings(parameters={"x": 1}, fields=("volume",))
