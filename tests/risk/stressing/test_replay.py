from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from mixed_book import changes_of_drivers, mixed_book
from numpy.testing import assert_allclose
from share_market import share_market, share_model, shares

from quantray.covariance.factor import FactorModel, statistical_factors
from quantray.errors import InputError
from quantray.risk.positions.holdings import Holdings
from quantray.risk.positions.market import Market
from quantray.risk.positions.pricing import revalue
from quantray.risk.stressing.replay import CRISES, History, replay

DAYS = np.datetime64("2008-09-01") + np.arange(4)


def history(**changed):
    returns = np.array([[0.01, 0, 0, 0], [-0.1, -0.2, -0.1, 0.1], [-0.1, -0.2, 0.2, 0], [0.05, 0.1, 0, 0]])
    return History(**({"dates": DAYS, "drivers": ["A", "B", "C", "D"], "changes": returns} | changed))


def test_hand_computed_replay():
    found = replay(shares([0.5, 0.5]), share_market(), history(), DAYS[0], DAYS[2])
    assert_allclose(found.path, [0.15, 0.5 * (1 - 0.81) + 0.5 * (1 - 0.64)])
    assert_allclose(found.result.by_position, [0.095, 0.18])
    assert_allclose(found.result.loss, found.path[-1])
    assert found.dates.tolist() == DAYS[1:3].tolist()
    assert found.worst == found.path[-1]
    longer = replay(shares([0.5, 0.5]), share_market(), history(), DAYS[0], DAYS[3])
    assert longer.worst_date == DAYS[2]
    assert longer.result.loss < longer.worst


def test_drivers_without_history_follow_the_model_and_are_named():
    known = history(drivers=["A", "C", "Z", "D"])
    book = shares([0.5, 0.5])
    with pytest.raises(InputError, match="B have no changes on some days"):
        replay(book, share_market(), known, DAYS[0], DAYS[2])
    found = replay(book, share_market(), known, DAYS[0], DAYS[2], model=share_model())
    assert found.by_model == ("B",)
    assert found.result.notes == ("moved by the risk model, without history: B",)
    # B is twice the market, which fell.
    assert found.result.by_position[1] > 0.1
    # B has no risk of its own, so it tells all of the market where it is known.
    whole = replay(book, share_market(), history(), DAYS[0], DAYS[2], model=share_model())
    assert_allclose(whole.result.by_factor.losses[0], 0.2 * 0.5 + 0.2 * 1.0, rtol=1e-3)
    assert_allclose(whole.result.by_factor.losses.sum(), whole.result.loss)


def test_single_missing_days_are_filled_and_counted():
    returns = history().changes.copy()
    returns[1, 0] = returns[2, 3] = np.nan
    found = replay(
        shares([0.5, 0, 0, 0.5]), share_market(), history(changes=returns), DAYS[0], DAYS[2], model=share_model()
    )
    assert found.partly == ("A", "D")
    assert found.by_model == ()
    assert found.result.notes == (
        "moved by the risk model on 2 days in all: A, D",
        "no factor moves them, so they stayed: D",
    )


def test_a_replay_of_the_markets_own_past_revalues_the_book():
    holdings, market = mixed_book()
    found = replay(holdings, market, History.of_market(market), market.dates[0], market.dates[20])
    past = market.changes[1:21]
    total = np.where(market.absolute, past.sum(axis=0), np.prod(1 + past, axis=0) - 1)
    assert_allclose(found.result.by_position, -revalue(holdings, market, total))
    assert_allclose(found.path[-1], found.result.loss)
    assert found.result.by_factor is None


def test_changes_of_levels():
    levels = np.array([[np.nan, 2.0], [10, np.nan], [np.nan, 2.5], [11, np.nan]])
    found = History.of_levels(DAYS, ["price", "yield"], levels, [False, True])
    assert_allclose(found.changes, [[np.nan, np.nan], [np.nan, 0], [0, 0.5], [0.1, np.nan]])


def test_changes_of_a_panel_are_returns(make_panel):
    panel = make_panel(np.array([[10.0, 5], [11, 4], [11, 6]]), open=np.array([[8.0, 5], [4, 5], [4, 5]]))
    found = History.of_panel(panel)
    assert found.dates.tolist() == panel.dates.tolist()
    assert found.drivers.tolist() == panel.assets.tolist()
    assert_allclose(found.changes, [[np.nan, np.nan], [0.1, -0.2], [0, 0.5]])
    assert_allclose(History.of_panel(panel, "open").changes[1:], [[-0.5, 0], [0, 0]])


def test_histories_are_joined_on_the_days_of_the_first():
    other = History(DAYS[1:], ["oil", "A"], np.array([[0.1, 9], [0.2, 9], [0.3, 9]]))
    both = history(dates=DAYS[[0, 1, 3]], changes=history().changes[[0, 1, 3]]).with_drivers(other)
    assert both.drivers.tolist() == ["A", "B", "C", "D", "oil"]
    assert_allclose(both.changes[:, 4], [np.nan, 0.1, 0.3])
    assert_allclose(both.changes[:, 0], history().changes[[0, 1, 3], 0])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"drivers": ["A"]}, r"changes are \(4, 4\) for 4 dates and 1 drivers"),
        ({"dates": DAYS[::-1]}, "increasing dates and each driver once"),
        ({"dates": DAYS[[0, 1, 1, 2]]}, "increasing dates and each driver once"),
        ({"drivers": ["A", "A", "B", "C"]}, "increasing dates and each driver once"),
    ],
)
def test_what_is_no_history_is_refused(changed, said):
    with pytest.raises(InputError, match=said):
        history(**changed)


