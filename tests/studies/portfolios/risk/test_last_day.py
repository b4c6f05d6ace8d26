import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from small_portfolios import kept

from quantray.errors import DataError, InputError
from quantray.risk.limits import Limit
from quantray.risk.reporting.sections import RiskReport
from quantray.studies.portfolios.risk.last_day import Asked, portfolio_risk, run_risk, write_risk


@pytest.fixture(scope="module")
def run(study):
    return kept(*study)


def test_a_run_read_back_is_risked_as_it_was_in_memory(study, run):
    source, result = study
    found = run_risk(run, Asked())
    assert list(found) == ["HRP", "Inverse volatility", "Equal weight"]
    again = portfolio_risk(source.data, result.records[0], Asked(half_spread_bps=5.0))
    assert found["HRP"].positions.names == again.positions.names
    assert_allclose(found["HRP"].positions.exposure, again.positions.exposure, rtol=1e-9)
    assert found["HRP"].nav == pytest.approx(result.records[0].nav[-1])


def test_holdings_of_any_day_are_those_of_the_accounts(study, run):
    _, result = study
    record = result.records[0]
    for place in (30, 100):
        day = record.dates[place]
        report = run_risk(run, Asked(), portfolios=["HRP"], date=str(day))["HRP"]
        weights = dict(zip(record.assets.tolist(), record.weights[place].tolist(), strict=True))
        assert report.date == str(day)
        assert_allclose(report.positions.exposure, [weights[name] for name in report.positions.names], rtol=1e-6)
        assert report.gross == pytest.approx(np.abs(record.weights[place]).sum(), rel=1e-6)


def test_nothing_after_the_day_is_known(study):
    source, result = study
    record, day = result.records[0], result.records[0].dates[60]
    whole = portfolio_risk(source.data, record, Asked(), date=day)
    panel = source.panel.until(source.panel.row(day))
    assert portfolio_risk(replace(source.data, panel=panel), record, Asked(), date=day) == whole


def test_limits_and_money_of_ones_own(run):
    tight = Limit(name="gross", metric="gross", scope="book", soft=0.1, hard=0.2)
    found = run_risk(run, Asked(limits=(tight,), nav=5e9, level=0.95), portfolios=["Equal weight"])["Equal weight"]
    assert (found.nav, found.limits[0].state, found.level) == (5e9, "hard", 0.95)
    small = run_risk(run, Asked(nav=1e6), portfolios=["Equal weight"])["Equal weight"]
    assert found.liquidity.longest == pytest.approx(5000 * small.liquidity.longest)


def test_the_page_and_the_numbers_are_written(run, tmp_path):
    found = run_risk(run, Asked(), portfolios=["HRP"])
    page = write_risk(found, "small", tmp_path / "risk.html", tmp_path / "risk.json")
    assert 'src="http' not in (tmp_path / "risk.html").read_text()
    assert page.title == "Risk"
    numbers = json.loads((tmp_path / "risk.json").read_text())
    assert RiskReport.from_json(json.dumps(numbers["HRP"])) == found["HRP"]


@pytest.mark.parametrize(
    ("asked", "error", "told"),
    [
        ({"portfolios": ["HPR"]}, InputError, "holds no portfolio 'HPR'; did you mean 'HRP'"),
        ({"date": "1999-01-04"}, InputError, "1999-01-04 is no day of HRP"),
        ({"date": "soon"}, InputError, "'soon' is not a date"),
    ],
)
def test_what_is_not_there_is_refused(run, asked, error, told):
    with pytest.raises(error, match=told):
        run_risk(run, Asked(), **asked)


def test_a_simulation_and_a_backtest_where_they_are_asked_for(run):
    asked = Asked(simulations=1000, backtest_days=60)
    found = run_risk(run, asked, portfolios=["HRP"])["HRP"]
    assert found.simulation.n_scenarios == 1000
    assert len(found.backtest.dates) == 60
    with pytest.raises(InputError, match="ask for at most"):
        run_risk(run, Asked(backtest_days=5000), portfolios=["HRP"])


def test_levels_out_of_range_are_refused(run):
    with pytest.raises(InputError, match="level"):
        run_risk(run, Asked(level=1.2), portfolios=["HRP"])


def test_before_the_first_trade_nothing_is_held(study):
    source, result = study
    with pytest.raises(DataError, match="HRP held nothing by"):
        portfolio_risk(source.data, result.records[0].on_trade_dates(), Asked(), date=result.records[0].dates[0])


def test_a_damaged_track_is_named(study, tmp_path):
    source, result = study
    settings = source.settings.model_copy(update={"runs": str(tmp_path)})
    folder = kept(replace(source, settings=settings), result)
    path = folder / "tracks" / "HRP" / "holdings.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match="holdings.parquet is damaged"):
        run_risk(folder, Asked())
    assert list(run_risk(folder, Asked(), portfolios=["Equal weight"])) == ["Equal weight"]
