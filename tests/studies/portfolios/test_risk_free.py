"""Studies whose ratios are in excess of a risk-free series."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError
from small_portfolios import kept

from quantray.errors import DataError, InputError
from quantray.studies.portfolios.findings import summary
from quantray.studies.portfolios.risk_free import RiskFreeSettings, cash_of
from quantray.studies.portfolios.study import load_portfolios
from quantray.studies.reports.written import ReportTerms, write_report


@pytest.fixture
def bills(tmp_path):
    def write(lines):
        path = tmp_path / "bills.csv"
        path.write_text("\n".join(["date,value", *lines]))
        return str(path)

    return write


def test_ratios_are_in_excess_of_it_and_accounts_do_not_change(study, bills):
    """Yields of a file, known when a day begins, in the metrics of the run, in its report, and by hand."""
    plain, result = study
    days = plain.panel.dates
    rates = np.random.default_rng(0).uniform(1, 9, len(days))
    file = bills([f"{day},{rate}" for day, rate in zip(days, rates, strict=True)])
    choice = RiskFreeSettings(csv=file, unit="percent", day_count="actual/360")
    source = load_portfolios(plain.settings.model_copy(update={"risk_free": choice}))
    folder = kept(source, result)
    record = result.records[0]
    rows = np.searchsorted(days, record.dates)
    cash = rates[rows[:-1]] / 100 * np.diff(record.dates).astype(int) / 360
    excess = record.returns - cash
    found = json.loads((folder / "metrics.json").read_text())[record.name]
    assert_allclose(found["sharpe"], excess.mean() / excess.std(ddof=1) * np.sqrt(252), rtol=1e-9)
    assert_allclose(found["sortino"], excess.mean() / np.sqrt((np.minimum(excess, 0) ** 2).mean()) * np.sqrt(252))
    assert_allclose(found["annual_volatility"], record.returns.std(ddof=1) * np.sqrt(252))
    assert json.loads((folder / "study.json").read_text())["digest"] == result.digest
    assert "Ratios are in excess of bills." in (folder / "page.json").read_text()
    files = write_report(folder, ReportTerms(reader="risk"))
    assert f"over cash at {cash.mean() * 252:.2%} a year" in files.page.read_text()
    rows = json.loads(next(f for f in files.numbers if f.suffix == ".json").read_text())["measures"]
    told = {row["measure"]: row["value"] for row in rows}
    other = next(r for r in result.records if r.name == "Equal weight").returns - cash
    beta = np.cov(excess, other)[0, 1] / other.var(ddof=1)
    assert_allclose(told["sharpe"], found["sharpe"], rtol=1e-9)
    assert_allclose(told["vs_alpha"], (excess.mean() - beta * other.mean()) * 252, rtol=1e-9)
    assert_allclose(told["vs_treynor_ratio"], excess.mean() * 252 / beta, rtol=1e-9)


def test_without_one_a_study_is_written_as_before(study):
    assert "risk_free" not in study[0].settings.model_dump()


def test_a_number_is_a_rate_spread_over_days(study):
    source, result = study
    dates = source.panel.dates
    assert_allclose(cash_of(0.0252, source.data, dates).returns_on(dates), 1e-4)
    record, other = result.records[:2]
    one, same = (summary(record, other, r) for r in (0.0252, np.full(len(record.returns), 1e-4)))
    assert_allclose([one["sharpe"], one["vs_sharpe_difference"]], [same["sharpe"], same["vs_sharpe_difference"]])


def test_a_symbol_returns_and_levels(study, bills):
    source, _ = study
    panel = source.panel
    name = str(panel.assets[np.isfinite(panel.field("close")).all(axis=0)][0])
    close = panel.field("close")[:, panel.assets == name][:, 0]
    expected, dates = close[1:] / close[:-1] - 1, panel.dates
    assert_allclose(cash_of(RiskFreeSettings(symbol=name), source.data, dates).returns_on(dates), expected)
    levels = bills([f"{day},{value!r}" for day, value in zip(dates, close.tolist(), strict=True)])
    assert_allclose(
        cash_of(RiskFreeSettings(csv=levels, holds="levels"), source.data, dates).returns_on(dates), expected
    )
    returns = bills([f"{day},{100 * value!r}" for day, value in zip(dates[1:], expected.tolist(), strict=True)])
    choice = RiskFreeSettings(csv=returns, holds="returns", unit="percent")
    assert_allclose(cash_of(choice, source.data, dates[1:]).returns_on(dates[1:]), expected[1:])


@pytest.mark.parametrize(
    ("settings", "lines", "error", "said"),
    [
        ({"unit": "percent", "day_count": "actual/360"}, ["2015-01-02,1", "2015-01-05,1"], InputError, "add quotes"),
        (
            {"unit": "fraction", "day_count": "actual/360"},
            ["2015-01-02,5", "2015-01-05,5"],
            DataError,
            "unit: percent",
        ),
        ({"holds": "levels"}, ["2015-01-02,1", "2015-01-05,1"], InputError, "risk-free series bills covers .* lacks"),
        ({"holds": "levels"}, ["yesterday,1"], DataError, "risk-free series file .*, line 2"),
    ],
)
def test_gaps_and_bad_files_are_one_line(study, bills, settings, lines, error, said):
    source, _ = study
    with pytest.raises(error, match=said) as caught:
        cash_of(RiskFreeSettings(csv=bills(lines), **settings), source.data, source.panel.dates)
    assert "\n" not in str(caught.value)


def test_a_gap_is_found_before_any_work(study):
    settings = study[0].settings.model_copy(update={"risk_free": RiskFreeSettings(symbol="BIL")})
    with pytest.raises(InputError, match="risk-free series BIL is not in the data"):
        load_portfolios(settings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of rate, csv and symbol, not none"),
        ({"rate": 2, "symbol": "BIL"}, "not rate and symbol"),
        ({"rate": 2, "day_count": "actual/360"}, "unit, fraction or percent"),
        ({"rate": 2, "unit": "percent"}, "day_count, actual/360"),
        ({"symbol": "BIL", "unit": "percent"}, "and of nothing else"),
        ({"csv": "a.csv", "holds": "returns", "unit": "percent", "day_count": "periods"}, "and of nothing else"),
    ],
)
def test_bad_settings(given, said):
    with pytest.raises(ValidationError, match=said):
        RiskFreeSettings(**given)
