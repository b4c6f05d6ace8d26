import numpy as np
import pytest

from quantray.data.panel import Panel
from quantray.regimes.path import RegimePath
from quantray.studies.institutional.regimes import NONE, choose_path

T = 800


@pytest.fixture
def market():
    """Wild on every other fifty days, and a path that knows it, one that is late by 25 days, and one that is blind."""
    wild = np.arange(T) // 50 % 2
    returns = np.random.default_rng(0).normal(0, 1, (T, 3)) * np.where(wild, 0.03, 0.005)[:, None]
    dates = np.datetime64("2020-01-01") + np.arange(T)
    close = np.cumprod(1 + returns, axis=0)
    panel = Panel(dates, np.array(["A", "B", "C"]), {"close": close}, np.ones(close.shape, dtype=bool))

    def path(labels):
        return RegimePath.certain(dates, ("calm", "wild"), labels)

    # Known at the close of t, and in force two days later with a lag of one.
    ahead = np.append(wild[2:], [0, 0])
    paths = {"blind": path(np.arange(T) // 7 % 2), "late": path(np.roll(ahead, 25)), "right": path(ahead)}
    return panel, paths


def test_the_path_that_tells_most_is_taken(market):
    panel, paths = market
    choice = choose_path(paths, panel, slice(100, 700), lag=1)
    assert choice.chosen == "right"
    scores = {each.name: each.score for each in choice.candidates}
    assert scores["right"] > 0.1 > scores["late"]


def test_without_a_path_that_tells_anything_there_is_none(market):
    panel, paths = market
    assert choose_path({"blind": paths["blind"]}, panel, slice(100, 700), lag=1).chosen == NONE


def test_later_days_have_no_vote(market):
    panel, paths = market
    rows = slice(100, 500)
    cut = {name: path.until(panel.dates[499]) for name, path in paths.items()}
    assert choose_path(paths, panel, rows, 1) == choose_path(cut, panel.until(panel.dates[499]), rows, 1)


def test_the_study_keeps_every_path_and_how_they_agree(study):
    _, record = study
    assert record.paths == ("hmm, days", "clustering, days", "all combined")
    np.testing.assert_allclose(np.diagonal(record.agreement), 1)
    chosen = [each.choice.chosen for each in record.choices if each.phase == "regimes"]
    assert set(chosen) <= {NONE, *record.paths}
