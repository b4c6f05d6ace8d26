"""Which days belong to a search, and what is picked of what it found."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from quantray.errors import InputError
from quantray.strategies.catalogue import CATALOGUE
from quantray.studies.evaluation.families import RuleFamily, TradingTerms
from quantray.studies.sweep.record import ALL
from quantray.studies.sweep.regime_search import BEST, Design, Found, Regimes, SearchCell, Task

DESIGN = Design(train_days=100, test_days=40, warm_up_days=20, min_days=20, embargo=3, terms=TradingTerms(lag=1))
LABELS = np.arange(260) // 7 % 2
FAMILIES = tuple(RuleFamily(CATALOGUE[name]) for name in ("momentum_5_20", "rsi_14"))


@pytest.fixture
def task(make_panel):
    return Task.of(make_panel(np.ones((260, 2))), Regimes(("calm", "wild"), LABELS), FAMILIES, DESIGN)


def test_a_day_belongs_to_the_regime_known_when_its_position_was_decided(task):
    """A return of day t was decided two closes before, and traded one before."""
    assert_array_equal(task.decided[:2], -1)
    assert_array_equal(task.decided[2:], LABELS[:-2])


def test_days_are_parted_among_regimes_and_training_ends_before_the_test(task):
    assert len(task.splits) == 4
    for fold in range(4):
        for part in ("train", "test"):
            every, calm, wild = (task.days(part, SearchCell("rsi_14", fold, scope)) for scope in (-1, 0, 1))
            assert_array_equal(calm | wild, every)
            assert not (calm & wild).any()
        train, test = (np.flatnonzero(task.days(part, SearchCell("rsi_14", fold, -1))) for part in ("train", "test"))
        # What is held when the test begins was decided before it, and days are left out between.
        assert train[-1] + DESIGN.embargo < test[0] - 1
        # The data end within the last test.
        assert len(test) == DESIGN.test_days or fold == 3


def test_tests_follow_one_another_without_a_hole(task):
    tested = np.concatenate([np.flatnonzero(task.days("test", SearchCell("rsi_14", f, -1))) for f in range(4)])
    assert_array_equal(tested, np.arange(tested[0], tested[-1] + 1))
    assert tested[0] == task.out_of_sample.start


def test_what_is_picked():
    """The set of the regime where it was searched, else that of all days; of equals the one tried first."""
    few, more, most = ((("n", n),) for n in (1, 2, 3))
    found = Found(
        {
            SearchCell("a", 0, -1): {few: 0.5, more: 0.5, most: 0.1},
            SearchCell("a", 0, 0): {few: 0.1, more: 0.2},
            SearchCell("b", 0, -1): {few: 0.3, most: 0.4},
            SearchCell("b", 0, 0): {few: 0.9, most: 0.4},
        },
        {"a": few, "b": few},
    )
    assert found.pick("a", "unconditional", 0, 0) == ("a", few)
    assert found.pick("a", "conditional", 0, 0) == ("a", more)
    assert found.pick("a", "conditional", 0, 1) == ("a", few)
    assert found.pick("b", "default", 0, 0) == ("b", few)
    assert found.pick(BEST, "unconditional", 0, 0) == ("a", few)
    assert found.pick(BEST, "conditional", 0, 0) == ("b", few)


def test_names_and_days_must_fit(make_panel):
    panel, regimes = make_panel(np.ones((260, 2))), Regimes(("calm", "wild"), LABELS)
    with pytest.raises(InputError, match="one or more with different names"):
        Task.of(panel, regimes, (FAMILIES[0], FAMILIES[0]), DESIGN)
    with pytest.raises(InputError, match="260 labels for 200 days"):
        Task.of(panel.until(199), regimes, FAMILIES, DESIGN)


def test_wrong_settings_are_refused():
    with pytest.raises(InputError, match="min_days 5"):
        Design(min_days=5)
    with pytest.raises(InputError, match="give integers"):
        Regimes(("a",), np.zeros(3))
    with pytest.raises(InputError, match="no regime be called"):
        Regimes((ALL,), np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match="between -1 and 0"):
        Regimes(("a",), np.ones(3, dtype=np.int64))
