import numpy as np
import pytest

from quantray.errors import InputError
from quantray.risk.backtests import kupiec
from quantray.risk.limiting.trust import TrustRule, trust, trust_scores


def hits_on(days, n):
    hits = np.zeros(n, dtype=bool)
    hits[list(days)] = True
    return hits


def test_right_forecasts_are_trusted():
    hits = np.random.default_rng(0).random(5000) < 0.05
    scores = trust_scores(hits)
    assert scores.mean() > 0.9
    assert ((scores >= 0) & (scores <= 1)).all()
    assert trust_scores(np.zeros(300, dtype=bool)).tolist() == [1.0] * 300
    assert trust(np.zeros(0, dtype=bool)).score == 1


def test_too_many_hits_end_it_and_it_comes_back_slowly():
    hits = hits_on((100, 103, 106, 109, 112), 300)
    scores = trust_scores(hits)
    assert scores[99] == 1
    assert scores[115] < 0.4
    assert scores[115] < scores[150] < scores[299]
    assert scores[299] > 0.95


def test_the_score_by_hand():
    # Four of twenty: half of the way from 1 to p / 0.05 in a day of a half-life of one.
    rule = TrustRule(windows=(20,), falls=1.0)
    hits = hits_on((16, 17, 18, 19), 20)
    wanted = kupiec(4, 20, 0.05).p_value / 0.05
    assert wanted < 1
    before = trust_scores(hits, rule)[18]
    assert np.isclose(trust_scores(hits, rule)[19], before + (wanted - before) / 2)


def test_what_comes_later_changes_nothing():
    hits = np.random.default_rng(1).random(400) < 0.1
    assert trust_scores(hits)[:250].tolist() == trust_scores(hits[:250]).tolist()


def test_why_is_said_in_words():
    doubtful = trust(hits_on((282, 285, 288, 291, 294), 300))
    assert doubtful.why == "of the last 20 days 5 exceeded their forecast where 1 were due (p = 0.0027)"
    assert doubtful.score < 0.5
    assert trust(hits_on((282, 285, 288, 291, 294), 330)).why.startswith("it comes back: of the last 60 days")
    assert trust(hits_on((3,), 100)).why.startswith("whole: ")


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: TrustRule(probability=0.5), "probability 0.5 must be above 0 and below 0.5"),
        (lambda: TrustRule(windows=()), "windows"),
        (lambda: TrustRule(doubt=0), "doubt 0 must be above 0"),
        (lambda: TrustRule(falls=0), "falls 0"),
        (lambda: trust_scores(np.zeros(3)), r"hits are \(3,\) float64"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
