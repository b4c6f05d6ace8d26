import shutil
from datetime import date

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from small_market import FIRST, SmallMarket
from threadpoolctl import threadpool_info, threadpool_limits

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.backtest.costs import LinearCosts
from quantray.daily.gate import GateError
from quantray.daily.rebalance import rebalance
from quantray.data.store import MarketStore
from quantray.errors import DataError, InputError, LimitBreachError
from quantray.execution.orders import ALGORITHMS
from quantray.serving.publish import Shelf

ALPHA = {"forecasts": {"control": "reversal"}, "horizon_days": 5, "ic": 0.1}


@pytest.fixture
def market(tmp_path):
    return SmallMarket(tmp_path)


class Desk:
    """Rebalances day by day and publishes."""

    def __init__(self, market, **settings):
        self.market, self.settings = market, market.settings(**settings)
        self.shelf = Shelf.at(self.settings.books)

    def before(self, day):
        days = [each for each in self.shelf.days() if each < day]
        return self.shelf.read(self.shelf.of(days[-1])) if days else None

    def volume(self, name):
        """Shares of a name on a usual day."""
        panel = MarketStore(self.settings.data.store).load()
        return panel.field("volume")[-60:, panel.assets.tolist().index(name)].mean()

    def run(self, number, change=None, **more):
        done = rebalance(self.settings, self.before, bars=self.market.day(number, change), **more)
        self.shelf.publish(done.book)
        return done