def test_a_window_without_days_is_refused():
    with pytest.raises(InputError, match="2008-09-01 to 2008-09-04, has no changes from 2001-01-01 to 2001-02-01"):
        replay(shares([1.0]), share_market(), history(), "2001-01-01", "2001-02-01")


def test_the_model_predicts_what_is_left_out_of_a_planted_crisis():
    """Half of forty shares lose their past: the book's replay through the model is near the true one."""
    generator = np.random.default_rng(3)
    loadings = generator.normal(1, 0.3, (40, 1))
    model = FactorModel(loadings, np.array([[1e-4]]), np.full(40, 1e-5))
    days = np.datetime64("2008-01-01") + np.arange(21)
    returns = generator.normal(-0.01, 0.003, (21, 1)) * loadings.T + generator.normal(0, 0.003, (21, 40))
    names = np.array([f"S{i:02d}" for i in range(40)])
    market = Market(days[-1], names, np.ones(40), [], np.zeros((0, 40)))
    book = Holdings.of_weights(names, np.full(40, 1 / 40), np.ones(40))
    whole = replay(book, market, History(days, names, returns), days[0], days[-1])
    half = replay(book, market, History(days, names[:20], returns[:, :20]), days[0], days[-1], model=model)
    assert len(half.by_model) == 20
    assert abs(half.result.loss - whole.result.loss) < 0.01 < 0.1 < whole.result.loss


def _prices(folder, windows):
    """Levels around some windows, which are a quarter of all."""
    around = [
        [("date", ">=", (np.datetime64(start) - 10).item()), ("date", "<=", np.datetime64(end).item())]
        for start, end in windows
    ]
    bars = pd.read_parquet(
        folder / "sp500_1999_2021.parquet", columns=["date", "symbol", "adj_close"], filters=around
    ).dropna(subset=["symbol"])
    return bars.pivot_table(index="date", columns="symbol", values="adj_close").astype(float)


@pytest.mark.real
@pytest.mark.slow
def test_crises_of_the_sp500_members(real_data):
    today = np.datetime64("2020-02-19")
    close = _prices(real_data, [*CRISES.values(), (today - 730, today)])
    dates, names = close.index.to_numpy().astype("datetime64[D]"), close.columns.to_numpy().astype(str)
    past = History.of_levels(dates, names, close.to_numpy())
    rows = (dates <= today) & (dates > today - 730)
    alive = np.isfinite(past.changes[rows]).all(axis=0)
    model = statistical_factors(past.changes[rows][:, alive], 10)
    n = int(alive.sum())
    market = Market(today, names[alive], np.ones(n), dates[rows], past.changes[rows][:, alive])
    book = Holdings.of_weights(names[alive], np.full(n, 1 / n), np.ones(n))
    losses = {name: replay(book, market, past, *window, model=model) for name, window in CRISES.items()}
    assert 0.35 < losses["March 2020"].result.loss < 0.42
    assert 0.40 < losses["autumn 2008"].result.loss < 0.50
    # Survivors in equal weights rose through 2000-02, while technology fell.
    assert losses["dot-com crash"].result.loss < 0.1
    assert len(losses["March 2020"].by_model) == 0 < len(losses["autumn 2008"].by_model) < 80
    assert "MSFT" not in losses["dot-com crash"].by_model
    assert "FB" in losses["autumn 2008"].by_model


@pytest.mark.real
def test_oil_yields_and_indices_are_drivers(real_data):
    frame = pd.read_parquet(real_data / "markets.parquet")
    wanted = ["sp500 close", "nasdaq close", "wti spot", "moody baa yield"]
    levels = frame[frame["series"].isin(wanted)].pivot_table(index="date", columns="series", values="value")[wanted]
    levels = levels.loc["2007":"2009"]
    levels["moody baa yield"] /= 100
    dates = levels.index.to_numpy().astype("datetime64[D]")
    past = History.of_levels(dates, wanted, levels.to_numpy(), [False, False, False, True])
    holdings, market = mixed_book()
    # The index is the S&P 500, the bond's yield Moody's BAA.
    renamed = {"index": "sp500 close", "10 years": "moody baa yield", "share": "nasdaq close", "foreign": "wti spot"}
    drivers = np.array([renamed.get(name, name) for name in market.drivers.tolist()])
    moved = np.array([renamed.get(name, name) for name in holdings.drivers.tolist()])
    bonds = replace(holdings.bonds, yields=np.array(["moody baa yield"]))
    book = replace(holdings, drivers=moved, bonds=bonds)
    changes = changes_of_drivers(60, 0.01)
    market = replace(market, drivers=drivers, changes=changes)
    model = statistical_factors(changes, 2)
    found = replay(book, market, past, *CRISES["autumn 2008"], model=model)
    at = {name: i for i, name in enumerate(drivers.tolist())}
    assert_allclose(found.result.changes[at["sp500 close"]], 752.44 / 1282.83 - 1, atol=1e-4)
    assert_allclose(found.result.changes[at["moody baa yield"]], 0.0921 - 0.0715, atol=1e-6)
    assert found.result.changes[at["wti spot"]] < -0.5
    assert set(found.by_model) == {"vol", "EUR"}
