"""Studies measured against what is none of their portfolios."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose
from pydantic import ValidationError
from small_portfolios import kept, settings_in

from quantray.errors import InputError, QuantrayError
from quantray.research.executor import Serial
from quantray.research.market import load_market
from quantray.settings import checked
from quantray.studies.portfolios.benchmark import BenchmarkSettings, outside_benchmark
from quantray.studies.portfolios.settings import PortfolioSettings
from quantray.studies.portfolios.study import load_portfolios, run_portfolios
from quantray.studies.reports.written import ReportTerms, write_report


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    settings = settings_in(tmp_path_factory.mktemp("runs"))
    return load_market(settings.data, None, ("close",))


def listed(data):
    """Symbols with a close on every day."""
    return data.panel.assets[np.isfinite(data.panel.field("close")).all(axis=0)].tolist()


def test_a_study_against_a_file(data, tmp_path):
    """Equal weight's own wealth as a file gives the numbers of equal weight as a benchmark."""
    inside = settings_in(tmp_path)
    source = load_portfolios(inside)
    result = run_portfolios(source, Serial())
    equal = next(record for record in result.records if record.name == "Equal weight")
    eve = source.panel.dates[source.panel.row(equal.dates[0]) - 1]
    days, levels = [eve, *equal.dates], [equal.nav[0], *equal.nav.tolist()]
    lines = [f"{day},{level}" for day, level in zip(days, levels, strict=True)]
    (tmp_path / "index.csv").write_text("\n".join(["date,level", *lines]))
    choice = BenchmarkSettings(csv=str(tmp_path / "index.csv"), dividends="included", name="Index")
    outside = inside.model_copy(update={"benchmark": choice})
    other = load_portfolios(outside)
    run, plain = kept(other, result), kept(source, result)
    found, expected = (json.loads((folder / "metrics.json").read_text()) for folder in (run, plain))
    for key in ("vs_beta", "vs_tracking_error", "vs_sharpe_difference"):
        assert_allclose(found["HRP"][key], expected["HRP"][key], rtol=1e-9)
    assert "the dotted line" not in (run / "page.json").read_text()
    files = write_report(run, ReportTerms(reader="client"))
    assert "than Index" in files.page.read_text()


def test_units_and_records_do_not_depend_on_it(tmp_path):
    plain = settings_in(tmp_path)
    assert plain.model_dump()["benchmark"] == "Equal weight"
    assert "tracks" not in plain.model_dump()


def test_symbols_and_blends(data):
    first, second = listed(data)[:2]
    dates = data.panel.dates[200:]
    one, two = (
        outside_benchmark(BenchmarkSettings(symbol=name), data, dates).returns_on(dates) for name in (first, second)
    )
    blend = outside_benchmark(BenchmarkSettings(blend={first: 0.6, second: 0.4}), data, dates)
    assert_allclose(blend.returns_on(dates), 0.6 * one + 0.4 * two, atol=1e-12)
    assert blend.total


def test_a_gap_is_found_before_any_work(data, tmp_path):
    days = data.panel.dates
    lines = [f"{day},100" for day in days[:-3].tolist()]
    (tmp_path / "short.csv").write_text("\n".join(["date,level", *lines]))
    settings = settings_in(tmp_path, benchmark={"csv": str(tmp_path / "short.csv"), "dividends": "left out"})
    with pytest.raises(InputError, match=f"benchmark short covers .* lacks 3 of .* first {days[-3]}"):
        load_portfolios(settings)
    with pytest.raises(InputError, match="benchmark SPY is not in the data"):
        load_portfolios(settings_in(tmp_path, benchmark={"symbol": "SPY"}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "one of symbol, csv and blend, not none"),
        ({"symbol": "SPY", "blend": {"SPY": 1}}, "not symbol and blend"),
        ({"csv": "a.csv"}, "dividends are said of a csv"),
        ({"symbol": "SPY", "dividends": "included"}, "dividends are said of a csv"),
    ],
)
def test_bad_settings(given, said):
    with pytest.raises(ValidationError, match=said):
        BenchmarkSettings(**given)


def test_an_unknown_key_is_one_line(tmp_path):
    content = settings_in(tmp_path).model_dump(mode="json") | {"benchmark": {"symbl": "SPY"}}
    with pytest.raises(QuantrayError, match="benchmark"):
        checked(PortfolioSettings, content, "study.yaml")
