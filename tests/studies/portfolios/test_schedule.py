"""A run's trades, scheduled: what the accounts traded, at another size, from what was known at the close before."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from small_market import bars_of
from small_portfolios import ALLOCATORS, kept, settings_in

from quantray.backtest.accounts import Accounting, Decisions, backtest
from quantray.data.store import MarketStore
from quantray.errors import DataError, InputError
from quantray.execution.orders import ExecutionSchedule
from quantray.execution.settings import ExecutionSettings
from quantray.features.returns import carried_forward
from quantray.research.executor import Serial
from quantray.research.market import StoreData
from quantray.research.terms import AccountingSettings, TradingCostSettings
from quantray.studies.portfolios.finished import FinishedRun, open_run
from quantray.studies.portfolios.schedule import (
    ScheduleAsked,
    default_folder,
    portfolio_schedule,
    run_schedules,
    write_schedules,
)
from quantray.studies.portfolios.settings import FoldSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios

ASKED = ScheduleAsked(aum=1e8)


@pytest.fixture(scope="module")
def run(study):
    source, result = study
    return FinishedRun(source.settings, result.records, source.data)


@pytest.fixture(scope="module")
def days(study):
    """Days of trades: on others, what was delisted was sold."""
    record = study[1].records[0]
    return record.trade_dates[np.count_nonzero(record.trades, axis=1) > 3]


@pytest.fixture(scope="module")
def day(days):
    """One in the middle."""
    return days[len(days) // 2]


def test_orders_are_the_accounts_trades_at_another_size(run, day):
    record, panel = run.records[0], run.data.panel
    made = portfolio_schedule(run, record, replace(ASKED, date=day))
    assert (made.session, made.name, made.aum) == (day, "HRP", 1e8)
    parents = {row["symbol"]: row for row in made.orders.parents.to_pylist()}
    row = int(np.searchsorted(record.trade_dates, day))
    nav = record.nav[np.searchsorted(record.dates, day)] + record.costs[row].sum()
    price = carried_forward(panel.field("close"))[0][panel.row(day) - 1]
    for name, traded in zip(record.assets.tolist(), record.trades[row].tolist(), strict=True):
        quoted = price[panel.assets.tolist().index(name)]
        shares = int(traded / nav * 1e8 / quoted)
        assert shares == (parents[name]["shares"] if name in parents else 0)
        if shares:
            assert parents[name]["price"] == quoted
    assert made.value == pytest.approx(np.abs(record.trades[row]).sum() / nav * 1e8, rel=0.05)


def test_nothing_of_the_day_itself_is_known(run, day):
    """But the size of what was traded: neither its volume nor its prices."""
    panel = run.data.panel
    row = panel.row(day)
    fields = {name: values.copy() for name, values in panel.fields.items()}
    for values in fields.values():
        values[row:] *= 3
    other = replace(run, data=replace(run.data, panel=replace(panel, fields=fields)))
    asked = replace(ASKED, date=day)
    made, again = (portfolio_schedule(each, run.records[0], asked).orders for each in (run, other))
    assert made.parents.equals(again.parents)
    assert made.children.drop_columns("limit").equals(again.children.drop_columns("limit"))


def test_a_run_that_charged_impact_is_scheduled_by_its_own(run, day):
    costs = TradingCostSettings.model_validate({"impact": {"model": "linear", "aum": 2e8, "window_days": 42}})
    settings = run.settings.model_copy(update={"costs": costs})
    made = portfolio_schedule(replace(run, settings=settings), run.records[0], ScheduleAsked(date=day))
    assert made.aum == 2e8
    trades, panel = made.orders.plan.trades, costs.prepared(run.data.panel)
    known = {name: values[panel.row(day) - 1] for name, values in panel.fields.items()}
    model = costs.build().model(known, len(panel.assets))
    columns = [panel.assets.tolist().index(name) for name in trades.symbols.tolist()]
    assert trades.impact.power == model.power == 1.0
    assert_allclose(trades.impact.adv * trades.price, model.adv[columns], rtol=1e-9)
    assert_allclose(trades.impact.temporary, model.temporary[columns], rtol=1e-9)


def test_the_last_day_and_the_size_of_the_accounts_are_taken_where_none_is_given(run, days):
    record = run.records[0]
    made = portfolio_schedule(run, record, ScheduleAsked())
    assert made.session == days[-1]
    assert made.aum == record.nav[np.searchsorted(record.dates, days[-1]) - 1]


def test_without_a_lag_the_session_is_the_next(run, day):
    accounting = AccountingSettings(execution_lag=0)
    at_once = replace(run, settings=run.settings.model_copy(update={"accounting": accounting}))
    made = portfolio_schedule(at_once, run.records[0], replace(ASKED, date=day))
    assert made.session > day
    assert made.session == run.data.panel.dates[run.data.panel.row(day) + 1]


def test_what_is_less_than_a_share_is_counted(run, day):
    small = portfolio_schedule(run, run.records[0], ScheduleAsked(date=day, aum=20_000))
    assert small.notes[0].startswith("trades of less than a share that are left out: ")
    assert small.orders.parents.num_rows < np.count_nonzero(run.records[0].trades[0])


def test_what_cannot_be_scheduled_is_refused_in_a_line(run, day, days):
    record = run.records[0]
    with pytest.raises(
        InputError,
        match=f"traded nothing on {day + 1}; days of trading nearest to it are {day} and {days[len(days) // 2 + 1]}",
    ):
        portfolio_schedule(run, record, replace(ASKED, date=day + 1))
    with pytest.raises(InputError, match="'soon' is not a date"):
        portfolio_schedule(run, record, replace(ASKED, date="soon"))
    with pytest.raises(InputError, match="aum -1 must be positive"):
        portfolio_schedule(run, record, replace(ASKED, date=day, aum=-1.0))
    with pytest.raises(InputError, match="at 1 nothing that HRP traded"):
        portfolio_schedule(run, record, replace(ASKED, date=day, aum=1.0))
    tight = replace(ASKED, date=day, aum=1e10, execution=ExecutionSettings(participation=0.01), most_days=1)
    with pytest.raises(InputError, match="orders need more than 1 days at 1% of the volume"):
        portfolio_schedule(run, record, tight)
    with pytest.raises(InputError, match="has weekly bars"):
        portfolio_schedule(run, replace(record, periods_per_year=52), replace(ASKED, date=day))
    silent = replace(run, data=replace(run.data, panel=run.data.panel.with_only("close")))
    with pytest.raises(DataError, match="have no volumes; import bars with a volume column"):
        portfolio_schedule(silent, record, replace(ASKED, date=day))


def test_a_day_on_which_only_a_delisting_was_booked_is_no_day_of_trading(run):
    panel = run.data.panel
    close = panel.field("close").copy()
    close[300:, 0] = np.nan
    gone = panel.with_fields(close=close)
    bought = Decisions(panel.dates[[298]], panel.assets, np.eye(1, len(panel.assets)))
    record = backtest(gone, bought, accounting=Accounting(delist_after=3))
    assert record.trade_dates[-1] == panel.dates[302]
    changed = replace(run, data=replace(run.data, panel=gone))
    assert portfolio_schedule(changed, record, ASKED).session == panel.dates[299]
    with pytest.raises(InputError, match=f"traded nothing on {panel.dates[302]}; .* are {panel.dates[299]}"):
        portfolio_schedule(changed, record, replace(ASKED, date=panel.dates[302]))


def test_the_files_of_a_run(study, tmp_path):
    folder = kept(*study)
    found = run_schedules(folder, ASKED, portfolios=["HRP", "Equal weight"])
    place = default_folder(folder, found)
    assert place == folder / "schedules" / f"{found[0].session}-100M"
    page = write_schedules(found, "small", tmp_path)
    assert page.title == "Execution schedule"
    assert 'src="http' not in (tmp_path / "schedule.html").read_text()
    said = json.loads((tmp_path / "schedule.json").read_text())
    order = ExecutionSchedule.from_json(json.dumps(said["HRP"]["orders"][0]))
    assert sum(child.quantity for child in order.children) == order.parent.quantity
    written = pd.read_parquet(tmp_path / "parents.parquet")
    assert written["portfolio"].unique().tolist() == ["HRP", "Equal weight"]
    with pytest.raises(InputError, match="did you mean 'HRP'"):
        run_schedules(folder, ASKED, portfolios=["HPR"])


def test_in_hindsight_a_plan_is_worked_on_the_bars_that_came(study, tmp_path):
    folder = kept(*study)
    asked = ScheduleAsked(aum=1e7)
    (made,) = run_schedules(folder, asked, portfolios=["HRP"])
    panel = open_run(folder, fields=("close", "open", "volume")).data.panel
    row, done = panel.row(made.session), made.worked
    columns = [panel.assets.tolist().index(name) for name in made.orders.plan.trades.symbols.tolist()]
    assert_allclose(done.arrival, panel.field("open")[row, columns])
    assert_allclose(done.decision, made.orders.plan.trades.price)
    # Where the data end before the plan does, or hold no bars, there is no hindsight.
    (late,) = run_schedules(folder, replace(asked, aum=2e9), portfolios=["HRP"])
    assert late.worked is None
    opened = open_run(folder)
    assert portfolio_schedule(opened, opened.records[0], asked).worked is None


def test_prices_are_those_quoted_at_the_time(tmp_path):
    """Since a split half a year before, adjusted closes are twice what a share costs."""
    bars = bars_of()
    days = np.unique(bars["date"])
    bars = bars.assign(split=np.where(bars["date"] == days[150], 2.0, 1.0))
    late = bars["date"] >= days[150]
    bars.loc[late, ["open", "high", "low", "close"]] /= 2
    bars.loc[late, "volume"] *= 2
    bars.to_parquet(tmp_path / "bars.parquet")
    MarketStore(str(tmp_path / "market")).import_bars(str(tmp_path / "bars.parquet"))
    settings = settings_in(
        tmp_path,
        data=StoreData(store=str(tmp_path / "market")),
        allocators=ALLOCATORS[-1:],
        folds=FoldSettings(lookback_days=120, test_days=63),
        costs=TradingCostSettings.model_validate({"impact": {"aum": 1e6}}),
    )
    source = load_portfolios(settings)
    folder = kept(source, run_portfolios(source, Serial()))
    opened = open_run(folder)
    made = portfolio_schedule(opened, opened.records[0], ScheduleAsked(date=opened.records[0].trade_dates[-1]))
    before = opened.data.panel.dates[opened.data.panel.row(made.session) - 1]
    quoted = bars[bars["date"] == before].set_index("symbol")["close"]
    for row in made.orders.parents.to_pylist():
        assert row["price"] == quoted[row["symbol"]]
    adjusted = opened.data.panel.field("close")[opened.data.panel.row(before)]
    assert_allclose(adjusted, quoted[opened.data.panel.assets] * 2)
