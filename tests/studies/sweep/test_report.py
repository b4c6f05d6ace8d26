"""The report says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.bootstrap import Resampling
from quantray.analytics.selection import SharpeEstimate, backtest_overfitting, deflated_sharpe
from quantray.regimes.path import RegimePath
from quantray.research.market import MarketData, SimulatedData
from quantray.studies.sweep.figures import by_regime, differences, growth, overfitting, stability, written
from quantray.studies.sweep.record import ALL, POLICIES, Choice, Stability, Stream, SweepRecord, judge
from quantray.studies.sweep.report import SweepReportInput, sweep_page, verdict

DAYS = 400
SETS = ((("fast", 5), ("stop", None)), (("fast", 10), ("stop", 4.0)))


def record_of(gain=0.0, *, own=True, strategies=("One & two", "Other")):
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, -1], [200, 190, 10])
    streams = []
    for strategy in strategies:
        base = generator.normal(0.0003, 0.01, DAYS)
        extra = {"conditional": gain, "unconditional": 0.0, "default": -gain}
        for policy in POLICIES:
            returns = base + extra[policy] + generator.normal(0, 0.0005, DAYS)
            streams.append(Stream(strategy, policy, returns, np.full(DAYS, 0.1)))
    deflated = deflated_sharpe(SharpeEstimate(2.0, 300), n_trials=9, variance=0.2)
    choices = [
        Choice(s, fold, scope, SETS[fold], 2, 120, 60, 1.5, np.nan if fold else 0.4, deflated, own or scope == ALL)
        for s in strategies
        for fold in (0, 1)
        for scope in (ALL, "calm", "wild")
    ]
    tables = [
        Stability(s, scope, SETS, np.array([[1.0, np.nan], [0.5, 2.0]]), np.array([0, 1]))
        for s in strategies
        for scope in (ALL, "calm")
    ]
    return SweepRecord(
        dates=np.datetime64("2020-01-01") + np.arange(DAYS),
        regimes=("calm", "wild"),
        labels=labels,
        folds=("2020-01-01..2020-08-01", "2020-08-02..2021-02-03"),
        streams=tuple(streams),
        choices=tuple(choices),
        stability=tuple(tables),
        overfitting={(s, ALL): backtest_overfitting(generator.normal(size=(99, 4)), n_blocks=4) for s in strategies},
        outcomes=judge(streams, labels, ("calm", "wild"), resampling=Resampling(n_samples=200)),
        n_sets=4,
        n_computed=4,
        n_reused=0,
        seconds=1.0,
    )


def html_of(record, make_panel, *, title="t", options=(), leavers=0):
    """The page of a record, on a market that some names leave."""
    close = np.full((600, 4), 8.0)
    close[300:, :leavers] = np.nan
    data = MarketData(SimulatedData(), make_panel(close), "nowhere", {}, ())
    known = np.arange(600) % 2
    chances = np.stack([1 - known, known], axis=1) * 1.0
    regimes = RegimePath(data.panel.dates, np.array(["calm", "wild"]), known, chances)
    content = SweepReportInput(title, "two regimes", "5 bp of the money traded", record, data, regimes, options)
    return sweep_page(content).html((), {"a.b": "c"})


@pytest.mark.parametrize(
    ("gain", "words"),
    [
        (0.001, "Searching by regime helped: Other reached"),
        (-0.001, "Searching by regime hurt: Other reached"),
        (0.0, "There is no evidence that searching by regime helped: Other reached"),
    ],
)
def test_the_verdict_follows_the_interval(gain, words):
    record = record_of(gain)
    outcome = record.outcome("Other")
    assert verdict(outcome).startswith(words)
    assert f"{outcome.over_unconditional.mean:+.2f}, 95% interval" in verdict(outcome)


def test_a_policy_that_holds_nothing_is_no_verdict():
    streams = [Stream("S", policy, np.zeros(50), np.zeros(50)) for policy in POLICIES]
    (outcome,) = judge(streams, np.full(50, -1), ("a",))
    assert "held nothing" in verdict(outcome)


def test_the_page_shows_everything_and_escapes_names(make_panel):
    options = ("hedge: options at 20 %.",)
    html = html_of(record_of(0.001, own=False), make_panel, title="title <1>", options=options)
    for text in (
        "title &lt;1&gt;",
        "One &amp; two",
        "holds survivors",
        "hedge: options at 20 %.",
        "(calm, wild)",
        "that of all days",
        "Of 2 strategies, searching by regime was better for 2 and worse for 0 with 95% confidence",
        "4 parameter sets were tried. ",
        "probability of overfitting is",
        "fast 10, stop 4",
        "Stability of parameters",
    ):
        assert text in html, text


def test_choices_among_all_strategies_are_counted_apart(make_panel):
    record = record_of()
    among = [replace(choice, strategy="Best") for choice in record.choices[:6]]
    html = html_of(replace(record, choices=(*record.choices, *among)), make_panel)
    assert "0 of 12 choices have a deflated" in html
    assert "against all sets of all of them: 0 of 6 with a deflated" in html


def test_a_single_strategy_has_a_page_too(make_panel):
    html = html_of(record_of(strategies=("Only",)), make_panel, leavers=1)
    assert "Growth of the best" not in html
    assert "survivors" not in html


def test_pictures_carry_the_numbers():
    record = record_of(0.001)
    lines = growth(record, "Other").figure.data
    assert lines[0].name == "searched by regime"
    np.testing.assert_allclose(lines[0].y[-1], np.prod(1 + record.stream("Other", "conditional").returns), atol=1e-4)
    points = differences(record).figure.data[0]
    assert list(points.y) == ["Other", "One & two"]
    np.testing.assert_allclose(points.x[0], record.outcome("Other").over_unconditional.mean, atol=1e-3)
    cells = by_regime(record).figure.data
    assert cells[0].z.shape == (2, 3)
    assert cells[0].text[1][0] == f"{record.outcome('Other').sharpe['conditional'].mean:.2f}"
    assert overfitting(record).figure.data[0].text[0][0].endswith("%")
    table = stability(record).figure
    assert [trace.visible for trace in table.data] == [True, True] + [False] * 6
    assert len(table.layout.updatemenus[0].buttons) == 4


def test_parameters_are_written_in_short():
    assert written((("fast", 5), ("stop", None), ("width", 2.50))) == "fast 5, stop None, width 2.5"


def test_scores_name_the_lens():
    scores = record_of(strategies=("A", "B")).scores("volatility")
    assert set(scores) == {("volatility=calm", s) for s in "AB"} | {("volatility=wild", s) for s in "AB"}