def test_the_first_day_buys_what_is_decided(market):
    done = Desk(market).run(0)
    book, table = done.book, done.book.tables["portfolio"]
    assert str(book.as_of) == str(market.days[FIRST].date())
    assert book.nav == 100_000
    assert 0 <= book.cash < 0.005
    assert sum(table["shares_before"].to_pylist()) == 0
    assert np.isclose(sum(table["weight"].to_pylist()) + book.cash, 1)
    assert set(done.seconds) == {
        *("append", "load", "gate", "positions", "forecast", "optimise", "risk", "regimes", "schedule", "book"),
    }
    assert book.documents["risk"]["var_99"] > 0
    children = book.tables["children"]
    assert set(children["algorithm"].to_pylist()) <= set(ALGORITHMS)
    assert all(time.date() > book.as_of for time in children["time"].to_pylist())
    assert np.isfinite(book.tables["parents"]["expected_cost_bps"].to_numpy()).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_every_stage_keeps_to_the_threads_of_the_settings(market, threads):
    seen = {}

    def look(stage):
        seen[stage] = max(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")

    with threadpool_limits(3):
        done = Desk(market, threads=threads).run(0, progress=look)
    assert seen == dict.fromkeys(done.seconds, threads)


@pytest.mark.parametrize(
    "allocator",
    [
        {"rule": "inverse_volatility"},
        {"rule": "mean_variance", "estimator": "statistical", "alpha": ALPHA, "max_weight": 0.3},
    ],
)
def test_day_by_day_the_nav_is_that_of_a_backtest(market, allocator):
    """What each day decided, replayed by the accounts of the backtest, earns what the books say.

    But for a hair: a book orders shares at the day's closes, the backtest trades to weights at the next ones.
    """
    desk = Desk(market, allocator={"name": "A", **allocator}, costs={"half_spread_bps": 5, "commission_bps": 0.5})
    books = [desk.run(number).book for number in range(6)]
    panel = MarketStore(desk.settings.data.store).load()
    weights = np.zeros((len(books), len(panel.assets)))
    for row, book in zip(weights, books, strict=True):
        table = book.tables["portfolio"]
        place = [panel.assets.tolist().index(name) for name in table["symbol"].to_pylist()]
        row[place] = table["weight"].to_numpy()
    dates = np.array([str(book.as_of) for book in books], dtype="datetime64[D]")
    record = backtest(
        panel,
        Decisions(dates, panel.assets, weights),
        costs=LinearCosts(5, 0.5),
        accounting=Accounting(initial_nav=1e5),
    )
    assert_allclose([book.nav for book in books], record.nav[: len(books)], rtol=5e-4)


def test_the_same_day_again_is_the_same_book(market):
    desk = Desk(market)
    desk.run(0)
    first = desk.run(1)
    again = rebalance(desk.settings, desk.before, bars=market.day(1))
    assert again.book.version == first.book.version
    assert rebalance(desk.settings, desk.before).book.version == first.book.version


def test_sectors_and_costs_make_the_return(market):
    desk = Desk(market, costs={"half_spread_bps": 5, "commission_bps": 1})
    first, second = (desk.run(number).book for number in range(2))
    assert first.documents["attribution"] == {"nav": 100_000}
    told = second.documents["attribution"]
    assert (told["since"], told["nav"]) == (str(first.as_of), second.nav)
    assert sum(told["sectors"].values()) + told["costs"] == pytest.approx(told["return"], abs=1e-12)
    assert told["return"] == pytest.approx(second.nav / first.nav - 1)
    assert told["costs"] < 0


def test_an_earlier_day_again_is_the_same_book_after_the_store_has_gone_on(market):
    desk = Desk(market)
    first = desk.run(0)
    later = desk.run(1)
    again = rebalance(desk.settings, desk.before, day=first.book.as_of)
    assert again.store_version == later.store_version != first.store_version
    assert again.book.version == first.book.version


def test_cut_off_at_any_stage_and_run_again_it_ends_in_the_same_book(market, tmp_path):
    class Killed(BaseException):
        pass

    desk, saved = Desk(market), tmp_path / "saved"
    desk.run(0)
    shutil.copytree(market.folder / "market", saved)
    whole = rebalance(desk.settings, desk.before, bars=market.day(1))
    for stage in whole.seconds:
        shutil.rmtree(market.folder / "market")
        shutil.copytree(saved, market.folder / "market")

        def kill(name, stage=stage):
            if name == stage:
                raise Killed

        with pytest.raises(Killed):
            rebalance(desk.settings, desk.before, bars=market.day(1), progress=kill)
        again = rebalance(desk.settings, desk.before, bars=market.day(1))
        assert again.book.version == whole.book.version, stage


def test_a_bad_day_stops_and_the_last_book_stays(market):
    desk = Desk(market)
    first = desk.run(0).book
    with pytest.raises(GateError, match="stops at the quality gate: 50.0% of the names of .* have a close"):
        desk.run(1, lambda rows: rows.iloc[:6])
    assert desk.shelf.latest().version == first.version
    assert desk.run(1).book.as_of > first.as_of


def test_orders_do_not_fill_at_closes_that_were_refused(market):
    """The day after a bad one stops, too, until the bad one's bars are there as they should be."""
    desk = Desk(market)
    desk.run(0)
    with pytest.raises(GateError):
        desk.run(1, lambda rows: rows.iloc[:6])
    with pytest.raises(GateError, match="which the last book's orders or positions go through, is not good: 50.0%"):
        desk.run(2)
    # With good bars of the bad day, the last day that is there is decided.
    assert desk.run(1).book.as_of == market.days[FIRST + 2].date()


def test_on_days_without_a_decision_what_is_held_stays(market):
    desk = Desk(market, frequency="weekly")
    books = [desk.run(number).book for number in range(7)]
    traded = [book.tables["parents"].num_rows > 0 for book in books]
    weeks = [market.days[FIRST + n].isocalendar().week for n in range(8)]
    assert traded == [weeks[n] != weeks[n + 1] for n in range(7)]


def test_trades_stay_within_the_volume_and_go_on_the_next_day(market):
    desk = Desk(market, accounting={"initial_nav": 50_000_000.0})
    first, second = desk.run(0), desk.run(1)
    assert first.book.cash > 0.3
    assert "trades were cut to 10% of the volume" in " ".join(first.notes)
    assert second.book.cash < first.book.cash
    panel = MarketStore(desk.settings.data.store).load()
    for order in first.book.tables["parents"].to_pylist():
        volume = panel.field("volume")[-23:-2, panel.assets.tolist().index(order["symbol"])]
        assert abs(order["shares"]) <= 0.1 * volume.mean() * 1.3


def test_a_limit_reduces_the_book(market):
    path = market.folder / "limits.yaml"
    path.write_text(
        "limits: [{name: single, metric: net, scope: every name, soft: 0.05, hard: 0.06, action: reduce}]\n"
    )
    done = Desk(market, limits=str(path)).run(0)
    weights = done.book.tables["portfolio"]["weight"].to_numpy()
    assert weights.max() <= 0.06 + 1e-9
    assert weights.max() > 0.0599
    assert "to keep single" in done.notes[-1]
    assert done.book.documents["risk"]["limits"][0]["state"] != "hard"


def test_forced_sales_fill_as_far_as_the_volume_goes_and_the_rest_is_sold_on(market):
    """Far too much of a name is held: a day sells a tenth of its volume, and the next begins with what is left."""
    path = market.folder / "limits.yaml"
    path.write_text("limits: [{name: single, metric: net, scope: every name, soft: 0.05, hard: 0.2, action: reduce}]\n")
    name = str(market.bars["symbol"].iloc[0])
    desk = Desk(market, limits=str(path), costs={"half_spread_bps": 0, "commission_bps": 0})
    holdings = pd.DataFrame({"symbol": [name, "CASH"], "shares": [400_000, 0]})
    books = [desk.run(0, holdings=holdings).book, desk.run(1).book]
    held, sold, volume = [], [], desk.volume(name)
    for book in books:
        (row,) = [row for row in book.tables["portfolio"].to_pylist() if row["symbol"] == name]
        held.append(row["shares_before"])
        assert row["weight"] <= 0.2
        slices = [each for each in book.tables["children"].to_pylist() if each["symbol"] == name]
        first = min(each["time"].date() for each in slices)
        sold.append(-sum(each["shares"] for each in slices if each["time"].date() == first))
        assert sold[-1] < row["shares_before"] - row["shares"]
        assert sold[-1] <= 0.1 * volume * 1.3
    assert held[1] == held[0] - sold[0]
    used = [book.documents["provenance"]["year_turnover"] for book in books]
    assert 0 < used[0] < used[1] < 1


def test_a_limit_stops_the_day(market):
    path = market.folder / "limits.yaml"
    path.write_text("limits: [{name: tail, metric: var, scope: book, soft: 0.0001, hard: 0.0002, action: stop}]\n")
    desk = Desk(market, limits=str(path))
    with pytest.raises(LimitBreachError, match="limit 'tail' is at .* and must not pass 0.0002; nothing was decided"):
        desk.run(0)
    assert desk.shelf.latest() is None


def test_what_is_really_held_counts(market):
    desk = Desk(market)
    name = str(market.bars["symbol"].iloc[0])
    holdings = pd.DataFrame({"symbol": [name, "CASH"], "shares": [100, 50_000]})
    done = desk.run(0, holdings=holdings)
    before = dict(
        zip(*(done.book.tables["portfolio"][c].to_pylist() for c in ("symbol", "shares_before")), strict=True)
    )
    assert before[name] == 100
    assert done.book.nav < 100_000


def test_a_day_that_is_not_there_is_refused(market):
    desk = Desk(market)
    with pytest.raises(DataError, match="no bars"):
        rebalance(desk.settings, desk.before, day=date(2031, 1, 1))
    with pytest.raises(DataError, match="too few for a look-back of 320"):
        Desk(market, lookback_days=320).run(0)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"checkpoint": "x.pt"}, "inverse_volatility acts on no forecasts"),
        ({"data": {"store": "market", "end": "2020-01-01"}}, "leave them out"),
        ({"name": "../x"}, "name"),
    ],
)
def test_settings_that_cannot_be_are_refused(market, changed, said):
    with pytest.raises((ValueError, InputError), match=said):
        market.settings(**changed)
