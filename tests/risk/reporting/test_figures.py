import pytest
from _books import simulated_book

from quantray.risk.report import assess
from quantray.risk.reporting import figures
from quantray.risk.reporting.sections import Backtest, Liquidity


@pytest.fixture(scope="module")
def report():
    book = simulated_book(50, 6, 150)
    return assess(book.holdings, book.market, book.model, book.limits)


def test_bars_are_the_largest_parts_and_the_rest(report):
    bars = figures.contributions(report).figure.data
    assert len(bars) == 2
    for trace, total in zip(bars, (report.positions.component_var, report.positions.component_var), strict=True):
        assert sum(trace.x) == pytest.approx(sum(total), abs=1e-5)
    assert bars[0].y[-1] == "38 others"


def test_the_tree_holds_every_factor_by_its_size(report):
    tree = figures.risk_tree(report.factors).figure.data[0]
    size = sum(abs(f.component_var) for f in report.factors.factors) + report.factors.specific_var
    assert sum(tree.values) == pytest.approx(size)
    assert set(tree.parents) == {"", "group sector", "group style"}


def test_the_waterfall_of_the_worst_scenario_ends_at_its_loss(report):
    bars, fall = figures.scenario_losses(report.stress).figure.data
    worst = max(report.stress, key=lambda each: each.loss)
    assert bars.y[0] == worst.name.replace("_", " ")
    assert fall.y[-1] == pytest.approx(-worst.loss)
    assert sum(fall.y[:-1]) == pytest.approx(fall.y[-1])


def test_the_ladder_says_what_takes_how_long():
    found = Liquidity(
        participation=0.1,
        horizons=(1, 5),
        sold=(0.4, 0.7),
        longest=8.0,
        spread_cost=0.0,
        impact_cost=0.0,
        var=0.01,
        adjusted_var=0.01,
        multiplier=1.0,
        unknown=("d",),
        unquoted=(),
    )
    steps, needing = figures.ladder(found, (0.5, 3.0, 8.0, None), (0.4, -0.3, 0.2, 0.1)).figure.data
    assert list(steps.y) == [0.4, 0.7]
    assert dict(zip(needing.x, needing.y, strict=True)) == {
        "up to 1": 0.4, "to 5": 0.3, "longer": 0.2, "unknown": 0.1,
    }  # fmt: skip


def test_gauges_colour_by_state(report):
    uses = [report.limits[0].model_copy(update={"state": s, "usage": u}) for s, u in (("hard", 1.2), ("soft", 0.8))]
    bars = figures.gauges(uses).figure.data[0]
    assert list(bars.text) == ["120%", "80%"]
    assert bars.marker.color[0] != bars.marker.color[1]
    assert len(set(bars.y)) == 2


def test_hits_are_the_days_beyond_the_forecast():
    found = Backtest(
        method="history",
        level=0.95,
        dates=("2020-01-02", "2020-01-03", "2020-01-06"),
        gains=(0.01, -0.03, -0.01),
        var=(0.02, 0.02, 0.02),
        tests=(),
    )
    picture = figures.var_backtest(found)
    assert list(picture.figure.data[2].x) == ["2020-01-03"]
    assert picture.note.startswith("1 days of 3")
