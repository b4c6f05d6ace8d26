import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from quantray.regimes.path import RegimePath
from quantray.regimes.pooling import log_score_weights

DATES = np.arange("2020-01-01", "2021-12-01", dtype="datetime64[D]")
EVEN = {"seer": 1.0, "blind": 1.0}


def told(chance):
    return RegimePath.likeliest(DATES, ("low", "high"), np.column_stack([1 - chance, chance]))


def a_seer_and_a_blind():
    generator = np.random.default_rng(0)
    truth = (np.arange(len(DATES)) // 40) % 2
    seen = 2.0 * truth + generator.normal(size=len(truth))
    return {"seer": told(0.02 + 0.96 * truth), "blind": told(generator.uniform(0.3, 0.7, len(truth)))}, seen


def test_who_foretells_is_trusted_and_the_others_keep_the_share_of_the_prior():
    paths, seen = a_seer_and_a_blind()
    found = log_score_weights(paths, seen, EVEN, shrinkage=21.0, spell=1.0)
    assert_allclose(found.weights["seer"] + found.weights["blind"], 1)
    assert_allclose(found.weights["seer"][0], 0.5)
    assert found.weights["seer"][-1].min() > 0.9
    assert found.weights["blind"][-1].min() > 0.01
    assert found.learnt
    assert found.text.startswith("seer foretold")


def test_rows_of_one_spell_count_once():
    """Twice the rows to a spell, half the logarithm of the odds."""
    paths, seen = a_seer_and_a_blind()
    odds = []
    for spell in (40.0, 80.0):
        weights = log_score_weights(paths, seen, EVEN, shrinkage=1e-9, spell=spell).weights
        odds.append(np.log(weights["seer"][-1] / weights["blind"][-1]))
    assert_allclose(odds[0], 2 * odds[1], rtol=1e-6)


def test_nothing_learnt_is_said():
    paths, _ = a_seer_and_a_blind()
    noise = np.random.default_rng(1).normal(size=len(DATES))
    alike = log_score_weights({"seer": paths["blind"], "blind": paths["blind"]}, noise, EVEN)
    assert not alike.learnt
    assert_allclose(alike.weights["seer"], 0.5)
    assert alike.text.startswith("Nothing was learnt")


def test_two_spells_teach_nothing():
    paths, seen = a_seer_and_a_blind()
    early = {name: path.until(DATES[100]) for name, path in paths.items()}
    assert log_score_weights(early, seen[:101], EVEN, spell=1.0).learnt
    assert not log_score_weights(early, seen[:101], EVEN, spell=50.0).learnt


def test_a_row_knows_nothing_later():
    paths, seen = a_seer_and_a_blind()
    whole = log_score_weights(paths, seen, EVEN)
    early = {name: path.until(DATES[200]) for name, path in paths.items()}
    part = log_score_weights(early, seen[:201], EVEN)
    for name in paths:
        assert_array_equal(part.weights[name], whole.weights[name][:201])
