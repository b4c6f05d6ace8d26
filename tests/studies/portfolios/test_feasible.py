"""Settings that cannot work with their data are refused when the data are loaded: no unit of work is computed."""

import numpy as np
import pytest

from quantray.data.panel import Panel
from quantray.data.store import MarketStore
from quantray.data.vendors.importing import RawBars
from quantray.errors import DataError, InputError
from quantray.research.market import SimulatedData, StoreData, UniverseSettings
from quantray.studies.combination.settings import CombinationSettings, StrategyChoice
from quantray.studies.combination.study import load_combination
from quantray.studies.forecasts.settings import GraphChoice
from quantray.studies.forecasts.store import ForecastStore
from quantray.studies.forecasts.study import load_forecasts
from quantray.studies.portfolios.alpha_settings import AlphaSettings, ForecastChoice
from quantray.studies.portfolios.feasible import check_portfolios
from quantray.studies.portfolios.settings import AllocatorSettings, FoldSettings, PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios
from quantray.studies.portfolios.trial import eligible, study_trials
from quantray.studies.scale.study import load_scale


def study(folder, *allocators, **changes):
    values = {
        "name": "small",
        "data": SimulatedData(n_assets=30, n_days=400, seed=1),
        "allocators": (AllocatorSettings(name="Equal weight", rule="equal_weight"), *allocators),
        "benchmark": "Equal weight",
        "folds": FoldSettings(lookback_days=120, test_days=63),
        "runs": str(folder),
    }
    return PortfolioSettings(**(values | changes))


def capped(max_weight, **changes):
    return AllocatorSettings(
        name="Calm", rule="minimum_variance", estimator="statistical", max_weight=max_weight, **changes
    )


def on_forecasts(**changes):
    alpha = AlphaSettings(forecasts=ForecastChoice(model="GAT"), **changes)
    return AllocatorSettings(name="MV", rule="mean_variance", estimator="statistical", alpha=alpha)


def test_a_cap_that_leaves_money_over_names_the_thinnest_date(tmp_path):
    settings = study(tmp_path, capped(0.5))
    source = load_portfolios(settings)
    trials = study_trials(settings, source.panel)["Calm"]
    counts = {
        date: len(eligible(trial.history(source.panel), trial.history(source.panel).row(date), trial).columns)
        for trial in trials
        for date in trial.decision_dates(source.panel.dates)
    }
    fewest = min(counts.values())
    first = next(date for date, count in counts.items() if count == fewest)
    assert fewest < max(counts.values())
    load_portfolios(study(tmp_path, capped(1 / fewest)))
    text = rf"Calm: max_weight 0.03 invests at most {0.03 * fewest:.0%} in {fewest} names on {first}; raise it to"
    with pytest.raises(InputError, match=text):
        load_portfolios(study(tmp_path, capped(0.03)))
    assert not list(tmp_path.iterdir())


def test_more_factors_than_names_or_days_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"Calm: n_factors 40 exceeds the \d\d names or 120 days of returns on 20"):
        load_portfolios(study(tmp_path, capped(1.0, n_factors=40)))


def test_a_date_on_which_nobody_qualifies_is_refused(tmp_path):
    with pytest.raises(DataError, match="no member on .* has 90% of 120 days"):
        load_portfolios(study(tmp_path, min_volatility=0.9))


def test_histories_that_grow_are_counted_from_their_start(tmp_path):
    folds = FoldSettings(kind="expanding", lookback_days=120, test_days=63)
    source = load_portfolios(study(tmp_path, folds=folds))
    panel = source.panel
    gone = np.where(np.arange(len(panel.dates))[:, None] > 300, np.nan, panel.field("close"))
    late = Panel(panel.dates, panel.assets, {"close": gone}, panel.member & ~np.isnan(gone))
    with pytest.raises(DataError, match="no member on"):
        check_portfolios(late, study_trials(source.settings, late), str(tmp_path))


