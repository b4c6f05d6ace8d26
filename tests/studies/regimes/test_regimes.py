from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from pydantic import ValidationError

from quantray.data.synthetic import simulate_market
from quantray.errors import DataError
from quantray.regimes.indicators import five_lenses
from quantray.regimes.lens_settings import LensSettings
from quantray.regimes.lens_timeframes import timeframe_lenses
from quantray.regimes.schedule import OneFit
from quantray.regimes.timeframes import on_finer, timeframe_bars
from quantray.research.executor import Serial
from quantray.studies.evaluation.regime_choice import RegimeChoice
from quantray.studies.regimes.findings import find_regimes
from quantray.studies.regimes.settings import RegimesSettings
from quantray.studies.regimes.study import load_regimes, run_regimes

QUICK = LensSettings(warmup=60, every=100)
LENSES = ("market", "volatility", "liquidity", "correlation", "sector")


def settings(folder, **changed):
    terms = {
        "name": "regimes",
        "data": {"kind": "simulated", "n_assets": 16, "n_days": 330, "seed": 3},
        "lenses": {"warmup": 60, "every": 100},
        "weeks": {"warmup": 20, "every": 20, "memory": 60},
        "refits": 2,
        "runs": str(folder),
    }
    return RegimesSettings(**(terms | changed))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    fall = {"name": "fall", "peak": "2024-05-01", "trough": "2024-06-28"}
    source = load_regimes(settings(tmp_path_factory.mktemp("regimes"), methods=(*LENSES, "trend"), episodes=[fall]))
    return source, run_regimes(source, Serial())


@pytest.fixture(scope="module")
def found(study):
    return find_regimes(*study)


def test_days_and_weeks_are_those_of_the_lenses(study):
    source, result = study
    lenses = five_lenses(source.panel, source.data.sectors, settings=QUICK)
    weeks = {"1week": replace(QUICK, warmup=20, every=20, memory=60)}
    bars = {"1week": timeframe_bars(None, source.panel)["1week"]}
    weekly = timeframe_lenses(bars, source.data.sectors, weeks).lenses["1week"]
    for name in LENSES:
        assert_array_equal(result.said[name].probabilities, lenses.paths[name].probabilities)
        assert_array_equal(result.weekly[name].labels, weekly.paths[name].labels)
    assert np.isin(result.said["trend"].probabilities[-1], (0, 1)).all()


def test_the_same_again_computes_nothing(study):
    source, result = study
    again = run_regimes(source, Serial())
    assert (again.n_computed, again.digest) == (0, result.digest)


def test_one_fit_learns_from_a_window_and_tells_all_rows():
    (one,) = OneFit(first=20, window=30).segments(50)
    assert (one.fit, one.use) == (slice(20, 50), slice(0, 50))
    assert OneFit(first=20).segments(19) == []


def test_on_the_day_of_a_first_fit_its_story_ends_with_what_was_said(study):
    """A fit on the same days, so on its last one nothing can differ."""
    panel = study[0].panel
    for method in ("market", "volatility"):
        choice = RegimeChoice(method=method, lenses=QUICK)
        said = choice.build(panel)
        row = int(np.argmax(said.known))
        told = choice.build(panel.until(row), schedule=choice.once())
        # The first day has no return.
        assert told.known[1:].all()
        assert_array_equal(told.probabilities[-1], said.probabilities[row])


def test_refits_end_on_the_last_day_and_a_rule_has_none(study, found):
    source, result = study
    days = list(result.again["market"])
    assert days == list(result.again["sector"])
    assert days[-1] == source.panel.dates[-1]
    assert [len(path.dates) for path in result.again["market"].values()] == [195, 330]
    assert result.again["trend"] == {}
    rows = found.tables["refits"].to_pylist()
    assert {row["method"] for row in rows} == set(LENSES)
    said, told = result.said["volatility"], result.again["volatility"][days[-1]]
    changed = (said.labels != told.labels)[said.known & told.known].mean()
    assert next(row for row in rows if row["method"] == "volatility" and row["days"] > 200)["changed"] == changed


