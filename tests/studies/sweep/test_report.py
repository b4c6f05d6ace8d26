"""The report says what the numbers say."""

from dataclasses import replace

import numpy as np
import pytest
from sweep_record import record_of

from quantray.regimes.path import RegimePath
from quantray.research.market import MarketData, SimulatedData
from quantray.studies.sweep.record import POLICIES, Stream, evaluate
from quantray.studies.sweep.report import SweepReportInput, sweep_page, verdict


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
    (outcome,) = evaluate(streams, np.full(50, -1), ("a",))
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


def test_scores_name_the_lens():
    scores = record_of(strategies=("A", "B")).scores("volatility")
    assert set(scores) == {("volatility=calm", s) for s in "AB"} | {("volatility=wild", s) for s in "AB"}