def test_forecasts_that_are_not_there_are_missed_at_once(tmp_path):
    store = ForecastStore(tmp_path / "forecasts")
    days = np.array(["1999-01-04", "1999-01-05"], dtype="datetime64[D]")
    store.write("LSTM", days, np.array(["A", "B"]), np.ones((2, 2)))
    with pytest.raises(DataError, match="has no forecasts of 'GAT'; it has LSTM"):
        load_portfolios(study(tmp_path, on_forecasts()))
    store.write("GAT", days, np.array(["A", "B"]), np.ones((2, 2)))
    with pytest.raises(DataError, match=r"MV: no forecast of GAT \(1999-01-04..1999-01-05\) is on one of \d+ decision"):
        load_portfolios(study(tmp_path, on_forecasts()))


def test_a_neutral_mandate_needs_volumes(tmp_path):
    settings = study(tmp_path)
    panel = load_portfolios(settings).panel
    bare = Panel(panel.dates, panel.assets, {"close": panel.field("close")}, panel.member)
    with pytest.raises(DataError, match="MV: market_neutral needs volumes"):
        check_portfolios(
            bare, study_trials(study(tmp_path, on_forecasts(mandate="market_neutral")), bare), str(tmp_path)
        )


def test_too_few_names_to_judge_forecasts(tmp_path, forecast_settings):
    few = forecast_settings(tmp_path, data=SimulatedData(n_assets=9, n_days=400, seed=3))
    with pytest.raises(InputError, match=r"\d names are members on a typical test date, and .* takes 10; widen"):
        load_forecasts(few)


def test_a_sector_graph_without_sectors(tmp_path, market, forecast_settings, network):
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    MarketStore(tmp_path / "market").import_bars(RawBars(bars, ("simulated",)))
    model = network("Sectors", graph=GraphChoice(kind="sector"))
    data = StoreData(store=str(tmp_path / "market"))
    with pytest.raises(InputError, match="Sectors: a sector graph needs sectors; set data.sectors"):
        load_forecasts(forecast_settings(tmp_path, data=data, models=(model,)))


def test_bands_beyond_the_data_are_said_or_refused(tmp_path, market, capsys):
    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    MarketStore(tmp_path / "market").import_bars(RawBars(bars, ("simulated",)))

    def among(first, last):
        return StoreData(store=str(tmp_path / "market"), universe=UniverseSettings(band=(first, last)))

    load_portfolios(study(tmp_path, data=among(1, 20)))
    assert "ranks" not in capsys.readouterr().err
    load_portfolios(study(tmp_path, data=among(11, 500)))
    assert "ranks 11 to 500 are 490 names, of which the data hold" in capsys.readouterr().err
    with pytest.raises(DataError, match="the universe selects nothing from 60 assets"):
        load_portfolios(study(tmp_path, data=among(501, 900)))


def test_sizes_beyond_the_data(tmp_path, market, network):
    from quantray.studies.forecasts.settings import ForecastFolds
    from quantray.studies.scale.settings import ScaleSettings

    bars = market.panel.to_long()[["date", "symbol", "open", "high", "low", "close", "volume"]]
    MarketStore(tmp_path / "market").import_bars(RawBars(bars, ("simulated",)))
    settings = ScaleSettings(
        name="sizes",
        data=StoreData(store=str(tmp_path / "market")),
        sizes=(20, 100, 2000),
        models=(network(),),
        folds=ForecastFolds(train_days=120, valid_days=20, test_days=40, horizon=1, warm_up_days=130),
        runs=str(tmp_path / "runs"),
    )
    with pytest.raises(InputError, match=r"size 2,000 adds no name: the data hold \d\d at most"):
        load_scale(settings)
    assert not (tmp_path / "runs").exists()


def test_combinations_that_cannot_be_are_refused_with_their_data(tmp_path):
    data = SimulatedData(n_assets=10, n_days=300, seed=1)
    many = CombinationSettings(name="x", data=data, strategies=(StrategyChoice(entry="pairs", count=100_000),))
    with pytest.raises(InputError, match="pairs has only"):
        load_combination(many)
    few = CombinationSettings(name="x", data=data, strategies=(StrategyChoice(entry="pairs", count=2),))
    with pytest.raises(InputError, match="300 days hold no monthly rebalance after 252 days of warm-up"):
        load_combination(few)