def test_days_are_compared_with_the_last_week_that_closed(study, found):
    _, result = study
    said, weekly = result.said["volatility"], result.weekly["volatility"]
    expected = said.agreement(on_finer(weekly, said.dates))
    assert found.metrics["volatility"]["same_on_weeks"] == expected.same
    # Mondays to Thursdays know the week before.
    monday = int(np.flatnonzero(said.dates == np.datetime64("2024-06-03"))[0])
    assert on_finer(weekly, said.dates).labels[monday] == weekly.labels[weekly.row("2024-05-31")]


def test_tables_hold_every_day_spell_move_and_fall(study, found):
    _, result = study
    tables = {name: table.to_pylist() for name, table in found.tables.items()}
    path = result.said["volatility"]
    assert len(tables["days"]) == len(path.dates)
    assert tables["days"][-1]["volatility"] == str(path.named[-1])
    spells = [row for row in tables["spells"] if (row["method"], row["timeframe"]) == ("volatility", "1day")]
    assert sum(row["rows"] for row in spells) == path.known.sum()
    moves = [row["share"] for row in tables["moves"] if row["method"] == "market" and row["from"] == "bull"]
    assert sum(moves[:3]) == pytest.approx(1)
    index = {row["date"]: row["index"] for row in tables["days"]}
    fall = next(row for row in tables["episodes"] if row["method"] == "trend")
    assert fall["fall"] == pytest.approx(index[fall["trough"]] / index[fall["first"]] - 1)


def test_the_report_shows_each_method_and_what_can_be_said_of_it(found):
    titles = [section.title for section in found.page.sections]
    assert titles[:5] == ["Now", "All methods", "When markets fell", "Refits", "Days against weeks"]
    assert titles[5:] == ["Market", "Volatility", "Liquidity", "Correlation", "Sectors", "Market by trend"]
    assert len(found.page.charts) == 7
    assert "market by trend bull (by rule)" in found.page.headline or "(by rule)" in found.page.headline
    assert set(found.metrics) == {*LENSES, "trend"}


def test_a_hidden_markov_model_stands_beside_the_lenses(tmp_path):
    data = {"kind": "simulated", "n_assets": 12, "n_days": 520, "seed": 1}
    source = load_regimes(
        settings(tmp_path, data=data, methods=("hmm",), states=2, timeframes=("1day",), refits=1, dwell_days=3)
    )
    result = run_regimes(source, Serial())
    assert result.said["hmm"].names.tolist() == ["low", "high"]
    assert int(np.argmax(result.said["hmm"].known)) >= 503
    assert result.again["hmm"][source.panel.dates[-1]].known.sum() > 500
    terms = [RegimeChoice(method="ensemble", **{name: value}).terms for name, value in (("states", 2), ("seed", 1))]
    assert "lenses" not in terms[0]
    assert terms[0] != terms[1]


def test_what_cannot_be_told_is_refused_before_the_work(tmp_path):
    with pytest.raises(DataError, match="market says nothing before 400 days and the data have 330"):
        load_regimes(settings(tmp_path, lenses={"warmup": 400}))
    fall = {"name": "crash", "peak": "1987-10-13", "trough": "1987-10-19"}
    with pytest.raises(DataError, match="hold no day of the episode crash, 1987-10-13 to 1987-10-19; leave it out"):
        load_regimes(settings(tmp_path, episodes=[fall]))
    for wrong, told in (
        ({"methods": ["market", "market"]}, "repeat; name each once"),
        ({"timeframes": ["1week"]}, "timeframes must hold 1day"),
        ({"weeks": {"warmup": 30, "memory": 20}}, "weeks: warmup 30 must be 20 or more and at most memory 20"),
        ({"episodes": [{"name": "x", "peak": "2020-01-02", "trough": "2020-01-01"}]}, "must be after the peak"),
    ):
        with pytest.raises(ValidationError, match=told):
            settings(tmp_path, **wrong)


def test_data_without_ranges_have_no_weeks(tmp_path, monkeypatch):
    from quantray.research import market as loading

    whole = simulate_market(16, 330, seed=3)
    bare = replace(whole, panel=whole.panel.with_only("close", "volume"))
    monkeypatch.setattr(loading, "simulate_market", lambda *_, **__: bare)
    with pytest.raises(DataError, match=r"the data have no high and no low and no open; .*set timeframes to \[1day\]"):
        load_regimes(settings(tmp_path))
    assert load_regimes(settings(tmp_path, timeframes=("1day",))).panel.shape == (330, 16)
