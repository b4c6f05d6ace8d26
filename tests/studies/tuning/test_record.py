"""The best of many trials, and how much of its lead is luck."""

from dataclasses import replace

import numpy as np
import pytest

from quantray.analytics.selection import expected_maximum_sharpe
from quantray.errors import InputError


@pytest.fixture
def found(trial, record):
    trials = [trial(i, ic) for i, ic in enumerate((0.01, 0.02, 0.03))]
    trials.append(trial("stopped", 0.9, finished=False))
    trials.append(trial("failed", -1.0, note="diverged"))
    return record(trials)


def test_the_best_of_many_is_judged_by_their_number(found):
    assert found.best is found.trials[2]
    assert found.expected_best == pytest.approx(0.02 + 0.01 * expected_maximum_sharpe(5, 1.0))
    assert replace(found, maximise=False).best is found.trials[0]
    assert replace(found, maximise=False).expected_best == pytest.approx(0.04 - found.expected_best)


def test_a_search_in_which_nothing_ran_to_its_end_is_refused(found):
    with pytest.raises(InputError, match=r"none of 1 trials ran to its end \(diverged\); narrow the space"):
        replace(found, trials=(found.trials[4],))
    with pytest.raises(InputError, match="none of 1 trials ran to its end; narrow the space"):
        replace(found, trials=(found.trials[3],))


def test_an_objective_is_the_last_of_its_curve(trial):
    assert trial("a", [0.3, 0.1, 0.2]).objective == 0.2
    assert np.isnan(trial("a", [0.3], note="diverged").objective)


def test_the_earlier_of_equals_is_the_best_and_one_alone_tells_no_luck(trial, record):
    found = record([trial("a", 0.1), trial("b", 0.1)])
    assert found.best is found.trials[0]
    assert np.isnan(record([trial("a", 0.1), trial("b", 0.2, finished=False)]).expected_best)
